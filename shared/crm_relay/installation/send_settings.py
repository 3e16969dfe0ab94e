"""Settings of everything that sends: the channels out, and what may leave."""

from email.utils import parseaddr
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from crm_relay.mail.models import Identity, Mode, SendPolicy
from crm_relay.mail.policy_settings import SendAllowList, SendMode, policy_of
from crm_relay.platform.aws.secret_groups import IN_WORKERS_SECRET
from crm_relay.platform.settings import SettingsModel
from crm_relay.platform.shared_settings import (
    AlertSlackWebhookUrl,
    AlertTopicArn,
    DatabaseCaFile,
    DatabaseUrl,
    EmailFrom,
    PublicUrl,
    TwilioFrom,
    UnsubscribeLinkKey,
)
from crm_relay.providers.resend import API_URL
from crm_relay.providers.twilio import API_URL as TWILIO_API_URL
from crm_relay.rules.addresses.mailbox import mailbox_in


class MailSettings(SettingsModel):
    """E-mail out; nothing leaves until SEND_MODE says otherwise."""

    database_url: DatabaseUrl
    database_ca_file: DatabaseCaFile = None
    public_url: PublicUrl
    unsubscribe_link_key: UnsubscribeLinkKey = ()
    resend_api_key: Annotated[str | None, IN_WORKERS_SECRET] = Field(
        default=None,
        description="API key of Resend, with full access, which reading replies needs. Required unless `SEND_MODE` is "
        "`dry-run`.",
    )
    resend_api_url: str = Field(default=API_URL, description="Base address of Resend's API.")
    send_mode: SendMode = Mode.DRY_RUN
    send_allow_list: SendAllowList = ()
    email_from: EmailFrom = None
    alert_slack_webhook_url: AlertSlackWebhookUrl = None
    alert_topic_arn: AlertTopicArn = None

    @field_validator("send_mode")
    @classmethod
    def _sending_needs_a_key(cls, mode: Mode, given: ValidationInfo) -> Mode:
        if mode is not Mode.DRY_RUN and not given.data.get("resend_api_key"):
            raise ValueError(f"{mode.value} needs RESEND_API_KEY, which is not set")
        return mode

    @field_validator("email_from")
    @classmethod
    def _sender_is_an_address(cls, sender: str | None) -> str | None:
        if sender is not None and mailbox_in(sender) is None:
            raise ValueError("must be an address, or Name <address>")
        return sender

    @property
    def policy(self) -> SendPolicy:
        """What may leave at all."""
        return policy_of(self.send_mode, self.send_allow_list)

    @property
    def sender(self) -> Identity | None:
        """EMAIL_FROM; the postal address is the organization's."""
        if self.email_from is None:
            return None
        # A name may hold a comma without the quotes that the grammar wants.
        name = parseaddr(self.email_from)[0] or self.email_from.partition("<")[0].strip(' "')
        address = mailbox_in(self.email_from) or self.email_from
        return Identity(id=None, from_address=address, from_name=name if name != address else None)


class SendingSettings(MailSettings):
    """E-mail and text messages out."""

    twilio_account_sid: Annotated[str | None, IN_WORKERS_SECRET] = Field(
        default=None, description="Account of Twilio (`AC…`). Unset: SMS steps are skipped, and the log says why."
    )
    twilio_auth_token: Annotated[str | None, IN_WORKERS_SECRET] = Field(
        default=None, description="Token of the same account. Unset: SMS steps are skipped."
    )
    twilio_from: TwilioFrom = None
    twilio_api_url: str = Field(default=TWILIO_API_URL, description="Base address of Twilio's API.")
