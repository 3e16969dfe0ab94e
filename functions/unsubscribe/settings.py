"""What unsubscribe has to be told."""

from crm_relay.platform.settings import SettingsModel


class Settings(SettingsModel):
    """No secret of ours is needed: the token in the path is one."""

    database_url: str
    database_ca_file: str | None = None
    deferred_queue_url: str
    oversize_bucket: str
    coordination_table: str
