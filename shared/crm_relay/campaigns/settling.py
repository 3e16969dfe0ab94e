"""What is decided about a step that is on its way: whether it may still leave, and what follows from its fate; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from crm_relay.campaigns.decisions import UNFINISHED, counted_from, is_paused_by, opens_after, too_late
from crm_relay.campaigns.models import LatePolicy, StepDelay
from crm_relay.mail.models import WANTED, Standing
from crm_relay.rules.send_windows import SendWindow, is_open, next_open

_CAMPAIGN_IS_OVER = {
    "archived": "campaign_archived",
    "completed": "campaign_completed",
    "cancelled": "campaign_cancelled",
    "canceled": "campaign_cancelled",
}


@dataclass(frozen=True)
class QueuedStep:
    """The step that a queued mail or text message belongs to, as campaigns have it now.

    `due_at`: when it was first due. `window`: the campaign's as it is now; None where it makes no sense.
    `has_unread_reply`: a reply of the person cannot be followed, as the incident `reply_refused` says.
    """

    status: str
    campaign_status: str
    is_step_active: bool
    window: SendWindow | None
    due_at: datetime | None = None
    stopped_reason: str | None = None
    contact_deleted: bool = False
    late_policy: LatePolicy = LatePolicy.SEND
    late_after: timedelta = timedelta(minutes=60)
    has_unread_reply: bool = False


def standing_of(step: QueuedStep | None, now: datetime) -> Standing:
    """Whether it may leave now; None: the enrollment is gone. First what ends it, then what it has to wait for."""
    if step is None:
        return Standing(refused_for="gone")
    if (reason := _refusal(step, now)) is not None:
        return Standing(refused_for=reason)
    if step.has_unread_reply:
        return Standing(held_for="reply_unread")
    if step.window is None:
        return Standing(held_for="campaign_unreadable")
    if not is_open(step.window, now):
        return Standing(held_for="window", held_until=next_open(step.window, now))
    if step.campaign_status != "active":
        return Standing(held_for="campaign_paused")
    return Standing(held_for="person_paused") if step.status == "paused" else WANTED


def _refusal(step: QueuedStep, now: datetime) -> str | None:
    # Anyone who completed had this mail as the last one, by a version that did not wait for it.
    if step.status not in UNFINISHED | {"completed"}:
        return step.stopped_reason or step.status
    if step.contact_deleted:
        return "contact_deleted"
    if (over := _CAMPAIGN_IS_OVER.get(step.campaign_status)) is not None:
        return over
    if not step.is_step_active:
        return "step_inactive"
    late = step.due_at is not None and too_late(step.late_policy, step.late_after, now - step.due_at)
    return "late" if late else None


@dataclass(frozen=True)
class LineSettled:
    """How a pending line of the log ends; `is_error` counts towards the three after which an enrollment is paused.

    `ends_as`: the status with which the whole sequence ends by it, None: it goes on.
    """

    line: str
    reason: str | None = None
    is_error: bool = False
    ends_as: str | None = None


@dataclass(frozen=True)
class PendingLine:
    """A line of the log before its fate is recorded. `id` None: it went with its step."""

    id: UUID | None
    step_number: int | None
    channel: str | None
    status: str | None
    reason: str | None
    due_at: datetime | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "PendingLine":
        """From a row of the query `read_settling`."""
        return cls(
            row["line_id"], row["step_number"], row["channel"], row["line_status"], row["reason"], row["scheduled_at"]
        )


@dataclass(frozen=True)
class EnrollmentPlace:
    """Where somebody is in a campaign while a step is on its way. `pending`: how many of their lines are.

    `following`: the delay of the next active step, None: there is none.
    """

    status: str
    current_step: int
    next_step_at: datetime | None
    error_count: int
    pending: int
    following: StepDelay | None
    window: SendWindow | None


@dataclass(frozen=True)
class EnrollmentMoved:
    """What changes of an enrollment: status and next_step_at as they are now, counts to be added, texts or None."""

    status: str
    next_step_at: datetime | None
    emails: int = 0
    texts: int = 0
    errors: int = 0
    error: str | None = None
    stopped_reason: str | None = None
    completed: bool = False


def settles(line: PendingLine, fate: LineSettled) -> bool:
    """Whether this is news: each line is settled once, but what was unknown may still prove to be sent, or not sent."""
    if line.status == "failed" and line.reason == "unknown":
        return (fate.line, fate.reason) != ("failed", "unknown") and not fate.is_error
    return line.status in {"pending", None}


def after_settling(
    place: EnrollmentPlace, lines: Sequence[tuple[PendingLine, LineSettled]], now: datetime
) -> EnrollmentMoved:
    """What the fate of these lines of one enrollment means for it: counters, an end, three errors, the next step."""
    fates = [fate for _, fate in lines]
    errors = [fate for fate in fates if fate.is_error]
    sent = [line.channel for line, fate in lines if fate.line == "sent"]
    ending = next((fate for fate in fates if fate.ends_as is not None), None)
    status, next_step_at, completed = _going_on(place, lines, now)
    if place.status in UNFINISHED and ending is not None and ending.ends_as is not None:
        status, next_step_at, completed = ending.ends_as, None, False
    elif place.status in UNFINISHED and errors and is_paused_by(place.error_count + len(errors)):
        status, next_step_at, completed = "paused", None, False
    return EnrollmentMoved(
        status,
        next_step_at,
        emails=sent.count("email"),
        texts=sent.count("sms"),
        errors=len(errors),
        error=errors[-1].reason if errors else None,
        stopped_reason=ending.reason if ending is not None and place.status in UNFINISHED else None,
        completed=completed,
    )


def _going_on(
    place: EnrollmentPlace, lines: Sequence[tuple[PendingLine, LineSettled]], now: datetime
) -> tuple[str, datetime | None, bool]:
    """Status, next_step_at, and whether the sequence completes by it."""
    unmoved = place.status, place.next_step_at, False
    # A line that went with its step is settled as often as somebody says so.
    done = [line for line, _ in lines if line.status == "pending" or (line.id is None and place.next_step_at is None)]
    latest = next((line for line in done if line.step_number in {place.current_step, None}), None)
    if latest is None and place.next_step_at is None:
        # The step behind it was settled first, and waited for it.
        latest = next(iter(done), None)
    others = place.pending - sum(line.status == "pending" for line in done)
    if latest is None or others > 0 or place.status not in UNFINISHED:
        return unmoved
    if place.following is not None:
        base, delay = counted_from(latest.due_at, now, place.window), place.following
        if place.window is None:
            return place.status, base + timedelta(days=delay.days) + delay.rest, False
        return place.status, opens_after(place.window, base, delay), False
    return (place.status, None, False) if place.status == "paused" else ("completed", None, True)
