"""The timeline of a run: its steps, their actions, what was decided, and what became of mails and webhooks."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any
from uuid import UUID

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.approvals.overview import ApprovalShown, list_approvals
from crm_relay.workflows.overview import store
from crm_relay.workflows.overview.models import (
    ActionShown,
    LogLine,
    MailOfAction,
    NotificationOfAction,
    RunLine,
    RunShown,
    RunStart,
    StepShown,
    WebhookOfAction,
)

MOST_STEPS = 200
MOST_LOGS = 2_000
MOST_APPROVALS = 500

_LINE = tuple(each.name for each in fields(RunLine))
_START = tuple(each.name for each in fields(RunStart))
_STEP = (
    "position", "key", "type", "name", "status", "config", "started_at", "completed_at", "wait_until", "waits_for",
    "result", "error",
)  # fmt: skip
_ACTION = ("id", "type", "status", "result", "error", "error_code", "completed_at")


def show_run(db: Queryable, run_id: UUID) -> RunShown:
    """Five statements, however long the run is, and one more where it asked people. RejectedInput with 404 for none."""
    row = store.show_run(db, run_id)
    if row is None:
        raise RejectedInput("there is no such run, or it was removed after its retention", status=404)
    steps = store.steps_of_run(db, run_id, MOST_STEPS + 1)
    shown = list(reversed(steps[:MOST_STEPS]))
    ids = [step["id"] for step in shown]
    notified = _notifications(store.notifications_of_run(db, run_id, ids))
    actions: defaultdict[UUID, list[ActionShown]] = defaultdict(list)
    for each in store.actions_of_run(db, run_id, ids):
        actions[each["step_id"]].append(_action(each, notified.get(each["id"], ())))
    logs: defaultdict[UUID | None, list[LogLine]] = defaultdict(list)
    for line in reversed(store.logs_of_run(db, run_id, MOST_LOGS)):
        logs[line["step_id"]].append(LogLine(line["occurred_at"], line["level"], line["message"], line["data"]))
    asked: defaultdict[UUID | None, list[ApprovalShown]] = defaultdict(list)
    if any(step["type"] == "approval" for step in shown):
        found = list_approvals(db, execution_id=run_id, is_pending=None, limit=MOST_APPROVALS)
        for approval in sorted(found, key=lambda each: str(each.requested_at)):
            asked[approval.step_id].append(approval)
    return RunShown(
        run=RunLine(**{name: row[name] for name in _LINE}),
        start=RunStart(**{name: row[name] for name in _START}),
        steps=tuple(_step(step, actions[step["id"]], logs[step["id"]], asked[step["id"]]) for step in shown),
        logs=tuple(logs[None]),
        is_complete=len(steps) <= MOST_STEPS,
    )


def _step(
    row: Row, actions: Iterable[ActionShown], logs: Iterable[LogLine], approvals: Iterable[ApprovalShown]
) -> StepShown:
    given = {name: row[name] for name in _STEP}
    return StepShown(**given, actions=tuple(actions), logs=tuple(logs), approvals=tuple(approvals))


def _action(row: Row, notifications: Iterable[NotificationOfAction]) -> ActionShown:
    return ActionShown(
        **{name: row[name] for name in _ACTION},
        mail=_mail(row),
        webhook=_webhook(row),
        notifications=tuple(notifications),
    )


def _mail(row: Row) -> MailOfAction | None:
    if row["send_id"] is None:
        return None
    return MailOfAction(
        row["send_id"], row["mail_status"], row["mail_reason"], row["mail_queued_at"], row["mail_left_at"]
    )


def _webhook(row: Row) -> WebhookOfAction | None:
    if row["webhook_id"] is None:
        return None
    return WebhookOfAction(
        id=row["webhook_id"],
        host=row["host"],
        state=row["webhook_state"],
        attempts=row["attempts"],
        status_code=row["status_code"],
        reason=row["webhook_reason"],
        next_attempt_at=row["next_attempt_at"],
    )


def _notifications(rows: Iterable[Mapping[str, Any]]) -> dict[UUID, list[NotificationOfAction]]:
    found: defaultdict[UUID, list[NotificationOfAction]] = defaultdict(list)
    for row in rows:
        found[row["action_id"]].append(NotificationOfAction(row["id"], row["user_id"], row["channels"]))
    return found
