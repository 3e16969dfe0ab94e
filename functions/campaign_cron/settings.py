"""What campaign_cron has to be told."""

from email.utils import parseaddr

from pydantic import ValidationInfo, field_validator

from crm_relay.consent.address import normalise
from crm_relay.mail.models import Identity, Mode, SendPolicy
from crm_relay.platform.settings import CommaSeparated, SettingsModel
from crm_relay.providers.resend.client import API_URL
from crm_relay.providers.twilio.client import API_URL as TWILIO_API_URL


class Settings(SettingsModel):
    """SEND_MODE is dry-run until somebody sets another: then everything happens but the request.

    `email_from` (`Name <address>`) is the sender where an organization has no identity of its own. `send_allow_list`
    holds addresses, whole domains (`@example.com`) and numbers. Without a number or service of Twilio's no text message
    is sent.
    """

    database_url: str
    database_ca_file: str | None = None
    public_url: str
    resend_api_key: str | None = None
    resend_api_url: str = API_URL
    send_mode: Mode = Mode.DRY_RUN
    send_allow_list: CommaSeparated = ()
    email_from: str | None = None
    twilio_account_sid: str | None = None
    twilio_auth_token: str | None = None
    twilio_from: str | None = None
    twilio_api_url: str = TWILIO_API_URL
    alert_slack_webhook_url: str | None = None
    alert_topic_arn: str | None = None

    @field_validator("send_mode")
    @classmethod
    def _sending_needs_a_key(cls, mode: Mode, given: ValidationInfo) -> Mode:
        if mode is not Mode.DRY_RUN and not given.data.get("resend_api_key"):
            raise ValueError(f"{mode.value} needs RESEND_API_KEY, which is not set")
        return mode

    @field_validator("email_from")
    @classmethod
    def _sender_is_an_address(cls, sender: str | None) -> str | None:
        if sender is not None and normalise(parseaddr(sender)[1]) is None:
            raise ValueError("must be an address, or Name <address>")
        return sender

    @property
    def policy(self) -> SendPolicy:
        """What may leave at all."""
        allowed = (each.lower() if each.startswith("@") else normalise(each) or each for each in self.send_allow_list)
        return SendPolicy(self.send_mode, frozenset(allowed))

    @property
    def sender(self) -> Identity | None:
        """EMAIL_FROM; the postal address is the organization's."""
        if self.email_from is None:
            return None
        name, address = parseaddr(self.email_from)
        return Identity(id=None, from_address=address, from_name=name or None)
