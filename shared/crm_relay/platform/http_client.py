"""HTTP out: one session with time-outs, and statuses turned into our four errors in one place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from crm_relay.platform.errors import (
    FatalError,
    NoAnswer,
    RateLimited,
    RejectedInput,
    ServerFailed,
    TransientError,
)

_TRANSIENT_STATUSES = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Answer:
    """A status below 400 or one that the caller asked to see, and the decoded JSON body (None where there is none)."""

    status: int
    body: Any


@dataclass
class HttpClient:
    """Requests against one base URL. `timeout` is (connect, read) in seconds.

    Only what cannot have been carried out is repeated here: a connection that could not be made, and a GET that met a
    gateway's 502-504. Everything else is the caller's to decide.
    """

    base_url: str
    timeout: tuple[float, float] = (5.0, 120.0)
    session: requests.Session = field(default_factory=requests.Session)
    requests_sent: int = 0

    def __post_init__(self) -> None:
        retry = Retry(
            total=2,
            connect=2,
            read=0,
            status=2,
            backoff_factor=0.5,
            status_forcelist=(502, 503, 504),
            allowed_methods=frozenset({"GET"}),
            raise_on_status=False,
        )
        for scheme in ("https://", "http://"):
            self.session.mount(scheme, HTTPAdapter(max_retries=retry))

    def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        json: object = None,
        form: Mapping[str, str] | None = None,
        accept: frozenset[int] = frozenset(),
    ) -> Answer:
        """One exchange; statuses in `accept` are returned instead of raised.

        Raises RateLimited for 429, ServerFailed for 5xx, NoAnswer for a time-out or a broken connection, TransientError
        where no connection could be made, FatalError for 401 and 403, RejectedInput for every other 4xx.
        """
        self.requests_sent += 1
        try:
            response = self.session.request(
                method,
                self.base_url.rstrip("/") + path,
                headers=headers,
                params=query,
                json=json,
                data=form,
                timeout=self.timeout,
                allow_redirects=False,
            )
        except requests.exceptions.ConnectTimeout:
            raise TransientError(f"{method} {path}: no connection") from None
        except requests.exceptions.RequestException as error:
            raise NoAnswer(f"{method} {path}: {type(error).__name__}") from None
        if response.status_code < 300 or response.status_code in accept:
            return Answer(response.status_code, _decoded(response, f"{method} {path}"))
        raise _error(response, f"{method} {path}")


def _decoded(response: requests.Response, what: str) -> Any:
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError:
        if response.status_code in {401, 403}:
            raise FatalError(f"{what}: status {response.status_code}") from None
        # A proxy's HTML page with a good status: somebody else answered, so nothing is known.
        raise ServerFailed(f"{what}: status {response.status_code} without JSON") from None


def _error(response: requests.Response, what: str) -> Exception:
    status, message = response.status_code, f"{what}: status {response.status_code}"
    if status == 429:
        return RateLimited(message, _seconds(response.headers.get("Retry-After")))
    if status in _TRANSIENT_STATUSES or status >= 500:
        return ServerFailed(message)
    if status in {401, 403} or status < 400:
        return FatalError(message)
    return RejectedInput(message, status=status)


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdecimal() else None
