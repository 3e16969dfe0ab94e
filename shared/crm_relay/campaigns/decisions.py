"""What happens to somebody whose step is due: the same answer for the engine and for the simulation."""

from datetime import datetime, timedelta

from crm_relay.campaigns.models import (
    Act,
    Campaign,
    Capabilities,
    DueEnrollment,
    LatePolicy,
    Step,
    StepChannel,
    StepDecision,
    StepDelay,
)
from crm_relay.campaigns.variants import Variant, choose
from crm_relay.mail.models import Identity
from crm_relay.rules.addresses.phones import can_be_dialled
from crm_relay.rules.conditions import first_true
from crm_relay.rules.send_windows import SendWindow, add_days, is_open, next_open, zone_of

# The worker comes every minute: a step that waited longer than this for it was kept by something else.
_PUNCTUAL = timedelta(minutes=5)
_SENDER_IS_LOOKED_AT_AGAIN = timedelta(minutes=15)

ERRORS_ALLOWED = 3
"""With so many errors an enrollment is paused."""

ENDS_AS = {
    "opt_out": "unsubscribed",
    "topic_opt_out": "unsubscribed",
    "complaint": "unsubscribed",
    "erased": "unsubscribed",
    "hard_bounce": "bounced",
    "contact_deleted": "stopped",
}
"""Reasons of mail/reasons.py that end the whole sequence, and with which status; any other ends only the step."""

RUNNING = frozenset({"active", "engaged"})
UNFINISHED = RUNNING | {"paused"}
_WORK = {StepChannel.LINKEDIN, StepChannel.PHONE, StepChannel.TASK}


def decide(enrolled: DueEnrollment, campaign: Campaign, now: datetime, can: Capabilities) -> StepDecision:
    """The one decision about an enrollment that is due.

    In this order: what ends the sequence, what only the clock forbids, what skips this step, and then the step itself.
    """
    step = campaign.step_after(enrolled.current_step)
    if step is None:
        return StepDecision(enrolled.id, Act.COMPLETE, status="completed")
    if (end := _end(enrolled)) is not None:
        status, reason = end
        return StepDecision(enrolled.id, Act.STOP, step, reason, status=status)
    window = window_of(campaign, enrolled.timezone)
    # Moved into the window a step would have a new time, and nobody could tell any more that it is late.
    if not is_open(window, now) and not too_late(campaign.late_policy, campaign.late_after, now - enrolled.due_at):
        return StepDecision(enrolled.id, Act.MOVE, reason="window", next_at=next_open(window, now))
    next_at = due_after(step, campaign, window, counted_from(enrolled.due_at, now, window))
    if (why := _skip(step, enrolled, campaign, now, can)) is not None:
        return StepDecision(enrolled.id, Act.SKIP, step, why, next_at)
    if (hold := _hold(step, enrolled, campaign, window, now)) is not None:
        until, reason = hold
        return StepDecision(enrolled.id, Act.MOVE, reason=reason, next_at=until)
    return StepDecision(enrolled.id, _act(step.channel), step, None, next_at, variant=variant_of(step, enrolled))


def is_paused_by(errors: int) -> bool:
    """Whether somebody has to look at an enrollment before it goes on."""
    return errors >= ERRORS_ALLOWED


def window_of(campaign: Campaign, timezone: str | None) -> SendWindow:
    """The campaign's window, read on the recipient's clock where the campaign says so and the zone is known."""
    if not campaign.use_recipient_timezone:
        return campaign.window
    return campaign.window.in_zone(zone_of(timezone, campaign.window.zone))


def first_due(campaign: Campaign, timezone: str | None, now: datetime) -> datetime | None:
    """When the first step is due for somebody who enters the sequence now; None: there is no step."""
    step = campaign.step_after(0)
    return None if step is None else opens_after(window_of(campaign, timezone), now, step.delay)


def goes_on_at(campaign: Campaign, timezone: str | None, now: datetime, *, has_begun: bool) -> datetime | None:
    """When somebody without a time goes on: in the next open minute; before the first step its delay runs from now.

    None: there is no step to begin with. Where none is left behind the last one, the sequence completes at that time.
    """
    return next_open(window_of(campaign, timezone), now) if has_begun else first_due(campaign, timezone, now)


def due_after(step: Step, campaign: Campaign, window: SendWindow, done_at: datetime) -> datetime | None:
    """When the step behind `step` is due, always inside the window; None: `step` is the last."""
    following = campaign.step_after(step.number)
    return None if following is None else opens_after(window, done_at, following.delay)


def opens_after(window: SendWindow, base: datetime, delay: StepDelay) -> datetime:
    """The first moment inside the window that is not before the end of the delay."""
    return next_open(window, add_days(base, delay.days, window.zone) + delay.rest)


def counted_from(due_at: datetime | None, done_at: datetime, window: SendWindow | None) -> datetime:
    """From when the next delay runs: from the time at which the step was due where it was done in time, else from then.

    The worker's own delay of some seconds must not push a whole calendar along.
    """
    if due_at is None or window is None or not timedelta() <= done_at - due_at <= _PUNCTUAL:
        return done_at
    return due_at if is_open(window, due_at) else done_at


def variant_of(step: Step, enrolled: DueEnrollment) -> Variant | None:
    """The winner where one was found, else the person's own by a stable hash."""
    if not step.variants:
        return None
    winner = next((variant for variant in step.variants if variant.id == step.ab_winner), None)
    return winner or choose(step.variants, enrolled.id, step.id)


def _end(enrolled: DueEnrollment) -> tuple[str, str] | None:
    if enrolled.contact_deleted:
        return "stopped", "contact_deleted"
    if enrolled.suppressed_by is not None:
        return ENDS_AS.get(enrolled.suppressed_by, "stopped"), enrolled.suppressed_by
    if enrolled.topic_opt_out:
        return ENDS_AS["topic_opt_out"], "topic_opt_out"
    if enrolled.answered:
        return "replied", "replied"
    if enrolled.has_twin:
        # Two contacts were corrected to one address: its owner gets the sequence once.
        return "stopped", "duplicate_address"
    return None


def _skip(step: Step, enrolled: DueEnrollment, campaign: Campaign, now: datetime, can: Capabilities) -> str | None:
    if too_late(campaign.late_policy, campaign.late_after, now - enrolled.due_at):
        return "late"
    if (reason := first_true(step.conditions, enrolled.fields, enrolled.contact)) is not None:
        return reason
    if step.channel is StepChannel.EMAIL and enrolled.address is None:
        return "no_address"
    if step.channel is StepChannel.SMS:
        return _skip_sms(enrolled, can)
    return None


def _skip_sms(enrolled: DueEnrollment, can: Capabilities) -> str | None:
    if not can.sms:
        return "sms_not_configured"
    if enrolled.sms_suppressed:
        return "sms_opt_out"
    return None if can_be_dialled(enrolled.phone) else "no_phone"


def too_late(policy: LatePolicy, late_after: timedelta, lateness: timedelta) -> bool:
    """Whether a step is not to be done any more."""
    match policy:
        case LatePolicy.SEND:
            return False
        case LatePolicy.SKIP:
            return lateness > _PUNCTUAL
        case LatePolicy.SEND_WITHIN:
            return lateness > late_after


def _hold(
    step: Step, enrolled: DueEnrollment, campaign: Campaign, window: SendWindow, now: datetime
) -> tuple[datetime, str] | None:
    """Until when the step has to wait, and for what."""
    if step.channel is not StepChannel.EMAIL:
        return None
    if (reason := _no_sender(campaign.identity)) is not None:
        return next_open(window, now + _SENDER_IS_LOOKED_AT_AGAIN), reason
    if enrolled.cap_frees_at is not None and enrolled.cap_frees_at > now:
        return next_open(window, enrolled.cap_frees_at), "frequency_cap"
    return None


def _no_sender(identity: Identity | None) -> str | None:
    """Why nobody can send it now; somebody has to do something about that, and nobody enrolled loses a step by it."""
    if identity is None:
        return "no_sender"
    if not (identity.postal_address or "").strip():
        return "no_postal_address"
    return "sender_paused" if identity.paused else None


def _act(channel: StepChannel) -> Act:
    if channel in _WORK:
        return Act.WORK
    return {StepChannel.EMAIL: Act.EMAIL, StepChannel.SMS: Act.SMS, StepChannel.WAIT: Act.WAIT}[channel]
