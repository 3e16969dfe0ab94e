"""Moves the runs of a workflow to its active version, or says what that would do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from crm_relay.platform.database import Database, Queryable, Row, Transaction
from crm_relay.platform.errors import OF_ONE_ROW, FatalError, RejectedInput
from crm_relay.platform.sql import Rows, SqlValue, queries_beside
from crm_relay.rules.record_conditions import ConditionSubject
from crm_relay.workflows.actions.configs import WaitConfig
from crm_relay.workflows.actions.effects import StepMoment
from crm_relay.workflows.definition.program_json import program_from_json
from crm_relay.workflows.engine.steps.programs import RunnableProgram
from crm_relay.workflows.engine.steps.waits import StillWaiting, look
from crm_relay.workflows.models import Program
from crm_relay.workflows.moving.decisions import UNREADABLE, StepMoved, move_step
from crm_relay.workflows.moving.models import MovePreview, RunsMoved, StepOfMove
from crm_relay.workflows.run_models import StepFacts, TriggerEvent, WorkflowRun
from crm_relay.workflows.starting.records import GONE, RecordKey, read_records

_SQL = queries_beside(__file__)

MOST_AT_ONCE = 1_000
NOBODY: Final[Mapping[str, str]] = {}


def preview_move(
    db: Queryable, workflow_id: UUID, *, runs: Sequence[UUID] = (), steps: Mapping[str, str] = NOBODY
) -> MovePreview:
    """By version and step; three statements, however many runs there are. `runs` empty: all that are not over.

    `steps` says for keys of old steps which step of the active version takes their place. RejectedInput with 409 where
    the workflow has no active version that can be read.
    """
    target = _Target.read(db, workflow_id, steps)
    groups = db.run(_SQL["runs_elsewhere"], workflow=workflow_id, version=target.version, only=_only(runs))
    target.read_versions(db, {row["version"] for row in groups if row["version"] is not None})
    found = tuple(target.group(row) for row in groups)
    return MovePreview(
        workflow_id,
        target.name,
        target.version,
        sum(each.number for each in found if each.refused is None),
        sum(each.number for each in found if each.refused is not None),
        found,
    )


def move_runs(
    db: Database,
    workflow_id: UUID,
    now: datetime,
    *,
    who: str,
    runs: Sequence[UUID] = (),
    steps: Mapping[str, str] = NOBODY,
    after: UUID | None = None,
) -> RunsMoved:
    """The runs of up to 1,000 records in one transaction; safe to repeat and to kill. Their history stays.

    `after`: what the call before returned, so that runs which it refused stand before nobody.

    RejectedInput with 409, whose details are runs and why, where a run is at a step that the active version does not
    have or that does something of another kind there: then nothing is moved.
    """
    preview = preview_move(db, workflow_id, runs=runs, steps=steps)
    if preview.refused:
        problems = [
            f"{each.refused}: {each.number} run(s) of version {each.version} at step {each.step}: "
            f"{', '.join(map(str, each.runs))}"
            for each in preview.steps
            if each.refused
        ]
        raise RejectedInput("some runs cannot be moved", status=409, details=problems)
    return db.transact(lambda tx: _Move(tx, _Target.read(tx, workflow_id, steps), now, who).page(_only(runs), after))


@dataclass
class _Target:
    """The version to which runs go, and those from which they come."""

    workflow_id: UUID
    name: str
    version: int
    program: RunnableProgram
    steps: Mapping[str, str]
    programs: dict[int, Program | None] = field(default_factory=dict)

    @classmethod
    def read(cls, db: Queryable, workflow_id: UUID, steps: Mapping[str, str]) -> "_Target":
        rows = db.run(_SQL["target_version"], workflow=workflow_id)
        program = _readable(rows[0]["program"]) if rows else None
        if program is None:
            raise RejectedInput("the workflow has no active version that can be read", status=409)
        if unknown := sorted(set(steps.values()) - {step.key for step in program.steps}):
            raise RejectedInput(f"steps: the active version has no step {', '.join(unknown)}", status=422)
        return cls(workflow_id, rows[0]["name"], rows[0]["version"], RunnableProgram.of(program), steps)

    def read_versions(self, db: Queryable, versions: set[int]) -> None:
        wanted = sorted(versions - self.programs.keys())
        if wanted:
            rows = db.run(_SQL["read_programs"], workflow=self.workflow_id, versions=wanted)
            self.programs |= {row["version"]: _readable(row["program"]) for row in rows}

    def moved(self, version: int | None, place: int, *, is_waiting: bool) -> StepMoved:
        old = None if version is None else self.programs.get(version)
        if old is None:
            return StepMoved(place, refused=UNREADABLE)
        return move_step(old, self.program.program, place, self.steps, is_waiting=is_waiting)

    def group(self, row: Row) -> StepOfMove:
        moved = self.moved(row["version"], row["place"], is_waiting=row["is_waiting"])
        before, after = moved.before, moved.after
        return StepOfMove(
            version=row["version"],
            step=None if before is None else before.key,
            kind=None if before is None else before.kind.value,
            name=None if before is None else before.name,
            to_step=None if after is None else after.key,
            to_name=None if after is None else after.name,
            number=row["runs"],
            is_waiting=row["is_waiting"],
            is_changed=moved.is_changed,
            waits_again=moved.waits_again,
            refused=moved.refused,
            runs=tuple(row["some"]),
        )


@dataclass
class _Move:
    tx: Transaction
    target: _Target
    now: datetime
    who: str

    def page(self, only: list[UUID] | None, after: UUID | None) -> RunsMoved:
        """A run whose wait cannot be computed again is left where it is."""
        target = self.target
        asked: dict[str, SqlValue] = {
            "workflow": target.workflow_id, "version": target.version, "only": only
        }  # fmt: skip
        found = self.tx.run(_SQL["lock_instances"], **asked, after=after, limit=MOST_AT_ONCE)
        instances = [row["id"] for row in found]
        rows = self.tx.run(_SQL["lock_runs"], **asked, instances=instances)
        target.read_versions(self.tx, {row["version"] for row in rows if row["version"] is not None})
        moved = {row["id"]: target.moved(row["version"], row["place"], is_waiting=_waits(row)) for row in rows}
        waiting = {(row["entity_type"], row["entity_id"]) for row in rows if moved[row["id"]].waits_again}
        facts = read_records(self.tx, waiting)
        refused = {run: each.refused for run, each in moved.items() if each.refused is not None}
        given: list[dict[str, SqlValue]] = []
        for row in rows:
            if row["id"] in refused:
                continue
            try:
                given.append(self._row(row, moved[row["id"]], facts))
            except OF_ONE_ROW:
                refused[row["id"]] = "wait_cannot_be_computed"
        if given:
            self.tx.run(
                _SQL["move_runs"],
                runs=Rows(given),
                version=target.version,
                total=len(target.program.program.steps),
                who=self.who,
                now=self.now,
            )
        is_full = len(instances) >= MOST_AT_ONCE
        last = instances[-1] if is_full else None
        return RunsMoved(target.version, len(given), refused, has_more=is_full, after=last)

    def _row(self, row: Row, moved: StepMoved, facts: Mapping[RecordKey, Any]) -> dict[str, SqlValue]:
        until, next_run_at, due = row["wait_until"], row["next_run_at"], row["due_before_pause"]
        waits_for, waits_for_id = row["waits_for"], None
        if moved.waits_again:
            verdict = self._look(row, moved, facts.get((row["entity_type"], row["entity_id"]), GONE))
            until = verdict.until if isinstance(verdict, StillWaiting) else self.now
            # Whether it is over is the engine's to say.
            at = max(self.now, verdict.look_at or self.now) if isinstance(verdict, StillWaiting) else self.now
            next_run_at, due = (None, at) if row["status"] == "paused" else (at, due)
            if isinstance(verdict, StillWaiting):
                waits_for, waits_for_id = verdict.waits_for, verdict.waits_for_id
        return {
            "id": row["id"],
            "place": moved.to,
            "former": row["version"],
            "next_run_at": next_run_at,
            "due_before_pause": due,
            "waits_for": waits_for,
            "waits_for_id": waits_for_id,
            "wait_step_id": row["wait_step_id"] if moved.waits_again else None,
            "wait_until": until if moved.waits_again else None,
            "step": None if moved.after is None else moved.after.key,
            "former_step": None if moved.before is None else moved.before.key,
        }

    def _look(self, row: Row, moved: StepMoved, records: Any) -> Any:
        """The wait of the new version, as though it had begun when the run began to wait."""
        config = self.target.program.config(moved.to)
        if not isinstance(config, WaitConfig) or moved.after is None:
            raise RejectedInput("the step has no wait")
        event = TriggerEvent.from_json(row["trigger_event"])
        run = WorkflowRun(
            id=row["id"],
            org_id=row["org_id"],
            instance_id=row["instance_id"],
            workflow_id=self.target.workflow_id,
            workflow_name=self.target.name,
            version=self.target.version,
            entity_type=row["entity_type"],
            entity_id=row["entity_id"],
            place=moved.to,
            position=row["steps_done"],
            began_at=row["wait_since"],
            event=event,
        )
        facts = StepFacts(ConditionSubject(row["entity_type"], records, event))
        return look(config, StepMoment(run, moved.after, facts, row["wait_since"], row["wait_position"]))


def _waits(row: Row) -> bool:
    return row["waits_for"] is not None


def _only(runs: Sequence[UUID]) -> list[UUID] | None:
    return list(runs) or None


def _readable(stored: object) -> Program | None:
    try:
        return program_from_json(stored)
    except (FatalError, *OF_ONE_ROW):
        return None
