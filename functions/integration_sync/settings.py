"""Settings of integration_sync."""

from pydantic import Field

from crm_relay.connections.installed.connection_settings import ConnectionSettings
from crm_relay.platform.shared_settings import (
    AdminToken,
    AlertSlackWebhookUrl,
    AlertTopicArn,
    ApiOrigins,
    DatabaseCaFile,
    DatabaseUrl,
    PublicUrl,
)


class Settings(ConnectionSettings):
    """The database, the connectors, and where a provider sends a browser back to."""

    database_url: DatabaseUrl
    database_ca_file: DatabaseCaFile = None
    alert_slack_webhook_url: AlertSlackWebhookUrl = None
    alert_topic_arn: AlertTopicArn = None
    admin_token: AdminToken = None
    api_origins: ApiOrigins = ()
    public_url: PublicUrl | None = None
    """Unset: the domain of the HTTP API that the browser has called."""
    connection_log_retention_days: int = Field(
        default=90, ge=1, description="How long a line of a connection's log and activity stays."
    )
    pitch_text_retention_days: int = Field(
        default=365, ge=1, description="How long the text of a pitch stays once it was sent or has ended otherwise."
    )
