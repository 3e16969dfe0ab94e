"""What provider_report has to be told."""

from crm_relay.platform.settings import SettingsModel


class Settings(SettingsModel):
    """Without a channel nobody is told of incidents."""

    database_url: str
    database_ca_file: str | None = None
    alert_slack_webhook_url: str | None = None
    alert_topic_arn: str | None = None
