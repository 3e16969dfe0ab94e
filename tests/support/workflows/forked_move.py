"""Workers that move runs, forked for every order: killed at a line or a step, or in peace."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.workflows.moving import move_runs as moving
from tests.support.processes.fork_server import Death, SteppedDatabase, serve

MODULE = "tests.support.workflows.forked_move"


@dataclass(frozen=True)
class MoveOrder:
    """`dies`: {"line": n} or {"step": n, "before": bool}; nothing: it lives."""

    database_url: str
    workflow: str
    now: str
    dies: Mapping[str, Any]


def work(order: MoveOrder) -> dict[str, int]:
    """Every run, in small pages."""
    dies = order.dies
    death = Death(dies.get("line", 0), dies.get("step", 0), dies.get("before", False))
    database = SteppedDatabase(order.database_url, death)
    moving.MOST_AT_ONCE = 3
    now, workflow = datetime.fromisoformat(order.now), UUID(order.workflow)
    if "line" in dies:
        sys.settrace(death.watch)
    try:
        while moving.move_runs(database, workflow, now, who="a test").has_more:
            pass
    finally:
        sys.settrace(None)
        database.close()
    return {"lines": death.lines, "steps": death.steps}


if __name__ == "__main__":
    serve(lambda order: work(MoveOrder(**order)))
