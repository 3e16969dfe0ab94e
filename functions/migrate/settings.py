"""Settings of migrate."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from crm_relay.platform.aws.secret_groups import IN_MIGRATION_SECRET
from crm_relay.platform.settings import SettingsModel
from crm_relay.platform.shared_settings import DatabaseCaFile, DatabaseUrl


class Settings(SettingsModel):
    """The database, twice where `database_url` is a transaction pooler's, and the files."""

    database_url: DatabaseUrl
    migration_database_url: Annotated[str | None, IN_MIGRATION_SECRET] = Field(
        default=None,
        description="Connection string of the tables' owner, on a port that keeps its session (Supabase: port 5432, "
        "user `postgres.<ref>`). Unset: `DATABASE_URL`.",
    )
    database_ca_file: DatabaseCaFile = None
    migrations_folder: Path = Field(
        default=Path("/opt/migrations"),
        description="Folder of the SQL files. If it does not exist, the checkout's `migrations/` is read.",
    )
