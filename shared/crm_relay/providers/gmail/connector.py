"""Gmail as a connector: what never changes about it, and an account opened for one run.

https://developers.google.com/identity/protocols/oauth2/web-server: `access_type=offline` with `prompt=consent` is how a
refresh token is issued each time. A refresh is answered without a refresh token, and the old one stays good.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.connectors.access import Access
from crm_relay.providers.connectors.authorized_client import AuthorizedClient
from crm_relay.providers.connectors.contract import AccountInfo, Choice, Limit, RecordStream
from crm_relay.providers.connectors.oauth import OAuthEndpoints
from crm_relay.providers.gmail import ACCOUNTS_URL, API_URL, OAUTH_URL
from crm_relay.providers.gmail.client import GmailMailbox
from crm_relay.providers.gmail.refusals import refusal

SCOPES = (
    # drafts.send is not covered by gmail.send.
    "https://www.googleapis.com/auth/gmail.compose",
    "https://www.googleapis.com/auth/gmail.readonly",
)
_SLOW_DOWN_SECONDS = 10.0
_USER_UNITS = 225.0
"""Of the quota, a second: 15,000 a minute and user are allowed, less a tenth. The 1,200,000 a minute that all accounts
of our project share are no limit here: one account that is asked to slow down would hold all others.
"""


@dataclass(frozen=True)
class GmailConnector:
    """The only one there is; an installation says where its API is."""

    name: str = "gmail"
    base_url: str = API_URL
    takes_keys: bool = False
    pickers: Sequence[str] = ("label",)
    watches_mail: bool = True

    @property
    def oauth(self) -> OAuthEndpoints | None:
        return OAuthEndpoints(
            authorize_url=f"{ACCOUNTS_URL}/o/oauth2/v2/auth",
            token_url=f"{OAUTH_URL}/token",
            revoke_url=f"{OAUTH_URL}/revoke",
            scopes=SCOPES,
            client_auth="body",
            authorize_parameters={"access_type": "offline", "prompt": "consent"},
            advice="an OAuth app is set; while its consent screen is in Testing, every grant ends after seven days",
        )

    def limits(self, settings: Mapping[str, object], account: str) -> Sequence[Limit]:
        """In units of the quota."""
        del settings
        return [Limit(f"gmail:user:{account}", _USER_UNITS, _SLOW_DOWN_SECONDS)]

    def open(self, http: HttpClient, access: Access, settings: Mapping[str, object]) -> "GmailAccount":
        del settings
        client = AuthorizedClient(http, access, refusal, lock_out_seconds=_SLOW_DOWN_SECONDS)
        return GmailAccount(GmailMailbox(client))


class GmailAccount:
    """A connected account."""

    def __init__(self, mailbox: GmailMailbox) -> None:
        self._mailbox = mailbox

    def info(self) -> AccountInfo:
        return AccountInfo(self._mailbox.profile().address)

    def streams(self) -> Sequence[RecordStream]:
        """None: what a mailbox holds are no people."""
        return []

    def choices(self, kind: str, within: str | None = None) -> Sequence[Choice]:
        del within
        if kind != "label":
            raise RejectedInput("Gmail has labels to pick alone", status=422)
        return [Choice(id_, name) for id_, name in sorted(self._mailbox.labels().items(), key=lambda each: each[1])]

    def mailbox(self) -> GmailMailbox:
        return self._mailbox
