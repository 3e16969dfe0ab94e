"""A worker of workflow_cron in a process of its own, which may die at any line and at any step."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crm_relay.mail.models import Mode, SendPolicy
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.http.http_client import Answer, HttpClient
from crm_relay.providers.resend.client import Resend
from crm_relay.workflows.approvals.deciding.decide import decide
from crm_relay.workflows.approvals.deciding.decisions import Decision
from crm_relay.workflows.approvals.models import ApprovalAction, Way
from crm_relay.workflows.approvals.overview import list_approvals
from crm_relay.workflows.approvals.sweeps import repair_approvals
from crm_relay.workflows.engine.run_due import run_due, send_mail
from crm_relay.workflows.engine.sweeps import repair_runs, wake_waiting
from crm_relay.workflows.engine.take_runs import RunContext
from tests.support.processes.fork_server import Death, SteppedDatabase, serve
from tests.support.workflows.approval_stage import LINKS
from tests.support.workflows.run_harness import LETTERHEAD

MODULE = "tests.support.workflows.forked_engine"


@dataclass(frozen=True)
class EngineOrder:
    """What a worker is to do. `dies`: {"line": n}, {"step": n, "before": bool}, or nothing: it lives to its end.

    `decides`: before its round, approvers say yes to everything that they are asked for.
    """

    database_url: str
    resend_url: str
    api_key: str
    now: str
    dies: Mapping[str, Any]
    decides: bool = True


class _SteppedHttp(HttpClient):
    death: Death

    def send(self, method: str, path: str, **more: Any) -> Answer:
        return self.death.around(lambda: super(_SteppedHttp, self).send(method, path, **more))


def decide_all(database: Database, now: datetime) -> None:
    """By the function that every way goes through."""
    for asked in list_approvals(database):
        decide(database, asked.id, Decision(ApprovalAction.APPROVE, Way.LINK), now)


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
        if order.decides:
            decide_all(database, now)
        repair_runs(database, now)
        repair_approvals(database, now)
        wake_waiting(database, now)
        run_due(database, RunContext(LETTERHEAD, LINKS), lambda: now, Deadline.after(120))
        send_mail(database, Resend(http, order.api_key), SendPolicy(Mode.LIVE), lambda: now, Deadline.after(120))
    finally:
        sys.settrace(None)
        database.close()
    return {"lines": death.lines, "steps": death.steps}


if __name__ == "__main__":
    serve(lambda order: work(EngineOrder(**order)))
