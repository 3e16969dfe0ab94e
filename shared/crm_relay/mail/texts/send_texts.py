"""Carries queued text messages to the provider, one by one: it knows no key by which a repetition would be the same."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from crm_relay.mail.models import Fate, SendPolicy, Settle
from crm_relay.mail.sending.gate import GateVerdict
from crm_relay.mail.texts import store
from crm_relay.mail.texts.gate import judge_text
from crm_relay.mail.texts.models import QueuedText
from crm_relay.mail.texts.record_text import CONFIGURATION, UNKNOWN, TextOutcome, record_outcome
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.errors import FatalError, RejectedInput, TransientError
from crm_relay.providers.answers import (
    ConfigurationWrong,
    Later,
    OptedOut,
    Refused,
    Taken,
    TextAnswer,
    Unclear,
)
from crm_relay.providers.text import TextProvider

_SECONDS = 25.0
# Longer than a request may take: until then nobody else looks at the message.
_CLAIM = timedelta(minutes=2)
_PAUSE = timedelta(minutes=1)
_SETTINGS_ARE_TRIED_AGAIN = timedelta(minutes=15)
# So long a message is looked for whose fate is unclear; then a person has to.
_GIVEN_UP_AFTER = timedelta(hours=6)


@dataclass(frozen=True)
class TextContext:
    """What sending text messages needs: the database, the provider, and what this installation may send at all."""

    database: Database
    provider: TextProvider
    policy: SendPolicy


@dataclass(frozen=True)
class TextReport:
    """What a run did with text messages; `stopped`: the provider wants a rest, or somebody has to change something."""

    sent: int = 0
    refused: int = 0
    failed: int = 0
    unknown: int = 0
    postponed: int = 0
    stopped: bool = False


def send_texts(context: TextContext, *, clock: Clock, deadline: Deadline, settle: Settle) -> TextReport:
    """Every message that is due, until none is left or time is up; kill it anywhere.

    Three statements and a request each. `settle(db, settled, now)` is called in the transaction that records the fate
    of a message, once a message. One whose sending was cut off is looked up before anything else is done with it.
    """
    counts = Counter[str]()
    while deadline.allows(_SECONDS):
        now = clock()
        queued = store.claim_text(context.database, now, claimed_until=now + _CLAIM)
        if queued is None:
            return _report(counts, stopped=False)
        outcome = _carry(context, queued, now)
        record_outcome(context.database, queued, outcome, settle, now, provider=context.provider.name)
        counts[outcome.status] += 1
        if outcome.stops:
            break
    return _report(counts, stopped=True)


def _report(counts: Counter[str], *, stopped: bool) -> TextReport:
    later = counts["queued"] + counts["sending"]
    return TextReport(counts["sent"], counts["refused"], counts["failed"], counts["unknown"], later, stopped)


def _carry(context: TextContext, queued: QueuedText, now: datetime) -> TextOutcome:
    to_number, body = queued.to_number, queued.body
    if to_number is None or body is None:
        return _erased(queued)
    if queued.attempts > 1:
        try:
            found = context.provider.find(to_number, body, queued.first_attempt_at)
        except (TransientError, FatalError, RejectedInput):
            return _unclear(queued, now)
        if found is not None:
            return TextOutcome(GateVerdict(Fate.SENT), sid=found.sid)
    verdict = judge_text(queued, context.policy, now)
    if not verdict.may_leave:
        return TextOutcome(verdict)
    return _outcome(context.provider.send(to_number, body), queued, now)


def _erased(queued: QueuedText) -> TextOutcome:
    """There is nothing left to send, nor to look for where it was tried before."""
    return TextOutcome(GateVerdict(Fate.UNKNOWN if queued.attempts > 1 else Fate.REFUSED, reason="erased"))


def _outcome(answer: TextAnswer, queued: QueuedText, now: datetime) -> TextOutcome:
    match answer:
        case Taken(sid=sid):
            return TextOutcome(GateVerdict(Fate.SENT), sid=sid)
        case OptedOut():
            return TextOutcome(GateVerdict(Fate.REFUSED, reason="sms_opt_out"))
        case Refused(reason=reason):
            return TextOutcome(GateVerdict(Fate.FAILED, reason=reason))
        case Later(reason=reason, seconds=seconds):
            pause = _PAUSE if seconds is None else timedelta(seconds=seconds)
            return TextOutcome(GateVerdict(until=now + pause, reason=reason), stops=True)
        case ConfigurationWrong(reason=reason):
            later = GateVerdict(until=now + _SETTINGS_ARE_TRIED_AGAIN, reason=reason)
            return TextOutcome(later, stops=True, incident=CONFIGURATION)
        case Unclear():
            return _unclear(queued, now)
        case _:
            assert_never(answer)


def _unclear(queued: QueuedText, now: datetime) -> TextOutcome:
    if now - queued.first_attempt_at > _GIVEN_UP_AFTER:
        return TextOutcome(GateVerdict(Fate.UNKNOWN, reason="unknown"), incident=UNKNOWN)
    return TextOutcome(GateVerdict(until=now + _PAUSE, reason="unclear"), is_unclear=True)
