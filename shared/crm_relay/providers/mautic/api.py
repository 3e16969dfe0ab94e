"""Calls to Mautic's REST API with an access token."""

from collections.abc import Mapping
from typing import Any

from crm_relay.platform.errors import FatalError
from crm_relay.platform.http.http_client import Answer, HttpClient
from crm_relay.providers.mautic.oauth import API_SWITCHED_OFF, AccessToken


class MauticApi:
    """One Mautic with one token. Errors as in HttpClient.send, except that a 401 renews the token once."""

    def __init__(self, http: HttpClient, client_id: str, client_secret: str) -> None:
        self._http = http
        self._token = AccessToken(http, client_id, client_secret)

    @property
    def requests_sent(self) -> int:
        """Requests since this was made, token requests included."""
        return self._http.requests_sent

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        json: object = None,
        accept: frozenset[int] = frozenset(),
    ) -> Answer:
        """One exchange; statuses in `accept` are returned instead of raised."""
        for attempt in (1, 2):
            headers = {"Authorization": f"Bearer {self._token.current()}"}
            answer = self._http.send(method, path, headers=headers, query=query, json=json, accept=accept | {401, 403})
            if answer.status == 403 and 403 not in accept:
                raise FatalError(_why_forbidden(method, path, answer.body))
            if answer.status != 401:
                return answer
            if attempt == 1:
                self._token.forget()
        raise FatalError(f"{method} {path}: Mautic refuses a token that it has just given out")


def _why_forbidden(method: str, path: str, body: Any) -> str:
    # Recorded: 01_api_disabled_403 has a type, 66_add_to_unpublished_segment has none.
    errors = body.get("errors") if isinstance(body, Mapping) else None
    first = errors[0] if isinstance(errors, list) and errors else None
    if isinstance(first, Mapping) and first.get("type") == "api_disabled":
        return API_SWITCHED_OFF
    rights = next((needed for prefix, needed in _RIGHTS.items() if path.startswith(prefix)), "rights to it")
    return (
        f"{method} {path}: status 403: the role of the API credential may not do this; in Mautic, Settings > Roles, "
        f"give it {rights}"
    )


_RIGHTS = {
    "/api/contacts": "Contacts: view, edit and delete, own and others', and create",
    "/api/fields": "Custom Fields: full",
    "/api/segments": "Segments: view and edit others' and create; a segment that is not published takes no members",
    "/api/hooks": "Webhooks: view, edit, create and publish, own and others'",
    "/api/stats": "Contacts: view others'",
    "/api/emails": "Emails: view others'",
}
"""What Mautic calls the rights behind a path."""
