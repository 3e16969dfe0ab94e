"""Workers of backfills that are forked for every order: killed at a line or a step, or in peace."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crm_relay.platform.clock import Deadline
from crm_relay.workflows.backfill import start_backfills as backfills
from crm_relay.workflows.starting.programs import Programs
from tests.support.processes.fork_server import Death, SteppedDatabase, serve

MODULE = "tests.support.workflows.forked_backfill"


@dataclass(frozen=True)
class BackfillOrder:
    """`dies`: {"line": n} or {"step": n, "before": bool}; nothing: it lives."""

    database_url: str
    now: str
    dies: Mapping[str, Any]


def work(order: BackfillOrder) -> dict[str, int]:
    """Everything that is due, in small pages."""
    dies = order.dies
    death = Death(dies.get("line", 0), dies.get("step", 0), dies.get("before", False))
    database = SteppedDatabase(order.database_url, death)
    backfills.PAGE = 5
    now = datetime.fromisoformat(order.now)
    if "line" in dies:
        sys.settrace(death.watch)
    try:
        backfills.start_backfills(database, Programs(), lambda: now, Deadline.after(120))
    finally:
        sys.settrace(None)
        database.close()
    return {"lines": death.lines, "steps": death.steps}


if __name__ == "__main__":
    serve(lambda order: work(BackfillOrder(**order)))
