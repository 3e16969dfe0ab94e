"""What resend_webhook has to be told."""

from crm_relay.platform.settings import CommaSeparated, SettingsModel


class Settings(SettingsModel):
    """`resend_webhook_secret` empty: every delivery is refused. Several are valid at once while one is replaced."""

    database_url: str
    database_ca_file: str | None = None
    resend_webhook_secret: CommaSeparated = ()
    deferred_queue_url: str
    oversize_bucket: str
    coordination_table: str
