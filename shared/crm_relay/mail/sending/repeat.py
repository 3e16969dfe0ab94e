"""What happens to a batch whose outcome is unknown; pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum

from crm_relay.mail.sending.gate import GateVerdict
from crm_relay.mail.sending.waiting import MailBatch

KEY_LIVES = timedelta(hours=23)
"""So long a request may be repeated: a provider with keys knows one for 24 hours from the first request on."""

LOOKED_UP_AFTER = timedelta(minutes=5)
"""So long a request that was cut off may still be carried out: before that nobody is asked what became of it."""

ASKED_AGAIN_AFTER = timedelta(minutes=15)
"""A list may lag: what it does not show leaves again only if it does not show it so long after the last look either."""

_EVIDENCE_IS_LOOKED_FOR_AGAIN = timedelta(minutes=10)
_LONGEST_PAUSE = timedelta(minutes=15)


class Again(Enum):
    """REPEAT: same bytes, same key. ASK: what the provider has of it. WAIT: for an event. PARK: for ever."""

    REPEAT = "repeat"
    ASK = "ask"
    WAIT = "wait"
    PARK = "park"


def again(batch: MailBatch, verdicts: Sequence[GateVerdict], *, has_key: bool, can_look_up: bool) -> Again:
    """`verdicts`: what the gate says now of each mail that nothing was reported of. `can_look_up`: of the provider.

    Whatever the gate refuses or holds by now must not leave by a repetition. Where any mail of the batch was seen, the
    provider has it all, and repeating only asks for its ids; unless an earlier request carried the mail, of which the
    event may be. Where the provider has no keys nothing is ever repeated. A table in docs/campaigns.md says the same.
    """
    if batch.age >= KEY_LIVES:
        return Again.ASK if can_look_up else Again.PARK
    is_seen = [mail.is_seen for mail in batch.mails]
    if not has_key:
        return Again.PARK if all(is_seen) else Again.WAIT
    if any(is_seen) and not batch.was_lost:
        return Again.REPEAT
    if not any(is_seen) and all(verdict.may_leave for verdict in verdicts):
        return Again.REPEAT
    if can_look_up:
        return Again.ASK
    if any(is_seen):
        return Again.PARK
    return Again.REPEAT if waits_for_window_only(verdicts) else Again.WAIT


def waits_for_window_only(verdicts: Sequence[GateVerdict]) -> bool:
    """The mail most probably left while the window was open: who cannot ask repeats it, or it would be lost."""
    return all(verdict.may_leave or verdict.reason == "window" for verdict in verdicts)


def evidence_until(first_attempt_at: datetime, now: datetime) -> datetime:
    """When a batch that waits for a sign of life is looked at again."""
    later, end = now + _EVIDENCE_IS_LOOKED_FOR_AGAIN, first_attempt_at + KEY_LIVES
    return min(later, end) if end > now else later


def pause_after(attempts: int) -> timedelta:
    """Before the next attempt of a batch that may have been sent: one minute, two, four, at most 15."""
    return min(timedelta(minutes=2 ** (min(attempts, 10) - 1)), _LONGEST_PAUSE)
