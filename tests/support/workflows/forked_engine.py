"""A worker of workflow_cron in a process of its own, which may die at any line and at any step."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crm_relay.mail.models import Mode, SendPolicy
from crm_relay.platform.clock import Deadline
from crm_relay.platform.http.http_client import Answer, HttpClient
from crm_relay.providers.resend.client import Resend
from crm_relay.workflows.engine.run_due import run_due, send_mail
from crm_relay.workflows.engine.sweeps import repair_runs, wake_waiting
from crm_relay.workflows.engine.take_runs import RunContext
from tests.support.processes.fork_server import Death, SteppedDatabase, serve
from tests.support.workflows.run_harness import LETTERHEAD

MODULE = "tests.support.workflows.forked_engine"


@dataclass(frozen=True)
class EngineOrder:
    """What a worker is to do. `dies`: {"line": n}, {"step": n, "before": bool}, or nothing: it lives to its end."""

    database_url: str
    resend_url: str
    api_key: str
    now: str
    dies: Mapping[str, Any]


class _SteppedHttp(HttpClient):
    death: Death

    def send(self, method: str, path: str, **more: Any) -> Answer:
        return self.death.around(lambda: super(_SteppedHttp, self).send(method, path, **more))


def work(order: EngineOrder) -> dict[str, int]:
    """One round, as workflow_cron does it."""
    dies = order.dies
    death = Death(dies.get("line", 0), dies.get("step", 0), dies.get("before", False))
    database = SteppedDatabase(order.database_url, death)
    http = _SteppedHttp(order.resend_url, timeout=(2.0, 2.0))
    http.death = death
    now = datetime.fromisoformat(order.now)
    if "line" in dies:
        sys.settrace(death.watch)
    try:
        repair_runs(database, now)
        wake_waiting(database, now)
        run_due(database, RunContext(LETTERHEAD), lambda: now, Deadline.after(120))
        send_mail(database, Resend(http, order.api_key), SendPolicy(Mode.LIVE), lambda: now, Deadline.after(120))
    finally:
        sys.settrace(None)
        database.close()
    return {"lines": death.lines, "steps": death.steps}


if __name__ == "__main__":
    serve(lambda order: work(EngineOrder(**order)))
