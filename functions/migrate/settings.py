"""What migrate has to be told."""

from pathlib import Path

from crm_relay.platform.settings import SettingsModel


class Settings(SettingsModel):
    """`migration_database_url`: a connection that keeps its session, where `database_url` is a transaction pooler's."""

    database_url: str
    migration_database_url: str | None = None
    database_ca_file: str | None = None
    migrations_folder: Path = Path("/opt/migrations")
