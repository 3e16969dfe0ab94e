"""A receiver of webhooks: it takes each `webhook-id` once, and counts how often it was asked.

https://www.standardwebhooks.com
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal, get_args

from local.simulators.fault_queue import AimedFault, FaultQueue
from local.simulators.http_server import Incoming, NoAnswerError, Outgoing, ServedSimulator

_JSON = {"Content-Type": "application/json"}

Kind = Literal["status", "cut_before", "cut_after", "hang", "slow"]


@dataclass
class ReceiverFault(AimedFault):
    """status: `status` is answered, and nothing is taken. cut_after: taken, and no answer. slow: `seconds` longer.

    hang: nothing is taken, and the answer comes after `seconds`, which no sender waits for.
    """

    kinds = frozenset(get_args(Kind))

    kind: Kind
    status: int = 500
    seconds: float = 30.0
    retry_after: str | None = None


@dataclass(frozen=True)
class ReceivedWebhook:
    """One request as it came. Names of headers are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """Empty where it has none."""
        return self.headers.get("webhook-id", "")


class WebhookReceiver(ServedSimulator):
    """`GET /_simulator/state` shows it to another process; `POST /_simulator/faults` adds a fault."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.faults: FaultQueue[ReceiverFault] = FaultQueue()
        self._released = threading.Event()
        self._lock = threading.Lock()
        self._requests: list[ReceivedWebhook] = []
        self._taken: dict[str, ReceivedWebhook] = {}

    @property
    def requests(self) -> list[ReceivedWebhook]:
        """Everything that came, in order, whatever was answered."""
        with self._lock:
            return list(self._requests)

    @property
    def taken(self) -> dict[str, ReceivedWebhook]:
        """By id, what was acted on: once each."""
        with self._lock:
            return dict(self._taken)

    @property
    def requests_by_id(self) -> Counter[str]:
        return Counter(each.id for each in self.requests)

    def fault(self, kind: str, match: str = "POST", **details: Any) -> None:
        self.faults.add(ReceiverFault(match=match, kind=kind, **details))  # type: ignore[arg-type]

    def stop(self) -> None:
        self._released.set()
        super().stop()

    def answer(self, incoming: Incoming) -> Outgoing:
        if incoming.path.startswith("/_simulator/"):
            return self._control(incoming)
        headers = {name.lower(): text for name, text in incoming.headers.items()}
        received = ReceivedWebhook(incoming.method, incoming.target, headers, incoming.body)
        with self._lock:
            self._requests.append(received)
        fault = self.faults.take(f"{incoming.method} {incoming.target}", incoming.body)
        return self._take(received) if fault is None else self._with_fault(fault, received)

    def _with_fault(self, fault: ReceiverFault, received: ReceivedWebhook) -> Outgoing:
        match fault.kind:
            case "status":
                more = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
                return _json(fault.status, {"error": "planted"}, more)
            case "cut_before":
                raise NoAnswerError
            case "cut_after":
                self._take(received)
                raise NoAnswerError
            case "hang":
                self._released.wait(fault.seconds)
                raise NoAnswerError
            case "slow":
                time.sleep(fault.seconds)
                return self._take(received)

    def _take(self, received: ReceivedWebhook) -> Outgoing:
        """Again under the same id is answered as the first time, and not acted on."""
        with self._lock:
            is_new = self._taken.setdefault(received.id, received) is received
        return _json(200, {"received": True, "repeated": not is_new})

    def _control(self, incoming: Incoming) -> Outgoing:
        if (incoming.method, incoming.path) == ("POST", "/_simulator/faults"):
            self.fault(**json.loads(incoming.body))
            return _json(200, {"faults_pending": self.faults.pending})
        if (incoming.method, incoming.path) == ("GET", "/_simulator/state"):
            return _json(200, {"requests": dict(self.requests_by_id), "taken": sorted(self.taken)})
        return _json(404, {"error": "no such control"})


def _json(status: int, body: dict[str, Any], more: dict[str, str] | None = None) -> Outgoing:
    return Outgoing(status, _JSON | (more or {}), json.dumps(body).encode())
