"""How long a change of the CRM takes until the first action of a workflow is there, on the whole local stack."""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import requests

from benchmarks.figures import Figure, Subject
from benchmarks.servers import Servers
from crm_relay.platform.database import Database
from crm_relay.platform.sql import Query

_ROOT = Path(__file__).parents[1]
_STARTUP_SECONDS, _LONGEST = 90.0, 150.0
_WOKEN = 40
# Seconds behind the round before: a change comes at any time between two rounds.
_OFFSETS = (5.0, 20.0, 35.0, 50.0)
_PERCENTILE = 95
_NAMES = ("workflow.event_to_action_p95_s", "workflow.event_to_action_without_wake_s")
_DEFINITION = {
    "triggers": [{"type": "status_change", "to": "won"}],
    "actions": [{"type": "create_task", "config": {"title": "Call", "assigneeId": None}}],
}
_DEAL = Query.parse("deal", "a deal that is open", "insert into deals (name) values ('Engine') returning id")
_WIN = Query.parse("win", "by plain SQL", "update deals set status = 'won' where id = :id")
_TASKS = Query.parse("tasks", "the first action", "select id from activities where entity_id = :id")


@contextmanager
def _stack() -> Iterator[Mapping[str, Any]]:
    """`crm-relay up`, as an operator starts it."""
    with tempfile.TemporaryDirectory() as folder:
        stack_file = Path(folder) / "stack.json"
        environment = {**os.environ, "CRM_RELAY_STACK_FILE": str(stack_file)}
        command = [str(Path(sys.executable).with_name("crm-relay")), "up", "--port", "0"]
        process = subprocess.Popen(
            command, cwd=_ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            until = time.monotonic() + _STARTUP_SECONDS
            while not stack_file.exists():
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError("the stack did not come up")
                time.sleep(0.1)
            yield json.loads(stack_file.read_text(encoding="utf-8"))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _publish(stack: Mapping[str, Any]) -> None:
    workflow = {"name": "Deal won", "entityType": "deal", "definition": _DEFINITION}
    made = _post(stack, "/api/workflows", {"workflow": workflow})
    _post(stack, f"/api/workflows/{made['id']}/publish")


def _post(stack: Mapping[str, Any], path: str, body: object = None) -> Any:
    headers = {"Authorization": f"Bearer {stack['admin_token']}"}
    answer = requests.post(stack["base_url"] + path, json=body, headers=headers, timeout=30)
    answer.raise_for_status()
    return answer.json()


def _seconds(stack: Mapping[str, Any], database: Database, *, wakes: bool, after: float = 0.0) -> float:
    deal: UUID = database.run(_DEAL)[0]["id"]
    time.sleep(after)
    began = time.perf_counter()
    database.run(_WIN, id=deal)
    if wakes:
        _post(stack, "/api/workflows/wake")
    while not database.run(_TASKS, id=deal):
        if time.perf_counter() - began > _LONGEST:
            raise RuntimeError("no action followed")
        time.sleep(0.01)
    return time.perf_counter() - began


def _measure(_servers: Servers) -> Iterator[Figure]:
    with _stack() as stack:
        database = Database(stack["database_url"])
        _publish(stack)
        woken = [_seconds(stack, database, wakes=True) for _ in range(_WOKEN)]
        unwoken = [_seconds(stack, database, wakes=False, after=after) for after in _OFFSETS]
        database.close()
    ranks = statistics.quantiles(woken, n=100)
    yield Figure(_NAMES[0], ranks[_PERCENTILE - 1], "s from a change to its first action, woken", _WOKEN)
    yield Figure(_NAMES[1], max(unwoken), "s the same by the schedule alone, the longest", len(_OFFSETS))


SUBJECT = Subject(_NAMES, _measure)
