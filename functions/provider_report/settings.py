"""Settings of provider_report."""

from crm_relay.platform.settings import SettingsModel
from crm_relay.platform.shared_settings import AlertSlackWebhookUrl, AlertTopicArn, DatabaseCaFile, DatabaseUrl


class Settings(SettingsModel):
    """The database, and where incidents are reported."""

    database_url: DatabaseUrl
    database_ca_file: DatabaseCaFile = None
    alert_slack_webhook_url: AlertSlackWebhookUrl = None
    alert_topic_arn: AlertTopicArn = None
