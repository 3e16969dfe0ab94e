"""What happens to a batch of which nobody knows whether it was sent; pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum

from crm_relay.mail.models import SendPolicy
from crm_relay.mail.sending.gate import refusal
from crm_relay.mail.sending.waiting import WaitingMail

KEY_LIVES = timedelta(hours=23)
"""So long a request may be repeated: a provider with keys knows one for 24 hours from the first request on."""

_EVIDENCE_IS_LOOKED_FOR_AGAIN = timedelta(minutes=10)
_LONGEST_PAUSE = timedelta(minutes=15)


class Again(Enum):
    """REPEAT: same bytes, same key. ASK: what the provider has of it. WAIT: for an event. PARK: for ever."""

    REPEAT = "repeat"
    ASK = "ask"
    WAIT = "wait"
    PARK = "park"


def again(
    mails: Sequence[WaitingMail], age: timedelta, policy: SendPolicy, *, has_key: bool, can_look_up: bool
) -> Again:
    """`age`: since the first attempt, by whichever clock says more. `can_look_up`: the provider can be asked.

    Who opted out since, or may get nothing in the mode of now, must not be written to by a repetition; but where any
    mail of the batch was seen, the provider has it all, and repeating only asks for its ids. The window is not asked
    again: the mail most probably left when it was open. Where the provider has no keys nothing is ever repeated.
    """
    if age >= KEY_LIVES:
        return Again.ASK if can_look_up else Again.PARK
    if not has_key:
        return Again.PARK if all(mail.is_seen for mail in mails) else Again.WAIT
    if any(mail.is_seen for mail in mails):
        return Again.REPEAT
    if all(refusal(mail.facts) is None and policy.allows(mail.facts.address or "") for mail in mails):
        return Again.REPEAT
    return Again.ASK if can_look_up else Again.WAIT


def evidence_until(first_attempt_at: datetime, now: datetime) -> datetime:
    """When a batch that waits for a sign of life is looked at again."""
    later, end = now + _EVIDENCE_IS_LOOKED_FOR_AGAIN, first_attempt_at + KEY_LIVES
    return min(later, end) if end > now else later


def pause_after(attempts: int) -> timedelta:
    """Before the next attempt of a batch that may have been sent: one minute, two, four, at most 15."""
    return min(timedelta(minutes=2 ** (min(attempts, 10) - 1)), _LONGEST_PAUSE)
