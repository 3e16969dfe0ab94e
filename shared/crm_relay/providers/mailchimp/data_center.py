"""Where an account's API is: in one data centre, whose name is checked before it becomes a part of a host's name."""

import hashlib

from crm_relay.platform.errors import FatalError
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.platform.http.json_answer import parsed
from crm_relay.providers.connectors.access import Access, AccountToken
from crm_relay.providers.connectors.authorized_client import AuthorizedClient
from crm_relay.providers.mailchimp import API_URL, LOGIN_URL
from crm_relay.providers.mailchimp.settings import is_data_center
from crm_relay.providers.mailchimp.wire import OAuthMetadata

PACE_SECONDS = 20.0
"""After a 429 or a 403 without JSON, which say no time."""


class DataCenter:
    """Of one account. A key ends with it; of an OAuth token the login server is asked, once and never again."""

    def __init__(self, http: HttpClient, access: Access, login_url: str = LOGIN_URL) -> None:
        self._http = http
        self._access = access
        self._login_url = login_url
        self._known: tuple[str, str] | None = None

    def remember(self, name: str | None, mark: str | None) -> None:
        """As a cursor had it; of another grant than `mark` it says nothing."""
        if self._known is None and name is not None and mark is not None and is_data_center(name):
            self._known = (name, mark)

    @property
    def known(self) -> tuple[str, str] | None:
        """The name and the mark of the grant; None while nothing was asked."""
        return self._known

    def client(self) -> AuthorizedClient:
        """Of the API under /3.0. Raises ReconnectNeeded, TransientError, FatalError for a malformed name."""
        name = self._name()
        http = self._http
        if http.base_url == API_URL:
            http = HttpClient(f"https://{name}.api.mailchimp.com", timeout=http.timeout, repeats=0)
        return AuthorizedClient(http, self._access, lock_out_seconds=PACE_SECONDS, bare_403_is_pace=True)

    def _name(self) -> str:
        token = self._access.token()
        mark = mark_of(token)
        _, dash, tail = token.value.rpartition("-")
        if dash and is_data_center(tail):
            self._known = (tail, mark)
        if self._known is None or self._known[1] != mark:
            self._known = (self._asked(token), mark)
        return self._known[0]

    def _asked(self, token: AccountToken) -> str:
        is_moved = self._http.base_url != API_URL and self._login_url == LOGIN_URL
        http = self._http if is_moved else HttpClient(self._login_url, timeout=self._http.timeout, repeats=0)
        client = AuthorizedClient(http, self._access, authorization=lambda each: f"OAuth {each.value}")
        del token
        name = parsed(OAuthMetadata, client.send("GET", "/oauth2/metadata")).dc
        if not is_data_center(name):
            raise FatalError("Mailchimp names a data centre that cannot be one")
        return name


def mark_of(token: AccountToken) -> str:
    """Tells grants apart, and says nothing of the token."""
    return hashlib.sha256(token.value.encode()).hexdigest()[:8]
