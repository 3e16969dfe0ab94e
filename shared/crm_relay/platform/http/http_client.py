"""HTTP out: one session with time-outs, and statuses turned into our four errors in one place."""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util import Retry

from crm_relay.platform.errors import (
    FatalError,
    NoAnswer,
    NotConnected,
    RateLimited,
    RejectedInput,
    ServerFailed,
)

_TRANSIENT_STATUSES = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Answer:
    """A status below 300 or one that the caller asked to see, and the decoded JSON body (None where there is none).

    Names of headers are in lower case.
    """

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class BareRefusal(FatalError):
    """401 or 403 with a body that is no JSON: not the words of the API, but of something before it."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class NotJson(ServerFailed):
    """A good status with another body: somebody else answered, such as a proxy or a page for browsers."""


@dataclass
class HttpClient:
    """Requests against one base URL. `timeout` is (connect, read) in seconds.

    Only what cannot have been carried out is repeated here, `repeats` times: a connection that could not be made, and a
    GET that met a gateway's 502-504. Everything else is the caller's to decide. With 0 nothing of the address gets into
    the log, where urllib3 would write of each repeat.
    """

    base_url: str
    timeout: tuple[float, float] = (5.0, 120.0)
    repeats: int = 2
    session: requests.Session = field(default_factory=requests.Session)
    requests_sent: int = 0

    def __post_init__(self) -> None:
        retry = Retry(
            total=self.repeats,
            connect=self.repeats,
            read=0,
            # Such as an error of TLS in the middle of an answer.
            other=0,
            status=self.repeats,
            backoff_factor=0.5,
            status_forcelist=(502, 503, 504),
            allowed_methods=frozenset({"GET"}),
            raise_on_status=False,
            # Else it would sleep here for as long as a 429 asks for.
            respect_retry_after_header=False,
        )
        # A session may serve several tokens of one server, and a cookie of one would speak for the others.
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("https://", "http://"):
            self.session.mount(scheme, HTTPAdapter(max_retries=retry))

    def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str | Sequence[str]] | None = None,
        json: object = None,
        form: Mapping[str, str] | None = None,
        content: bytes | None = None,
        accept: frozenset[int] = frozenset(),
        as_text: bool = False,
        most_bytes: int | None = None,
    ) -> Answer:
        """One exchange; statuses in `accept` are returned instead of raised. `as_text` leaves the body undecoded.

        `most_bytes`: the body as bytes, which are read up to that number; ServerFailed where there are more.

        A name of `query` with several values stands in it several times. The request's body is one of `json`, `form`,
        and `content` as it is.

        Raises RateLimited for 429, ServerFailed for 5xx, NoAnswer for a time-out or a broken connection, NotConnected
        where no connection could be made, FatalError for 3xx, 401 and 403, RejectedInput for every other 4xx, NotJson
        for a good status with something else.
        """
        self.requests_sent += 1
        what = f"{method} {path}"
        try:
            response = self.session.request(
                method,
                self.base_url.rstrip("/") + path,
                headers=headers,
                params=query,
                json=json,
                data=form if content is None else content,
                timeout=self.timeout,
                allow_redirects=False,
                stream=most_bytes is not None,
            )
            if most_bytes is not None and response.status_code < 300:
                return Answer(response.status_code, _limited(response, most_bytes, what))
        except (requests.exceptions.RequestException, ValueError) as error:
            raise _unsent(error, what) from None
        if response.status_code < 300 or response.status_code in accept:
            body = response.text if as_text else _decoded(response, what)
            return Answer(response.status_code, body, {name.lower(): text for name, text in response.headers.items()})
        raise _error(response, what)


def _unsent(error: Exception, what: str) -> Exception:
    if not isinstance(error, requests.exceptions.RequestException):
        # An address or a credential that no request can carry; the library's message quotes it.
        return FatalError(f"{what}: the base address or the credential is malformed")
    if _was_never_connected(error):
        return NotConnected(f"{what}: no connection")
    return NoAnswer(f"{what}: {type(error).__name__}")


def _was_never_connected(error: requests.exceptions.RequestException) -> bool:
    """Whether it failed at the name, the port or the certificate of the other side, before anything was sent."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    if isinstance(reason, NewConnectionError | ConnectTimeoutError):
        return True
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in getattr(reason, "args", ()))


def _limited(response: requests.Response, most_bytes: int, what: str) -> bytes:
    found = bytearray()
    with response:
        for part in response.iter_content(65_536):
            found += part
            if len(found) > most_bytes:
                raise ServerFailed(f"{what}: more than {most_bytes} bytes")
    return bytes(found)


def _decoded(response: requests.Response, what: str) -> Any:
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError:
        if response.status_code in {401, 403}:
            raise BareRefusal(f"{what}: status {response.status_code}", response.status_code) from None
        raise NotJson(f"{what}: status {response.status_code} without JSON") from None


def _error(response: requests.Response, what: str) -> Exception:
    status, message = response.status_code, f"{what}: status {response.status_code}"
    if status == 429:
        return RateLimited(message, _retry_after(response))
    if status in _TRANSIENT_STATUSES or status >= 500:
        return ServerFailed(message)
    if status in {401, 403} or status < 400:
        return FatalError(message)
    return RejectedInput(message, status=status)


def _retry_after(response: requests.Response) -> float | None:
    """By the header, else by a member of that name in the body, which EmailBison is said to send."""
    seconds: Any = response.headers.get("Retry-After")
    if seconds is None:
        try:
            body = response.json()
        except ValueError:
            return None
        seconds = body.get("retry_after") if isinstance(body, Mapping) else None
    return float(seconds) if str(seconds).isdecimal() else None
