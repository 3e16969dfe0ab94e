"""Calls to EmailBison's REST API with a workspace's token, and answers held against their workspace."""

import re
from collections.abc import Mapping
from typing import Any

from crm_relay.platform.errors import FatalError, RejectedInput
from crm_relay.platform.http.http_client import Answer, HttpClient, NotJson
from crm_relay.providers.bison.wire import claimed_workspaces

_FIELD = re.compile(r"[a-z_]+(?:\.[a-z0-9_]+)*")


class BisonApi:
    """One workspace by its token. Errors as in HttpClient.send, and FatalError where another workspace answers.

    https://docs.emailbison.com/get-started/authentication - a token of the kind "super-admin" follows its user from
    workspace to workspace, and so would the data; one of the kind "api-user" stays.
    """

    def __init__(self, http: HttpClient, token: str, workspace_id: int | None) -> None:
        self.http = http
        self.workspace_id = workspace_id
        # Without the second header Laravel answers a page for browsers instead of an error.
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        json: object = None,
        accept: frozenset[int] = frozenset(),
    ) -> Answer:
        """One exchange; statuses in `accept` are returned instead of raised.

        Of a 422 only the names of the refused fields are told: the message may quote a value.
        """
        try:
            answer = self.http.send(
                method, path, headers=self._headers, query=query, json=json, accept=accept | {401, 422}
            )
        except NotJson:
            raise FatalError(f"{method} {path}: a page for browsers answered, so BISON_INSTANCE_URL is wrong") from None
        if answer.status == 401:
            raise FatalError(f"{method} {path}: the token is not accepted")
        if answer.status == 422 and 422 not in accept:
            raise RejectedInput(f"{method} {path}: status 422", status=422, details=_refused_fields(answer.body))
        self.same_workspace(claimed_workspaces(answer.body))
        return answer

    def same_workspace(self, claimed: set[int]) -> None:
        """Raises FatalError where `claimed` names another workspace than the one expected."""
        if self.workspace_id is not None and claimed - {self.workspace_id}:
            raise FatalError(
                "EmailBison answered for another workspace: its token is not of the kind api-user, or not its"
            )


def _refused_fields(body: Any) -> list[str]:
    errors = body.get("errors") if isinstance(body, Mapping) else None
    names = errors if isinstance(errors, Mapping) else ()
    return [f"{name}: refused" for name in list(names)[:5] if _FIELD.fullmatch(str(name))]
