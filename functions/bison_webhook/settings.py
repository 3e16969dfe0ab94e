"""What bison_webhook has to be told."""

from pydantic import Field

from crm_relay.platform.settings import SettingsModel
from crm_relay.providers.bison.tokens import WebhookTokens


class Settings(SettingsModel):
    """`bison_webhook_tokens` empty: every delivery is refused. Several a workspace are valid while one is replaced."""

    database_url: str
    database_ca_file: str | None = None
    bison_instance_url: str = ""
    bison_webhook_tokens: WebhookTokens = Field(default_factory=dict)
    deferred_queue_url: str
    oversize_bucket: str
    coordination_table: str
