"""What migrate depends on; built for each call, since it is called by hand."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crm_relay.platform.database import Database
from crm_relay.platform.migrations import migrate, read_migrations
from crm_relay.platform.settings import read_settings
from migrate.settings import Settings

# A migration may build an index over everything; Lambda itself ends the call after fifteen minutes.
_DATABASE_SECONDS = 870.0
_IN_A_CHECKOUT = Path(__file__).parent.parent.parent / "migrations"


def apply_migrations(event: Mapping[str, Any]) -> dict[str, Any]:
    """`{"dry_run": true}` only says what would be applied. Errors as in platform.migrations.migrate."""
    settings = read_settings(Settings)
    folder = settings.migrations_folder if _is_folder(settings.migrations_folder) else _IN_A_CHECKOUT
    dry_run = event.get("dry_run") is True
    database = Database(
        settings.migration_database_url or settings.database_url,
        ca_file=settings.database_ca_file,
        timeout=_DATABASE_SECONDS,
    )
    try:
        return {"applied": migrate(database, read_migrations(folder), dry_run=dry_run), "dry_run": dry_run}
    finally:
        database.close()


def _is_folder(path: Path) -> bool:
    # Before Python 3.13 a name that is too long raises, with the name in the message.
    try:
        return path.is_dir()
    except OSError:
        return False
