"""The gate at the moment of sending, and what may be tried again; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from uuid import UUID

from crm_relay.mail.models import Fate, Mode, SendPolicy
from crm_relay.rules.send_windows import SendWindow, is_open, next_open

KEY_LIVES = timedelta(hours=23)
"""So long a request may be repeated: a provider with keys knows one for 24 hours from the first request on."""

_PAUSES_ARE_LOOKED_AT_AGAIN = timedelta(minutes=15)
_EVIDENCE_IS_LOOKED_FOR_AGAIN = timedelta(minutes=10)
_LONGEST_PAUSE = timedelta(minutes=15)
KEPT_BY = {Mode.DRY_RUN: "dry_run", Mode.ALLOW_LIST: "not_on_allow_list", Mode.LIVE: "no_address"}
"""Why a message stays here, by the mode of the installation."""


@dataclass(frozen=True)
class Waiting:
    """One mail of a batch as it stands now. `is_seen`: an event has come that only a mail that was sent can have.

    `ended_by`: why the sequence that it is a step of goes on no longer; 'gone' where that is not there any more.
    """

    id: UUID
    status: str
    address: str | None
    window: SendWindow | None = None
    suppressed_by: str | None = None
    is_topic_opt_out: bool = False
    is_sender_paused: bool = False
    is_campaign_paused: bool = False
    ended_by: str | None = None
    is_seen: bool = False
    identity_id: UUID | None = None
    enrollment_id: UUID | None = None
    sequence_id: UUID | None = None


@dataclass(frozen=True)
class GateVerdict:
    """It may leave, has to wait (`until`), or its fate is settled; `reason` where it may not leave."""

    fate: Fate | None = None
    until: datetime | None = None
    reason: str | None = None

    @property
    def may_leave(self) -> bool:
        """Now."""
        return self.fate is None and self.until is None


def judge(mail: Waiting, policy: SendPolicy, now: datetime) -> GateVerdict:
    """Whether a mail that was never tried may leave now."""
    # Only here: of a mail that may have left, the end of its sequence keeps nothing back.
    if (reason := _refusal(mail) or mail.ended_by) is not None:
        return GateVerdict(Fate.REFUSED, reason=reason)
    if mail.window is not None and not is_open(mail.window, now):
        return GateVerdict(until=next_open(mail.window, now), reason="window")
    if mail.is_sender_paused or mail.is_campaign_paused:
        later = now + _PAUSES_ARE_LOOKED_AT_AGAIN
        reason = "sender_paused" if mail.is_sender_paused else "campaign_paused"
        return GateVerdict(until=later if mail.window is None else next_open(mail.window, later), reason=reason)
    if mail.address is None or not policy.allows(mail.address):
        return GateVerdict(Fate.DRY_RUN, reason=KEPT_BY[policy.mode])
    return GateVerdict()


class Again(Enum):
    """What happens to a batch of which nobody knows whether it was sent."""

    REPEAT = "repeat"
    WAIT = "wait"
    PARK = "park"


def again(
    mails: Sequence[Waiting], first_attempt_at: datetime, policy: SendPolicy, now: datetime, *, has_key: bool
) -> Again:
    """Whether the same bytes may go under the same key once more.

    Who opted out since, or may get nothing in the mode of now, must not be written to by a repetition; but where any
    mail of the batch was seen, the provider has it all, and repeating only asks for its ids. The window is not asked
    again: the mail most probably left when it was open.

    Where the provider has no keys nothing is ever repeated: an event says that a mail was sent, or nothing ever does.
    """
    if now - first_attempt_at >= KEY_LIVES:
        return Again.PARK
    if not has_key:
        return Again.PARK if all(mail.is_seen for mail in mails) else Again.WAIT
    if any(mail.is_seen for mail in mails):
        return Again.REPEAT
    may = all(_refusal(mail) is None and policy.allows(mail.address or "") for mail in mails)
    return Again.REPEAT if may else Again.WAIT


def evidence_until(first_attempt_at: datetime, now: datetime) -> datetime:
    """When a batch that waits for a sign of life is looked at again."""
    return min(now + _EVIDENCE_IS_LOOKED_FOR_AGAIN, first_attempt_at + KEY_LIVES)


def pause_after(attempts: int) -> timedelta:
    """Before the next attempt of a batch that may have been sent: one minute, two, four, at most 15."""
    return min(timedelta(minutes=2 ** (min(attempts, 10) - 1)), _LONGEST_PAUSE)


def _refusal(mail: Waiting) -> str | None:
    if mail.address is None:
        return "erased"
    if mail.suppressed_by is not None:
        return mail.suppressed_by
    return "topic_opt_out" if mail.is_topic_opt_out else None
