"""What a decision leaves behind: a line in the log, work for somebody, and where the enrollment stands now; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, assert_never
from uuid import UUID

from crm_relay.campaigns.decisions import is_paused_by
from crm_relay.campaigns.models import Act, DueEnrollment, Step, StepChannel, StepDecision

_DUE_AFTER = timedelta(hours=24)
_LONGEST_HOURS = 10 * 8760


@dataclass(frozen=True)
class Work:
    """A row of `activities`, for a person to do."""

    type: str
    subject: str
    description: str | None
    status: str
    priority: str
    due_date: datetime
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class StepOutcome:
    """What is recorded of one enrollment.

    `line` is the status of the new line of the log, None: the step was not reached. `next_step_at` None: nothing is due
    any more, or not before what is sent is settled. `due_at`: when the step was first due, where it was moved.
    `error`: the step could not be made, and is tried again at `next_step_at`.
    """

    enrollment_id: UUID
    next_step_at: datetime | None = None
    due_at: datetime | None = None
    status: str | None = None
    current_step: int | None = None
    held_for: str | None = None
    reason: str | None = None
    ab_variant: str | None = None
    error: str | None = None
    line: str | None = None
    sequence_id: UUID | None = None
    channel: str | None = None
    activity: Work | None = None


def outcome_of(decision: StepDecision, enrolled: DueEnrollment, now: datetime) -> StepOutcome:
    """All but what an e-mail or a text message says."""
    step = decision.step
    if step is None:
        return StepOutcome(
            decision.enrollment_id,
            decision.next_at,
            due_at=enrolled.due_at if decision.act is Act.MOVE else None,
            status=decision.status,
            held_for=_held(decision),
            reason=decision.reason,
        )
    line, activity = _line(decision.act), None
    if decision.act is Act.WORK:
        activity = work_of(step, enrolled, now)
    # What is sent has to be settled before the next step is due, or the sequence complete.
    leaves = decision.act in {Act.EMAIL, Act.SMS}
    return StepOutcome(
        decision.enrollment_id,
        next_step_at=None if leaves else decision.next_at,
        status=decision.status or ("completed" if decision.next_at is None and not leaves else None),
        current_step=step.number,
        reason=decision.reason,
        ab_variant=None if decision.variant is None else decision.variant.id,
        line=line,
        sequence_id=step.id,
        channel=step.channel.value,
        activity=activity,
    )


def settled_at_once(outcome: StepOutcome, decision: StepDecision) -> StepOutcome:
    """Of a step that is sent, as if it left in the moment in which it was decided."""
    if decision.act not in {Act.EMAIL, Act.SMS}:
        return outcome
    status = "completed" if decision.next_at is None else outcome.status
    return replace(outcome, next_step_at=decision.next_at, status=status)


def failed(enrolled: DueEnrollment, reason: str, again_at: datetime) -> StepOutcome:
    """The step could not be made: nobody's fault but its own, and none of the others'. Three errors pause."""
    if is_paused_by(int(enrolled.fields.get("error_count") or 0) + 1):
        return StepOutcome(enrolled.id, status="paused", held_for="error", error=reason, due_at=enrolled.due_at)
    return StepOutcome(enrolled.id, next_step_at=again_at, held_for="error", error=reason, due_at=enrolled.due_at)


def send_key(enrollment_id: UUID, step: Step) -> str:
    """Nobody gets a step twice."""
    return f"enrollment:{enrollment_id}:step:{step.id}"


def work_of(step: Step, enrolled: DueEnrollment, now: datetime) -> Work:
    """As the source document has it: a task for LinkedIn, a call for the phone, a task with a due time of its own."""
    task = step.task or {}
    metadata = {
        "campaign_id": enrolled.campaign_id,
        "enrollment_id": enrolled.id,
        "sequence_step": step.number,
    }
    description, priority = _words(task.get("description")), _words(task.get("priority")) or "normal"
    title = _words(task.get("title"))
    match step.channel:
        case StepChannel.LINKEDIN:
            subject = f"LinkedIn: {title or 'Send LinkedIn message'}"
            metadata["channel"] = "linkedin"
            return Work("task", subject, description, "open", priority, now + _DUE_AFTER, metadata)
        case StepChannel.PHONE:
            subject = f"Call: {title or 'Campaign follow-up call'}"
            metadata["channel"] = "phone"
            return Work("call", subject, description, "scheduled", priority, now + _DUE_AFTER, metadata)
        case _:
            due = now + _hours(task.get("due_hours"))
            return Work("task", title or "Campaign task", description, "open", priority, due, metadata)


def _held(decision: StepDecision) -> str | None:
    return decision.reason if decision.act is Act.MOVE else None


def _line(act: Act) -> str | None:
    match act:
        case Act.EMAIL | Act.SMS:
            return "pending"
        case Act.WORK | Act.WAIT:
            return "sent"
        case Act.SKIP:
            return "skipped"
        case Act.STOP:
            return "stopped"
        case Act.MOVE | Act.COMPLETE:
            return None
        case _:
            assert_never(act)


def _words(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _hours(value: object) -> timedelta:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _LONGEST_HOURS:
        return _DUE_AFTER
    return timedelta(hours=value)
