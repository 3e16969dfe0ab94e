"""What bison_poll has to be told."""

from collections.abc import Mapping

from pydantic import Field, ValidationInfo, field_validator

from crm_relay.platform.settings import SettingsModel
from crm_relay.providers.bison.tokens import ApiTokens, WebhookTokens


class Settings(SettingsModel):
    """A workspace is polled where it has a token in `bison_api_tokens`. Without a channel nobody hears of incidents."""

    database_url: str
    database_ca_file: str | None = None
    bison_instance_url: str = ""
    bison_api_tokens: ApiTokens = Field(default_factory=dict)
    bison_webhook_tokens: WebhookTokens = Field(default_factory=dict)
    coordination_table: str
    alert_slack_webhook_url: str | None = None
    alert_topic_arn: str | None = None

    @field_validator("bison_api_tokens")
    @classmethod
    def _tokens_open_some_door(cls, tokens: Mapping[str, str], given: ValidationInfo) -> Mapping[str, str]:
        if tokens and not given.data.get("bison_instance_url"):
            raise ValueError("BISON_INSTANCE_URL is not set")
        return tokens
