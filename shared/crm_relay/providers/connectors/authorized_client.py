"""Requests of a connector: each has a permit and a valid token, and its errors say what to do next."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from crm_relay.platform.errors import RateLimited, RejectedInput
from crm_relay.platform.http.http_client import Answer, BareRefusal, HttpClient
from crm_relay.providers.connectors.access import Access, AccountToken
from crm_relay.providers.connectors.failures import PermissionMissing, ReconnectNeeded

Refusal = Callable[[Answer], Exception | None]
"""A connector's reading of an answer from 400 to 429 (but 401): the error to raise, None for what the status says."""

_READ = frozenset({400, 401, 402, 403, 404, 409, 412, 413, 414, 415, 422, 429})


@dataclass(frozen=True)
class AuthorizedClient:
    """One account over `http`, which must not repeat anything (`repeats=0`).

    `authorization` makes the header of a token; a 429 without Retry-After holds everybody for `lock_out_seconds`.
    `bare_403_is_pace`: a 403 without JSON is as a 429, and says nothing about permissions.
    """

    http: HttpClient
    access: Access
    refusal: Refusal = lambda _answer: None
    authorization: Callable[[AccountToken], str] = lambda token: f"Bearer {token.value}"
    lock_out_seconds: float = 30.0
    bare_403_is_pace: bool = False

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | Sequence[str]] | None = None,
        json: object = None,
        units: int = 1,
        accept: frozenset[int] = frozenset(),
    ) -> Answer:
        """One exchange: a status below 300 or one of `accept`.

        After a 401 the request is repeated once, with a newer token; a second 401 is ReconnectNeeded. Raises what
        `refusal` says, else PermissionMissing for 403, RateLimited for 429 (after all workers were slowed down),
        RejectedInput for other 4xx, and the other errors of HttpClient.send.
        """
        answer, token = self._exchange(method, path, None, query, json, units)
        if answer.status == 401:
            answer, _ = self._exchange(method, path, self.access.after_refusal(token), query, json, units)
        if answer.status < 300 or answer.status in accept:
            return answer
        raise self._error(answer, f"{method} {path}")

    def _exchange(
        self,
        method: str,
        path: str,
        token: AccountToken | None,
        query: Mapping[str, str | Sequence[str]] | None,
        json: object,
        units: int,
    ) -> tuple[Answer, AccountToken]:
        self.access.take_permit(units)
        # Asked behind the wait for a permit, during which a token may expire.
        token = token or self.access.token()
        headers = {"Authorization": self.authorization(token)}
        try:
            return self.http.send(method, path, headers=headers, query=query, json=json, accept=_READ), token
        except BareRefusal as error:
            if error.status == 403 and self.bare_403_is_pace:
                return Answer(403, None), token
            raise

    def _error(self, answer: Answer, what: str) -> Exception:
        said = self.refusal(answer)
        is_bare = answer.status == 403 and not isinstance(answer.body, Mapping)
        if answer.status == 429 or (is_bare and self.bare_403_is_pace):
            seconds = _seconds(answer.headers.get("retry-after"))
            self.access.slow_down(self.lock_out_seconds if seconds is None else seconds)
            return said or RateLimited(f"{what}: status {answer.status}", seconds)
        if said is not None:
            return said
        if answer.status == 401:
            return ReconnectNeeded(f"{what}: a token that was just issued is refused")
        if answer.status == 403:
            return PermissionMissing(f"{what}: status 403")
        return RejectedInput(f"{what}: status {answer.status}", status=answer.status)


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdecimal() else None
