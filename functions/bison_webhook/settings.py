"""Settings of bison_webhook."""

from pydantic import Field

from crm_relay.platform.shared_settings import BisonInstanceUrl
from crm_relay.providers.bison.tokens import WebhookTokens
from crm_relay.webhooks.inbox_settings import InboxSettings


class Settings(InboxSettings):
    """The inbox, and the tokens in the paths of EmailBison's webhooks."""

    bison_instance_url: BisonInstanceUrl = ""
    bison_webhook_tokens: WebhookTokens = Field(default_factory=dict)
