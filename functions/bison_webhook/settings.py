"""What bison_webhook has to be told."""

from pydantic import Field

from crm_relay.providers.bison.tokens import WebhookTokens
from crm_relay.webhooks.open import InboxSettings


class Settings(InboxSettings):
    """`bison_webhook_tokens` empty: every delivery is refused. Several a workspace are valid while one is replaced."""

    bison_instance_url: str = ""
    bison_webhook_tokens: WebhookTokens = Field(default_factory=dict)
