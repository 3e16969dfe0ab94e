"""OAuth 2 by the data of a provider: where a start leads, and requests for tokens."""

import base64
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, urlencode

from crm_relay.platform.errors import FatalError, ServerFailed
from crm_relay.platform.http.http_client import Answer, HttpClient
from crm_relay.providers.connectors.oauth import OAuthEndpoints

_READ = frozenset({400, 401, 403})
_TIMEOUT = (5.0, 20.0)
"""Both together are shorter than the lease of a refresh."""


class GrantRefused(FatalError):
    """`invalid_grant`: the refresh token or the code is not valid, or no longer."""


@dataclass(frozen=True)
class OAuthApp:
    """Our registration at a provider."""

    client_id: str
    client_secret: str | None = field(repr=False)


@dataclass(frozen=True)
class IssuedTokens:
    """What a provider issued. `refresh_token` None: it keeps the former one, or has none at all."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_in: float | None
    refresh_expires_in: float | None


@dataclass(frozen=True)
class ProviderOAuth:
    """One provider for one app. Nothing is repeated here: a second use of a code or a rotated token ends the grant."""

    endpoints: OAuthEndpoints
    app: OAuthApp

    def authorize_address(self, *, redirect_uri: str, state: str, verifier: str) -> str:
        """Where a browser is sent to."""
        digest = hashlib.sha256(verifier.encode()).digest()
        given = {
            "response_type": "code",
            "client_id": self.app.client_id,
            "redirect_uri": redirect_uri,
            "state": state,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        scope = {"scope": " ".join(self.endpoints.scopes)} if self.endpoints.scopes else {}
        return f"{self.endpoints.authorize_url}?{urlencode(given | scope | dict(self.endpoints.authorize_parameters))}"

    def exchange(self, code: str, *, redirect_uri: str, verifier: str) -> IssuedTokens:
        """Of a callback. Raises GrantRefused, FatalError for a wrong app, TransientError."""
        return self._ask(
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": redirect_uri,
                "code_verifier": verifier,
            }
        )

    def refresh(self, refresh_token: str) -> IssuedTokens:
        """Errors as in `exchange`."""
        return self._ask({"grant_type": "refresh_token", "refresh_token": refresh_token})

    def revoke(self, token: str) -> bool:
        """Whether the provider took the grant back; False where it has no address for that. Errors as in `exchange`.

        A token that it does not know any more is revoked.
        """
        if self.endpoints.revoke_url is None:
            return False
        self._post(self.endpoints.revoke_url, {"token": token})
        return True

    def _ask(self, form: Mapping[str, str]) -> IssuedTokens:
        answer = self._post(self.endpoints.token_url, form)
        if answer.status >= 300:
            raise _refusal(answer)
        return self._read(answer.body)

    def _post(self, address: str, form: Mapping[str, str]) -> Answer:
        app, headers = self.app, {}
        if self.endpoints.client_auth == "basic" and app.client_secret is not None:
            # https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1: both are form-encoded before they are joined.
            login = f"{quote_plus(app.client_id)}:{quote_plus(app.client_secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
        else:
            secret = {} if app.client_secret is None else {"client_secret": app.client_secret}
            form = {**form, "client_id": app.client_id, **secret}
        # The whole address is the base: a request's path stands in messages.
        http = HttpClient(address, timeout=_TIMEOUT, repeats=0)
        return http.send("POST", "", headers=headers, form=form, accept=_READ)

    def _read(self, body: Any) -> IssuedTokens:
        if not isinstance(body, Mapping) or not _text(body.get("access_token")):
            raise ServerFailed("the provider answered a request for tokens without an access_token")
        seconds = _seconds(body.get("expires_in")) or float(self.endpoints.expires_in_default)
        return IssuedTokens(
            access_token=str(body["access_token"]),
            refresh_token=_text(body.get("refresh_token")),
            expires_in=seconds if self.endpoints.expires else None,
            refresh_expires_in=_seconds(body.get("refresh_expires_in")),
        )


def _refusal(answer: Answer) -> Exception:
    """By the word of https://www.rfc-editor.org/rfc/rfc6749#section-5.2, which is repeated only where it is known."""
    said = answer.body.get("error") if isinstance(answer.body, Mapping) else None
    if said == "invalid_grant":
        return GrantRefused("the provider refuses the grant: invalid_grant")
    known = {"invalid_client", "invalid_request", "unauthorized_client", "unsupported_grant_type", "invalid_scope"}
    word = said if said in known else f"status {answer.status}"
    return FatalError(f"the provider refuses the request for tokens: {word}")


def _seconds(value: object) -> float | None:
    """A number, or the text of one; None for anything else and for nothing."""
    try:
        seconds = float(value) if isinstance(value, int | float | str) else 0.0
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds > 0 else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
