"""Starters that are forked for every order: killed at a line or a step, or in peace."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crm_relay.platform.clock import Deadline
from crm_relay.platform.sql import Query
from crm_relay.workflows.starting import start_runs as starting
from crm_relay.workflows.starting import store
from crm_relay.workflows.starting.programs import Programs
from crm_relay.workflows.starting.scheduled import start_scheduled as scheduling
from tests.support.processes.fork_server import Death, SteppedDatabase, serve

MODULE = "tests.support.workflows.forked_starter"
_LOCK = "    for update skip locked\n"


@dataclass(frozen=True)
class StarterOrder:
    """`dies`: {"line": n} or {"step": n, "before": bool}; nothing: it lives. `locks` False: it claims without locks."""

    database_url: str
    now: str
    dies: Mapping[str, Any]
    locks: bool = True


def without_locks(query: Query) -> Query:
    """AssertionError where the statement has none to take off."""
    assert query.sql.count(_LOCK) == 1
    return Query.parse(query.name, query.why, query.sql.replace(_LOCK, ""))


def work(order: StarterOrder) -> dict[str, int]:
    """One run of events and of schedules, in small batches."""
    dies = order.dies
    death = Death(dies.get("line", 0), dies.get("step", 0), dies.get("before", False))
    database = SteppedDatabase(order.database_url, death)
    if not order.locks:
        store._SQL["claim_events"] = without_locks(store._SQL["claim_events"])
    starting.BATCH = scheduling.PAGE = 4
    now, programs = datetime.fromisoformat(order.now), Programs()
    if "line" in dies:
        sys.settrace(death.watch)
    try:
        starting.start_runs(database, programs, lambda: now, Deadline.after(120))
        scheduling.start_scheduled(database, programs, lambda: now, Deadline.after(120))
    finally:
        sys.settrace(None)
        database.close()
    return {"lines": death.lines, "steps": death.steps}


if __name__ == "__main__":
    serve(lambda order: work(StarterOrder(**order)))
