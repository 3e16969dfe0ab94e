"""Rules of pitches: whether one may leave now, and what an unclear answer leads to; pure."""

from datetime import datetime, timedelta
from enum import Enum

from crm_relay.connections.pitches.models import ClaimedPitch
from crm_relay.mail.models import Fate, SendPolicy
from crm_relay.mail.reasons import STOPPED
from crm_relay.mail.sending.gate import PAUSES_ARE_LOOKED_AT_AGAIN, FrequencyCap, Gate, GateVerdict
from crm_relay.mail.sending.repeat import ASKED_AGAIN_AFTER, LOOKED_UP_AFTER

GIVEN_UP_AFTER = timedelta(hours=6)
"""So long a pitch is looked for whose draft is gone and of which no message is found; then a person has to."""

MAILBOX_CAP = "mailbox_cap"
RECEIVES_ONLY = "receives_only"


def judge_pitch(pitch: ClaimedPitch, policy: SendPolicy, daily: int, now: datetime) -> GateVerdict:
    """Every question, each time: the brake, the pitch itself, consent, caps, the mode, limits."""
    if pitch.is_stopped:
        return GateVerdict(until=now + PAUSES_ARE_LOOKED_AT_AGAIN, reason=STOPPED)
    if pitch.facts.address is None and not pitch.is_erased:
        return GateVerdict(Fate.FAILED, reason="no_address")
    if pitch.is_empty and not pitch.is_erased:
        return GateVerdict(Fate.FAILED, reason="content")
    verdict = Gate(policy, now, pitch.room).judge(pitch.facts, pitch.standing())
    if not verdict.may_leave:
        return verdict
    frees_at = FrequencyCap(daily, 1).frees_at(pitch.left_today, now)
    return verdict if frees_at is None else GateVerdict(until=frees_at, reason=MAILBOX_CAP)


class Evidence(Enum):
    """What the mailbox shows of a pitch whose sending had no answer."""

    DRAFT_THERE = "draft_there"
    SENT = "sent"
    NOTHING = "nothing"


class Afterwards(Enum):
    """SEND: it surely did not leave, so the gate is asked again. WAIT: `wait_until`. PARK: a person has to look."""

    SEND = "send"
    SENT = "sent"
    WAIT = "wait"
    PARK = "park"


def after_unclear(evidence: Evidence, left_at: datetime, now: datetime) -> Afterwards:
    """A draft that is there some minutes later was not sent; one that is gone was, if a message shows it."""
    if evidence is Evidence.SENT:
        return Afterwards.SENT
    if evidence is Evidence.DRAFT_THERE:
        # The request may still be under way.
        return Afterwards.WAIT if left_at <= now < left_at + LOOKED_UP_AFTER else Afterwards.SEND
    return Afterwards.PARK if now - left_at > GIVEN_UP_AFTER else Afterwards.WAIT


def wait_until(evidence: Evidence, now: datetime) -> datetime:
    """When the mailbox is looked at again."""
    return now + (LOOKED_UP_AFTER if evidence is Evidence.DRAFT_THERE else ASKED_AGAIN_AFTER)
