"""Mautic's access token by client credentials: kept while it is good, renewed before it ends."""

import time

from pydantic import ValidationError

from crm_relay.platform.errors import FatalError, ServerFailed
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.mautic.wire import TokenAnswer

_RENEW_EARLY_SECONDS = 60

API_SWITCHED_OFF = "Mautic's API is switched off: an administrator has to enable it in Configuration > API Settings"


class AccessToken:
    """One token, fetched on first use. Several tokens may live at once, so nobody else is disturbed by a renewal."""

    def __init__(self, http: HttpClient, client_id: str, client_secret: str) -> None:
        self._http = http
        self._form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret}
        self._value = ""
        self._good_until = 0.0

    def current(self) -> str:
        """A token good for a minute at least. Raises FatalError where the credentials are refused."""
        if time.monotonic() >= self._good_until:
            self._fetch()
        return self._value

    def forget(self) -> None:
        """Fetch a new one at the next use: Mautic refused this one, whatever its age."""
        self._good_until = 0.0

    def _fetch(self) -> None:
        asked_at = time.monotonic()
        # Bad credentials are answered 400 (type invalid_client), a switched-off API 403 (type api_disabled).
        answer = self._http.send("POST", "/oauth/v2/token", form=self._form, accept=frozenset({400, 401, 403}))
        if answer.status == 403:
            raise FatalError(API_SWITCHED_OFF)
        if answer.status >= 400:
            raise FatalError("Mautic refuses MAUTIC_CLIENT_ID or MAUTIC_CLIENT_SECRET")
        try:
            token = TokenAnswer.model_validate(answer.body)
        except ValidationError:
            raise ServerFailed("the token answer is not of the expected form") from None
        self._value = token.access_token
        self._good_until = asked_at + token.expires_in - _RENEW_EARLY_SECONDS
