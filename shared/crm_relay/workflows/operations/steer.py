"""Pauses, resumes, cancels and retries runs, one or many, and pauses and resumes workflows; each with a line of who."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from uuid import UUID

from crm_relay.incidents.record import close_incidents
from crm_relay.platform.database import Database, Queryable, Row, Transaction
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.sql import Rows, SqlValue, queries_beside
from crm_relay.workflows.approvals.sweeps import end_approvals
from crm_relay.workflows.engine.report import OVER_BUDGET, REFUSED
from crm_relay.workflows.models import ReEntry
from crm_relay.workflows.starting.decisions import RE_ENTRY

_SQL = queries_beside(__file__, "steer.sql")

OPERATOR = "operator"
"""Who did it, where it was done at the command line."""

MOST_AT_ONCE = 1_000
MOST_REASONS = 100


class RunChange(Enum):
    """What is done with runs. RETRY goes on with the step that failed."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    RETRY = "retry"


@dataclass(frozen=True)
class RunsChanged:
    """`refused` maps a run to why it was left as it is; `has_more`: the call has to be repeated for the rest."""

    changed: tuple[UUID, ...] = ()
    refused: dict[UUID, str] = field(default_factory=dict)
    has_more: bool = False


_FROM = {
    RunChange.PAUSE: frozenset({"pending", "running"}),
    RunChange.RESUME: frozenset({"paused"}),
    RunChange.CANCEL: frozenset({"pending", "running", "paused", "failed"}),
    RunChange.RETRY: frozenset({"failed"}),
}
_DONE = {
    RunChange.PAUSE: "run paused",
    RunChange.RESUME: "run resumed",
    RunChange.CANCEL: "run cancelled",
    RunChange.RETRY: "run retried",
}


def change_runs(
    db: Database,
    change: RunChange,
    now: datetime,
    *,
    runs: Sequence[UUID] = (),
    workflow_id: UUID | None = None,
    error: str | None = None,
    org_id: UUID | None = None,
    who: str = OPERATOR,
) -> RunsChanged:
    """These runs, or all of a workflow that can be changed so, those with this `error` alone. Safe to call twice.

    A retry respects `re_entry`: beside another run of its record it is refused, or waits behind that.

    `org_id`: runs of other organizations are unknown. A batch that is being taken is waited for. RejectedInput where
    neither runs nor a workflow are given.
    """
    if not runs and workflow_id is None:
        raise RejectedInput("runs: name some, or a workflow")

    def work(tx: Transaction) -> RunsChanged:
        asked = list(dict.fromkeys(runs))
        if not asked:
            states = sorted(_FROM[change])
            found = tx.run(
                _SQL["runs_of_workflow"], workflow_id=workflow_id, states=states, error=error, limit=MOST_AT_ONCE,
            )  # fmt: skip
            asked = [row["id"] for row in found]
        return _changed(tx, change, asked[:MOST_AT_ONCE], org_id, who, now, has_more=len(asked) >= MOST_AT_ONCE)

    return db.transact(work)


@dataclass(frozen=True)
class FailedRuns:
    """Runs that failed at one step for one reason; `runs` are the newest of them."""

    workflow_id: UUID
    workflow_name: str
    step: str | None
    error: str | None
    number: int
    first_at: datetime
    last_at: datetime
    runs: tuple[UUID, ...]


def failed_runs(db: Queryable, *, workflow_id: UUID | None = None, org_id: UUID | None = None) -> list[FailedRuns]:
    """The most frequent first: what `change_runs` would retry, by workflow, step and error. One statement."""
    rows = db.run(_SQL["failed_runs"], workflow=workflow_id, org=org_id, limit=MOST_REASONS)
    return [
        FailedRuns(
            row["workflow_id"], row["workflow_name"], row["step"], row["error"], row["runs"], row["first_at"],
            row["last_at"], tuple(row["some"]),
        )
        for row in rows
    ]  # fmt: skip


def change_locked_runs(
    tx: Transaction, change: RunChange, runs: Sequence[UUID], now: datetime, *, who: str = OPERATOR
) -> RunsChanged:
    """The same in the transaction of somebody who has locked the runs, however many."""
    return _changed(tx, change, runs, None, who, now, has_more=False)


def _changed(
    tx: Transaction,
    change: RunChange,
    asked: Sequence[UUID],
    org_id: UUID | None,
    who: str,
    now: datetime,
    *,
    has_more: bool,
) -> RunsChanged:
    if change is RunChange.RETRY:
        tx.run(_SQL["lock_instances"], ids=list(asked))
    found = {row["id"]: row for row in tx.run(_SQL["lock_runs"], ids=list(asked), org_id=org_id)}
    refused: dict[UUID, str] = {}
    rows: list[dict[str, SqlValue]] = []
    begun: set[UUID] = set()
    for each in asked:
        row = found.get(each)
        why = _refusal(change, row)
        if row is None or why is not None:
            refused[each] = why or "unknown"
            continue
        beside = change is RunChange.RETRY and (row["has_other_run"] or row["instance_id"] in begun)
        if beside and row["re_entry"] in {ReEntry.SKIP.value, ReEntry.RESTART.value}:
            refused[each] = RE_ENTRY
            continue
        begun.add(row["instance_id"])
        rows.append(_row(change, row, now, is_behind=beside and row["re_entry"] == ReEntry.QUEUE.value))
    if rows:
        tx.run(_SQL["change_runs"], runs=Rows(rows), now=now, who=who, message=_DONE[change])
        if change is RunChange.CANCEL:
            end_approvals(tx, [found[each]["id"] for each in asked if each not in refused], "cancelled", now)
        if change in {RunChange.RETRY, RunChange.CANCEL}:
            close_incidents(tx, REFUSED, [str(row["id"]) for row in rows], now)
    return RunsChanged(tuple(each for each in asked if each not in refused), refused, has_more)


def _refusal(change: RunChange, row: Row | None) -> str | None:
    if row is None:
        return "unknown"
    if change is RunChange.RETRY and row["is_refused"]:
        return None
    return None if row["status"] in _FROM[change] else f"is {row['status']}"


def _row(change: RunChange, row: Row, now: datetime, *, is_behind: bool) -> dict[str, SqlValue]:
    """Where it is afterwards; `is_behind`: it waits for another run of its record."""
    began = "running" if row["started_at"] is not None else "pending"
    changed: dict[str, SqlValue] = {
        "id": row["id"],
        "instance_id": row["instance_id"],
        "status": began,
        "next_run_at": now,
        "due_before_pause": None,
        "paused_at": None,
        "is_cancelled": change is RunChange.CANCEL,
    }
    match change:
        case RunChange.PAUSE:
            changed |= {"status": "paused", "next_run_at": None, "paused_at": now}
            changed["due_before_pause"] = row["next_run_at"]
        case RunChange.RESUME:
            # What waits looks again at once: what it waits for may have come meanwhile.
            changed["next_run_at"] = now if row["waits_for"] is not None else row["due_before_pause"]
        case RunChange.CANCEL:
            changed |= {"status": "cancelled", "next_run_at": None}
        case RunChange.RETRY:
            changed |= {"status": "pending", "next_run_at": None} if is_behind else {}
    return changed


def pause_workflow(
    db: Database, workflow_id: UUID, now: datetime, *, who: str = OPERATOR, reason: str | None = None
) -> bool:
    """Whether it went on until now, or was paused by its budget alone.

    Its runs keep their places, and its mail waits; new runs wait as well. RejectedInput for an unknown one.
    """
    return _steer(db, "pause_workflow", workflow_id, now, who, reason or "by an operator")


def resume_workflow(db: Database, workflow_id: UUID, now: datetime, *, who: str = OPERATOR) -> bool:
    """Whether it was paused. What is due goes on; one that its budget paused gets another budget for today."""
    return _steer(db, "resume_workflow", workflow_id, now, who, None)


def _steer(db: Database, query: str, workflow_id: UUID, now: datetime, who: str, reason: str | None) -> bool:
    def work(tx: Transaction) -> bool:
        given = {} if reason is None else {"reason": reason}
        rows = tx.run(_SQL[query], id=workflow_id, now=now, who=who, **given)
        if not rows:
            raise RejectedInput("the workflow is unknown", status=404)
        if reason is None:
            close_incidents(tx, OVER_BUDGET, [str(workflow_id)], now)
        return bool(rows[0]["changed"])

    return db.transact(work)
