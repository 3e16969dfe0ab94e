"""Requests for starts, decided and recorded in the caller's transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from crm_relay.platform.database import Row, Transaction
from crm_relay.platform.errors import OF_ONE_ROW, describe_error
from crm_relay.platform.sql import Statement
from crm_relay.rules.record_conditions import ConditionsAnswer, RecordFacts
from crm_relay.workflows.starting import store
from crm_relay.workflows.starting.decisions import FAILED, begin, judge_record
from crm_relay.workflows.starting.models import Instance, NotStarted, Start, StartRequest
from crm_relay.workflows.starting.records import GONE, RecordKey

Decided = Start | NotStarted


@dataclass
class StartBatch:
    """What one transaction decides: gates in their order, and the statements that keep the outcome."""

    tx: Transaction
    now: datetime
    decided: list[Decided] = field(default_factory=list)
    paces: dict[UUID, datetime] = field(default_factory=dict)

    def refuse(self, refused: Iterable[NotStarted]) -> None:
        """Decided already."""
        self.decided += refused

    def decide(self, requests: Sequence[StartRequest], facts: Mapping[RecordKey, RecordFacts]) -> None:
        """The gates of the record, of the instance and of the pace; three statements, none where nobody passes."""
        wanted = []
        for request in requests:
            judged = judge_or_refuse(request, facts.get((request.version.entity_type, request.entity_id), GONE))
            if isinstance(judged, NotStarted):
                self.decided.append(judged)
            else:
                wanted.append((request, judged))
        if wanted:
            instances, self.paces = self._hold([request for request, _ in wanted])
            for request, asked in wanted:
                self._decide(request, asked, instances)

    def statements(self, events: Sequence[int]) -> list[Statement]:
        """What records it all; the last statement answers how many runs were started."""
        own = {each.execution_id for each in self.starts}
        replaced = {run for each in self.starts for run in each.restarts} - own
        ending = [store.ending(sorted(replaced), self.now)] if replaced else []
        rows = [_row(each) for each in self.decided]
        return [*ending, store.recording(rows, self.paces, events, self.now)]

    @property
    def starts(self) -> list[Start]:
        """Those of the decisions that are one."""
        return [each for each in self.decided if isinstance(each, Start)]

    def _hold(self, wanted: Sequence[StartRequest]) -> tuple[dict[Any, Instance], dict[UUID, datetime]]:
        """The state of each instance and pace, locked until the transaction ends."""
        named = {each.instance_key: each for each in wanted}
        given = [_instance_row(each) for each in named.values()]
        workflows = {each.version.workflow_id for each in wanted}
        held, runs, paces = self.tx.send_all(store.holding(given, sorted(workflows), self.now))
        return _instances(held, runs), {row["workflow_id"]: row["next_free_at"] for row in paces}

    def _decide(self, request: StartRequest, asked: ConditionsAnswer, instances: dict[Any, Instance]) -> None:
        key, workflow = request.instance_key, request.version.workflow_id
        decided, instances[key], self.paces[workflow] = begin(
            request, instances[key], self.paces[workflow], uuid4(), self.now
        )
        if isinstance(decided, Start):
            decided = replace(decided, explanation=tuple(asked.as_json()))
            self._supersede(set(decided.restarts))
        self.decided.append(decided)

    def _supersede(self, runs: set[UUID]) -> None:
        for place, each in enumerate(self.decided):
            if isinstance(each, Start) and each.execution_id in runs:
                self.decided[place] = replace(each, is_superseded=True, at=None)


def judge_or_refuse(request: StartRequest, facts: RecordFacts) -> NotStarted | ConditionsAnswer:
    """A condition that cannot be asked stops this start alone."""
    try:
        return judge_record(request, facts)
    except OF_ONE_ROW as error:
        return NotStarted(request, FAILED, ({"gate": "conditions", "problem": describe_error(error)},))


def _instances(held: Iterable[Row], runs: Iterable[Row]) -> dict[Any, Instance]:
    open_runs: dict[UUID, list[UUID]] = {}
    for run in runs:
        open_runs.setdefault(run["instance_id"], []).append(run["id"])
    return {
        (row["workflow_id"], row["entity_type"], row["entity_id"]): Instance(
            row["id"], row["last_started_at"], tuple(open_runs.get(row["id"], ()))
        )
        for row in held
    }


def _instance_row(request: StartRequest) -> dict[str, Any]:
    return {
        "id": uuid4(),
        "org_id": request.version.org_id,
        "workflow_id": request.version.workflow_id,
        "entity_type": request.version.entity_type,
        "entity_id": request.entity_id,
        "initial_state": request.program.initial_state,
    }


def _row(decided: Decided) -> dict[str, Any]:
    """Of the statement `record`."""
    request = decided.request
    row: dict[str, Any] = {
        "org_id": request.version.org_id,
        "workflow_id": request.version.workflow_id,
        "version": request.version.version,
        "event_id": None if request.event is None else request.event.id,
        "entity_type": request.version.entity_type,
        "entity_id": request.entity_id,
        "explanation": list(decided.explanation),
    }
    if isinstance(decided, NotStarted):
        return row | {"verdict": "not_started", "reason": decided.reason}
    return row | _run_row(decided)


def _run_row(start: Start) -> dict[str, Any]:
    request, program = start.request, start.request.program
    is_queued = start.at is None and not start.is_superseded
    return {
        "verdict": "queued" if is_queued else "started",
        "reason": "superseded" if start.is_superseded else None,
        "execution_id": start.execution_id,
        "instance_id": start.instance_id,
        "start_key": request.key,
        "trigger_type": request.trigger_type,
        "trigger_event": request.trigger_event,
        "triggered_by": request.triggered_by,
        "depth": 0 if request.event is None else request.event.depth,
        "status": "cancelled" if start.is_superseded else "pending",
        "next_run_at": start.at,
        "total_steps": len(program.steps),
        "max_retries": program.settings.max_retries,
        "initial_state": program.initial_state,
        "begins_again": start.begins_again,
    }
