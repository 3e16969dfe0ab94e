"""The simulated Twilio account as tests and the local stack use it."""

from __future__ import annotations

import base64
import json
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Literal, get_args
from urllib.parse import parse_qsl, urlencode

from local.simulators.fault_queue import AimedFault, FaultQueue
from local.simulators.http_server import Incoming, NoAnswerError, Outgoing, ServedSimulator

_JSON = {"Content-Type": "application/json"}
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_LONGEST = 1600

Kind = Literal["500_before", "500_after", "cut_before", "cut_after", "garbled_after", "502_page", "429", "slow"]


@dataclass
class TwilioFault(AimedFault):
    """…_before: nothing is done. …_after: everything is done, then the answer is lost. slow: `seconds` longer."""

    kinds = frozenset(get_args(Kind))

    kind: Kind
    seconds: float = 1.0
    retry_after: int = 1


@dataclass
class SimulatedText:
    """A text message that was taken: `to` gets it. `date_sent` is None while it waits."""

    sid: str
    to: str
    sender: str
    body: str
    created: datetime
    status: str = "queued"
    date_sent: datetime | None = None


class _Refused(Exception):
    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(code)
        self.answer = _json(status, {"code": code, "message": message, "more_info": "", "status": status})


class TwilioSimulator(ServedSimulator):
    """`GET /_simulator/state` shows it to another process; `POST /_simulator/faults` adds a fault.

    `opted_out`: numbers that answered STOP. `now` moves in whole seconds in answers.
    """

    def __init__(self, port: int = 0, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        super().__init__(port)
        self.account_sid = f"AC{secrets.token_hex(16)}"
        self.auth_token = secrets.token_hex(16)
        self.number = "+15550100000"
        self.opted_out: set[str] = set()
        self.faults: FaultQueue[TwilioFault] = FaultQueue()
        self._now = now
        self._lock = threading.Lock()
        self._texts: list[SimulatedText] = []

    @property
    def texts(self) -> list[SimulatedText]:
        """Everything that was taken, in order."""
        with self._lock:
            return list(self._texts)

    def fault(self, kind: str, match: str = "POST", **details: Any) -> None:
        self.faults.add(TwilioFault(match=match, kind=kind, **details))  # type: ignore[arg-type]

    def sent(self, text: SimulatedText) -> None:
        """It leaves the queue."""
        text.status, text.date_sent = "sent", self._now()

    def answer(self, incoming: Incoming) -> Outgoing:
        if incoming.path.startswith("/_simulator/"):
            return self._control(incoming)
        try:
            return self._with_faults(incoming)
        except _Refused as refused:
            return refused.answer

    def _control(self, incoming: Incoming) -> Outgoing:
        if (incoming.method, incoming.path) == ("POST", "/_simulator/faults"):
            self.fault(**json.loads(incoming.body))
            return _json(200, {"faults_pending": self.faults.pending})
        if (incoming.method, incoming.path) == ("GET", "/_simulator/state"):
            credentials = {"account_sid": self.account_sid, "auth_token": self.auth_token, "number": self.number}
            return _json(200, {**credentials, "texts": [self._shown(text) for text in self.texts]})
        return _json(404, {"error": "no such control"})

    def _with_faults(self, incoming: Incoming) -> Outgoing:
        fault = self.faults.take(f"{incoming.method} {incoming.target}", incoming.body)
        kind = fault.kind if fault else None
        if fault is not None and kind == "slow":
            time.sleep(fault.seconds)
        if kind == "cut_before":
            raise NoAnswerError
        if kind in {"500_before", "502_page"}:
            return Outgoing(int(str(kind)[:3]), {"Content-Type": "text/html"}, b"<html>Server Error</html>")
        if fault is not None and kind == "429":
            late = _json(429, {"code": 20429, "message": "Too Many Requests", "more_info": "", "status": 429})
            return Outgoing(429, {**_JSON, "Retry-After": str(fault.retry_after)}, late.body)
        outgoing = self._checked(incoming)
        if kind == "cut_after":
            raise NoAnswerError
        if kind == "500_after":
            return _json(500, {"code": 20500, "message": "Internal Server Error", "more_info": "", "status": 500})
        return Outgoing(outgoing.status, outgoing.headers, outgoing.body[:-9]) if kind == "garbled_after" else outgoing

    def _checked(self, incoming: Incoming) -> Outgoing:
        credentials = base64.b64encode(f"{self.account_sid}:{self.auth_token}".encode()).decode()
        if incoming.header("Authorization") != f"Basic {credentials}":
            raise _Refused(401, 20003, "Authenticate")
        messages = f"/2010-04-01/Accounts/{self.account_sid}/Messages"
        if incoming.path == f"{messages}.json":
            return self._create(incoming) if incoming.method == "POST" else self._list(incoming, messages)
        sid = incoming.path.removeprefix(f"{messages}/").removesuffix(".json")
        found = next((text for text in self.texts if text.sid == sid), None)
        if found is None or incoming.method != "GET":
            raise _Refused(404, 20404, "The requested resource was not found")
        return _json(200, self._shown(found))

    def _create(self, incoming: Incoming) -> Outgoing:
        form = dict(parse_qsl(incoming.body.decode(), keep_blank_values=True))
        to, body, sender = form.get("To", ""), form.get("Body", ""), form.get("From") or form.get("MessagingServiceSid")
        if not _E164.fullmatch(to):
            raise _Refused(400, 21211, f"The 'To' number {to} is not a valid phone number.")
        if not sender:
            raise _Refused(400, 21603, "A 'From' phone number is required.")
        if form.get("From") not in {None, self.number}:
            raise _Refused(400, 21659, "The 'From' number is not a Twilio phone number.")
        if not body:
            raise _Refused(400, 21602, "Message body is required.")
        if len(body) > _LONGEST:
            raise _Refused(400, 21617, "The concatenated message body exceeds the 1600 character limit")
        if to in self.opted_out:
            raise _Refused(400, 21610, "Attempt to send to unsubscribed recipient")
        text = SimulatedText(f"SM{secrets.token_hex(16)}", to, sender, body, self._now())
        with self._lock:
            self._texts.append(text)
        return _json(201, self._shown(text))

    def _list(self, incoming: Incoming, messages: str) -> Outgoing:
        """Newest first; by DateSent, a day in UTC, a text that still waits is not found (assumed).

        The next page is an address that names the last text of this one: what is sent meanwhile moves nothing.
        """
        query = incoming.query
        found = [text for text in reversed(self.texts) if query.get("To") in {None, text.to}]
        if "DateSent" in query:
            found = [text for text in found if text.date_sent and f"{text.date_sent:%Y-%m-%d}" == query["DateSent"]]
        size, number = int(query.get("PageSize", "50")), int(query.get("Page", "0"))
        sids = [text.sid for text in found]
        start = sids.index(query["PageToken"]) + 1 if query.get("PageToken") in sids else 0
        page = found[start : start + size]
        rest = {name: value for name, value in query.items() if name not in {"Page", "PageToken", "PageSize"}}

        def uri(at: int, token: str | None = None) -> str:
            more = {} if token is None else {"PageToken": token}
            return f"{messages}.json?{urlencode({**rest, 'PageSize': size, 'Page': at, **more})}"

        content = {
            "messages": [self._shown(text) for text in page],
            "page": number,
            "page_size": size,
            "start": number * size,
            "end": max(number * size + len(page) - 1, 0),
            "uri": uri(number, query.get("PageToken")),
            "first_page_uri": uri(0),
            "next_page_uri": uri(number + 1, page[-1].sid) if start + size < len(found) else None,
            "previous_page_uri": uri(number - 1) if number else None,
        }
        return _json(200, content)

    def _shown(self, text: SimulatedText) -> dict[str, Any]:
        """Times in RFC 2822. A price comes later, with the bill (assumed: never here)."""
        uri = f"/2010-04-01/Accounts/{self.account_sid}/Messages/{text.sid}"
        is_service = text.sender.startswith("MG")
        return {
            "sid": text.sid,
            "account_sid": self.account_sid,
            "to": text.to,
            "from": None if is_service else text.sender,
            "messaging_service_sid": text.sender if is_service else None,
            "body": text.body,
            "status": text.status,
            "direction": "outbound-api",
            "num_segments": "1",
            "error_code": None,
            "error_message": None,
            "date_created": format_datetime(text.created),
            "date_sent": format_datetime(text.date_sent) if text.date_sent else None,
            "date_updated": format_datetime(text.date_sent or text.created),
            "api_version": "2010-04-01",
            "num_media": "0",
            "price": None,
            "price_unit": "USD",
            "uri": f"{uri}.json",
            "subresource_uris": {"media": f"{uri}/Media.json"},
        }


def _json(status: int, body: dict[str, Any]) -> Outgoing:
    return Outgoing(status, _JSON, json.dumps(body).encode())
