"""Settings of bison_poll."""

from collections.abc import Mapping

from pydantic import Field, ValidationInfo, field_validator

from crm_relay.platform.settings import SettingsModel
from crm_relay.platform.shared_settings import (
    AlertSlackWebhookUrl,
    AlertTopicArn,
    BisonInstanceUrl,
    CoordinationTable,
    DatabaseCaFile,
    DatabaseUrl,
)
from crm_relay.providers.bison.tokens import ApiTokens, WebhookTokens


class Settings(SettingsModel):
    """The workspaces by their tokens, and where incidents are reported."""

    database_url: DatabaseUrl
    database_ca_file: DatabaseCaFile = None
    bison_instance_url: BisonInstanceUrl = ""
    bison_api_tokens: ApiTokens = Field(default_factory=dict)
    bison_webhook_tokens: WebhookTokens = Field(default_factory=dict)
    coordination_table: CoordinationTable
    alert_slack_webhook_url: AlertSlackWebhookUrl = None
    alert_topic_arn: AlertTopicArn = None

    @field_validator("bison_api_tokens")
    @classmethod
    def _tokens_open_some_door(cls, tokens: Mapping[str, str], given: ValidationInfo) -> Mapping[str, str]:
        if tokens and not given.data.get("bison_instance_url"):
            raise ValueError("BISON_INSTANCE_URL is not set")
        return tokens
