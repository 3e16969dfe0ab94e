"""What webhook_replay has to be told."""

from pydantic import Field

from crm_relay.platform.settings import SettingsModel


class Settings(SettingsModel):
    """Records of any other queue than `deferred_queue_url` are those that it gave up."""

    database_url: str
    database_ca_file: str | None = None
    deferred_queue_url: str
    oversize_bucket: str
    bison_instance_url: str = ""
    inbox_retention_days: int = Field(default=30, ge=1)
