"""Workers of campaign_cron that are forked for every order and die as SIGKILL does: at a line, or at a step."""

import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crm_relay.campaigns.engine.run_due_steps import EngineContext, run_due_steps
from crm_relay.mail.models import Identity, Mode, SendPolicy
from crm_relay.platform.clock import Deadline
from crm_relay.platform.http.http_client import Answer, HttpClient
from crm_relay.providers.resend.client import Resend
from tests.support.processes.fork_server import Death, SteppedDatabase, serve

SENDER = Identity(None, "team@relay.example", postal_address="1 Example Street")


@dataclass(frozen=True)
class Order:
    """What a worker is to do. `dies`: {"line": n}, {"step": n, "before": bool}, or nothing: it lives to its end.

    `ledger` False: it forgets under which key it asked before, as somebody without a ledger does.
    """

    database_url: str
    resend_url: str
    api_key: str
    now: str
    dies: Mapping[str, Any]
    ledger: bool = True


class _WatchedHttp(HttpClient):
    death: Death

    def send(self, method: str, path: str, **more: Any) -> Answer:
        return self.death.around(lambda: super(_WatchedHttp, self).send(method, path, **more))


class _Forgetful:
    """Asks with a key of its own each time, and yet says that it has keys."""

    name = "resend"
    largest_batch = 100
    has_idempotency_key = True

    def __init__(self, resend: Resend) -> None:
        self._resend = resend

    def send_batch(self, payload: bytes, _key: str) -> Any:
        return self._resend.send_batch(payload, uuid.uuid4().hex)


def work(order: Order) -> dict[str, int]:
    """One run of the engine, as campaign_cron does it."""
    dies = order.dies
    death = Death(dies.get("line", 0), dies.get("step", 0), dies.get("before", False))
    database = SteppedDatabase(order.database_url, death)
    http = _WatchedHttp(order.resend_url, timeout=(2.0, 2.0))
    http.death = death
    resend = Resend(http, order.api_key)
    now = datetime.fromisoformat(order.now)
    context = EngineContext(
        resend if order.ledger else _Forgetful(resend),
        SendPolicy(Mode.LIVE),
        "https://crm.example.com",
        sender=SENDER,
    )
    if "line" in dies:
        sys.settrace(death.watch)
    try:
        run_due_steps(database, context, lambda: now, Deadline.after(120))
    finally:
        sys.settrace(None)
        database.close()
    return {"lines": death.lines, "steps": death.steps}


if __name__ == "__main__":
    serve(lambda order: work(Order(**order)))
