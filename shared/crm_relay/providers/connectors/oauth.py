"""An OAuth 2 provider as data; the engine starts, exchanges, refreshes and revokes by it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class OAuthEndpoints:
    """Where and how an account of a provider is connected.

    Every start has PKCE (S256) and a state; a provider that does not know PKCE ignores it. Requests for tokens are
    form-encoded. `client_auth`: the client's id and secret go as HTTP Basic, or in the body.
    """

    authorize_url: str
    token_url: str
    scopes: tuple[str, ...] = ()
    revoke_url: str | None = None
    """A POST with `token`; None: the provider has none, and the page says where access is taken back by hand."""
    client_auth: Literal["basic", "body"] = "body"
    authorize_parameters: Mapping[str, str] = field(default_factory=dict)
    """Beside the standard ones, such as access_type=offline for Google."""
    expires: bool = True
    """False: access tokens never expire and there is no refresh (Mailchimp); then a 401 means reconnect."""
    expires_in_default: int = 3600
    """Seconds, where the answer does not say how long its token is valid."""
    advice: str = ""
    """What an operator with an app of this provider easily overlooks; `crm-relay doctor` says it where one is set."""
