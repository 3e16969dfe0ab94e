"""Settings that every part of an installation with connections reads."""

from typing import Annotated

from pydantic import Field

from crm_relay.mail.models import Mode, SendPolicy
from crm_relay.mail.policy_settings import SendAllowList, SendMode, policy_of
from crm_relay.platform.aws.secret_groups import IN_WORKERS_SECRET
from crm_relay.platform.settings import SettingsModel

ConnectionKey = Annotated[
    str,
    Field(
        min_length=1,
        description="What encrypts the tokens of connections: id, ARN or alias of a symmetric KMS key, or `file:` and "
        "the path of a key file, which is made where it is missing.",
    ),
]
_API_URL = "Base address of {name}'s API. Other than the default for a simulator or a proxy."
_OAUTH_URL = "Scheme and host of {name}'s OAuth addresses. Unset: the vendor's."


class ConnectionSettings(SettingsModel):
    """The key, and our registration at each provider; without one its accounts are connected by keys alone."""

    connection_key: ConnectionKey
    airtable_url: str | None = Field(default=None, description=_API_URL.format(name="Airtable"))
    airtable_oauth_url: str | None = Field(default=None, description=_OAUTH_URL.format(name="Airtable"))
    airtable_client_id: Annotated[str | None, IN_WORKERS_SECRET] = Field(
        default=None,
        description="Client id of an OAuth integration registered at Airtable. Unset: bases are connected by personal "
        "access tokens alone.",
    )
    airtable_client_secret: Annotated[str | None, IN_WORKERS_SECRET] = Field(
        default=None, description="Secret of the same integration; unset where it was registered without one."
    )
    mailchimp_url: str | None = Field(
        default=None,
        description="Base address of Mailchimp's API. Unset: the data centre of each account; other than that for a "
        "simulator or a proxy.",
    )
    mailchimp_oauth_url: str | None = Field(default=None, description=_OAUTH_URL.format(name="Mailchimp"))
    mailchimp_client_id: Annotated[str | None, IN_WORKERS_SECRET] = Field(
        default=None,
        description="Client id of an app registered at Mailchimp. Unset: audiences are connected by API keys alone.",
    )
    mailchimp_client_secret: Annotated[str | None, IN_WORKERS_SECRET] = Field(
        default=None, description="Secret of the same app."
    )
    gmail_url: str | None = Field(default=None, description=_API_URL.format(name="Gmail"))
    google_oauth_url: str | None = Field(default=None, description=_OAUTH_URL.format(name="Google"))
    google_client_id: Annotated[str | None, IN_WORKERS_SECRET] = Field(
        default=None,
        description="Client id of a web application registered at Google, for mailboxes of Gmail. Unset: none can be "
        "connected.",
    )
    google_client_secret: Annotated[str | None, IN_WORKERS_SECRET] = Field(
        default=None, description="Secret of the same application."
    )
    send_mode: SendMode = Mode.DRY_RUN
    send_allow_list: SendAllowList = ()

    @property
    def policy(self) -> SendPolicy:
        """What may leave by mailboxes at all."""
        return policy_of(self.send_mode, self.send_allow_list)
