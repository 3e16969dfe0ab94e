"""The connection of the tables' owner, who alone may change the schema."""

from collections.abc import Iterator
from contextlib import contextmanager

from crm_relay.platform.database import Database
from crm_relay.platform.errors import FatalError
from crm_relay.platform.settings import SettingsModel, read_settings

_SECONDS = 900.0


class MigrationSettings(SettingsModel):
    """The session port where there is one; a transaction pooler would do for most files."""

    migration_database_url: str | None = None
    database_url: str | None = None
    database_ca_file: str | None = None


@contextmanager
def open_as_owner() -> Iterator[Database]:
    """By MIGRATION_DATABASE_URL, else DATABASE_URL. Raises FatalError where neither is set."""
    settings = read_settings(MigrationSettings)
    url = settings.migration_database_url or settings.database_url
    if url is None:
        raise FatalError("settings: MIGRATION_DATABASE_URL or DATABASE_URL: is not set")
    database = Database(url, ca_file=settings.database_ca_file, timeout=_SECONDS)
    try:
        yield database
    finally:
        database.close()
