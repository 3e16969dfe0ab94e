"""Carries queued text messages to the provider, one by one: it knows no key by which a repetition would be the same."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never
from uuid import UUID

from crm_relay.mail.models import WANTED, Fate, Mode, SendPolicy, Settle, StillWanted, always_wanted
from crm_relay.mail.purposes import CAMPAIGN
from crm_relay.mail.sending.gate import KEPT_BY, PAUSES_ARE_LOOKED_AT_AGAIN, Gate, GateVerdict
from crm_relay.mail.sending.record_answer import LONGEST_REST, rest_of
from crm_relay.mail.sending.repeat import ASKED_AGAIN_AFTER, LOOKED_UP_AFTER
from crm_relay.mail.texts import store
from crm_relay.mail.texts.models import QueuedText
from crm_relay.mail.texts.record_text import (
    CONFIGURATION,
    REST,
    UNKNOWN,
    TextOutcome,
    close_settled,
    goes_on,
    park_refused,
    record_outcome,
    set_aside,
)
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.errors import OF_ONE_ROW, FatalError, RejectedInput, TransientError
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
_LOOKED_AT_AGAIN = 20
# Until then nobody else looks at the message: what is cut off is not looked for sooner than the provider can know it.
_CLAIM = LOOKED_UP_AFTER
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


def send_texts(
    context: TextContext,
    *,
    clock: Clock,
    deadline: Deadline,
    settle: Settle,
    still_wanted: StillWanted = always_wanted,
    purposes: Sequence[str] = (CAMPAIGN,),
) -> TextReport:
    """Every message that is due, until none is left or time is up; kill it anywhere.

    `still_wanted(db, mails, now)` is asked before each message that surely was not sent; `settle(db, settled, now)` is
    called in the transaction that records the fate of a message, once a message. One whose sending was cut off is
    looked up before anything else is done with it.
    """
    sending = _TextRun(context, still_wanted, settle, purposes)
    for message_id in store.refused_texts(context.database, limit=_LOOKED_AT_AGAIN, purposes=purposes):
        sending.take_again(message_id, clock())
    while deadline.allows(_SECONDS) and not sending.is_stopped:
        now = clock()
        if not sending.take_next(now):
            close_settled(context.database, now)
            return _report(sending.counts, stopped=False)
    return _report(sending.counts, stopped=True)


@dataclass
class _TextRun:
    """What one run does, message by message; one that cannot be worked on is set aside with an incident."""

    context: TextContext
    still_wanted: StillWanted
    settle: Settle
    purposes: Sequence[str]
    counts: Counter[str] = field(default_factory=Counter)
    is_stopped: bool = False

    def take_next(self, now: datetime) -> bool:
        """False: none is due and free."""
        try:
            queued = self._claim(now, None)
        except OF_ONE_ROW as error:
            due = store.due_texts(self.context.database, now, limit=_LOOKED_AT_AGAIN, purposes=self.purposes)
            return self._take_one_of(due, now, error)
        return queued is not None and self._carry(queued, now)

    def take_again(self, message_id: UUID, now: datetime) -> None:
        """One that was set aside: its incident closes where it can be worked on."""
        try:
            queued = self._claim(now, message_id)
            if queued is not None:
                self._record(queued, now)
            elif store.is_waiting(self.context.database, message_id):
                # Not due, or another worker has it: nothing is known of it that was not known before.
                return
        except OF_ONE_ROW:
            return
        goes_on(self.context.database, message_id, now)

    def _take_one_of(self, due: Sequence[UUID], now: datetime, error: Exception) -> bool:
        """The first that cannot be claimed is set aside, unless one before it can."""
        for message_id in due:
            try:
                queued = self._claim(now, message_id)
            except OF_ONE_ROW as why:
                set_aside(self.context.database, message_id, why, now)
                return True
            if queued is not None:
                return self._carry(queued, now)
        raise error

    def _claim(self, now: datetime, message_id: UUID | None) -> QueuedText | None:
        until = now + PAUSES_ARE_LOOKED_AT_AGAIN
        return self.context.database.transact(
            lambda tx: store.claim_text(
                tx,
                now,
                purposes=self.purposes,
                claimed_until=now + _CLAIM,
                held_until=until,
                message_id=message_id,
            )
        )

    def _carry(self, queued: QueuedText, now: datetime) -> bool:
        try:
            self._record(queued, now)
        except OF_ONE_ROW as error:
            set_aside(self.context.database, queued.id, error, now)
        return True

    def _record(self, queued: QueuedText, now: datetime) -> None:
        carried = _carry(self.context, queued, self.still_wanted, now)
        if carried is None:
            self.counts["sending"] += 1
            return
        outcome = _recorded(self.context, queued, carried, self.settle, now)
        self.counts[outcome.status(queued)] += 1
        if outcome.stops and (until := outcome.verdict.until) is not None:
            store.hold_due(self.context.database, now, until=until, held_for=outcome.held_for)
            self.is_stopped = True
        elif outcome.held_for == KEPT_BY[Mode.DRY_RUN] and (until := outcome.verdict.until) is not None:
            # The mode keeps all of them: one by one they would take as many statements every hour.
            store.hold_due(self.context.database, now, until=until, held_for=outcome.held_for, purposes=self.purposes)


def _report(counts: Counter[str], *, stopped: bool) -> TextReport:
    later = counts["queued"] + counts["sending"]
    return TextReport(counts["sent"], counts["refused"], counts["failed"], counts["unknown"], later, stopped)


def _recorded(
    context: TextContext, queued: QueuedText, outcome: TextOutcome, settle: Settle, now: datetime
) -> TextOutcome:
    """What the database refuses of one message is an error of that one alone."""
    name = context.provider.name
    try:
        record_outcome(context.database, queued, outcome, settle, now, provider=name)
    except OF_ONE_ROW as error:
        return park_refused(context.database, queued, error, settle, now, provider=name)
    return outcome


def _carry(context: TextContext, queued: QueuedText, still_wanted: StillWanted, now: datetime) -> TextOutcome | None:
    """None: an operator stopped it while the provider was asked, and it waits as it is."""
    to_number, body = queued.to_number, queued.body
    if to_number is None or body is None:
        return _erased(queued)
    if queued.attempts > 1:
        try:
            found = context.provider.find(to_number, body, queued.first_attempt_at, queued.known)
        except (TransientError, FatalError, RejectedInput):
            return _unclear(queued, now)
        if found is not None:
            return TextOutcome(GateVerdict(Fate.SENT), sid=found.sid)
        if queued.touched_at is not None and queued.touched_at <= now < queued.touched_at + ASKED_AGAIN_AFTER:
            # The provider's list may lag.
            return TextOutcome(GateVerdict(until=now + ASKED_AGAIN_AFTER, reason="unclear"), is_unclear=True)
        # What the claim said is as old as the look-up.
        if store.hold_if_stopped(context.database, queued, now, until=now + PAUSES_ARE_LOOKED_AT_AGAIN):
            return None
        queued = replace(queued, is_suppressed=store.is_suppressed_now(context.database, queued.id))
    owned = queued.owned
    standing = still_wanted(context.database, [owned], now).get(queued.id, WANTED)
    verdict = Gate(context.policy, now).judge(queued.facts, standing)
    if verdict.may_leave and queued.has_twin:
        verdict = GateVerdict(Fate.REFUSED, reason="duplicate_number")
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
            verdict = GateVerdict(until=now + rest_of(seconds, _PAUSE), reason=reason)
            incident = REST if (seconds or 0) > LONGEST_REST.total_seconds() else None
            return TextOutcome(verdict, stops=True, incident=incident, held_by="provider_rest")
        case ConfigurationWrong(reason=reason):
            later = GateVerdict(until=now + _SETTINGS_ARE_TRIED_AGAIN, reason=reason)
            return TextOutcome(later, stops=True, incident=CONFIGURATION, held_by="configuration")
        case Unclear():
            return _unclear(queued, now)
        case _:
            assert_never(answer)


def _unclear(queued: QueuedText, now: datetime) -> TextOutcome:
    if now - queued.first_attempt_at > _GIVEN_UP_AFTER:
        return TextOutcome(GateVerdict(Fate.UNKNOWN, reason="unknown"), incident=UNKNOWN)
    return TextOutcome(GateVerdict(until=now + LOOKED_UP_AFTER, reason="unclear"), is_unclear=True)
