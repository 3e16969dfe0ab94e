"""Carries queued text messages to the provider, one by one: it knows no key by which a repetition would be the same."""

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, assert_never
from uuid import UUID

from crm_relay.campaigns.engine import store
from crm_relay.campaigns.engine.claim import OF_ONE_ROW
from crm_relay.campaigns.engine.outcomes import LineSettled
from crm_relay.consent.models import ConsentChannel, ConsentEvent, ConsentKind
from crm_relay.consent.record import record_events
from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import close_incidents, open_incidents
from crm_relay.mail.models import Mode, SendPolicy
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database, Queryable
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
from crm_relay.rules.send_windows import SendWindow, is_open, next_open, zone_of

_SECONDS = 25.0
# Longer than a request may take: until then nobody else looks at the message.
_CLAIM = timedelta(minutes=2)
_PAUSE = timedelta(minutes=1)
_LONG_PAUSE = timedelta(minutes=15)
# So long a message is looked for whose fate is unclear; then a person has to.
_GIVEN_UP_AFTER = timedelta(hours=6)
_CONFIGURATION, _UNKNOWN = "sms_configuration", "sms_unknown"
_TITLES = {
    _CONFIGURATION: "Text messages cannot be sent until the account's settings are changed",
    _UNKNOWN: "Text message(s) of which nobody knows whether they were sent: never sent again, look at the account",
}


class TextProvider(Protocol):
    """The provider's client, as far as it is needed here; what it promises stands in providers/twilio/client.py."""

    def send(self, to: str, body: str) -> TextAnswer:
        """One request."""

    def find(self, to: str, body: str, since: datetime) -> Any:
        """The message that was made since then, or None."""


@dataclass(frozen=True)
class TextReport:
    """What a run did with text messages; `stopped`: the provider wants a rest, or somebody has to change something."""

    sent: int = 0
    refused: int = 0
    failed: int = 0
    unknown: int = 0
    postponed: int = 0
    stopped: bool = False


@dataclass(frozen=True)
class QueuedText:
    """One message that is ours to send. `attempts` counts this one; above 1 nobody knows whether it was sent before.

    `ended_by`: why the sequence has ended since; 'erased': number and text are None; 'gone': the window's columns are.
    """

    id: UUID
    org_id: UUID
    enrollment_id: UUID
    sequence_id: UUID
    to_number: str | None
    body: str | None
    attempts: int
    first_attempt_at: datetime
    is_suppressed: bool
    send_days: Any
    send_window_start: Any
    send_window_end: Any
    campaign_zone: Any
    recipient_zone: str | None
    ended_by: str | None
    is_campaign_paused: bool

    @property
    def window(self) -> SendWindow:
        """Nobody is woken by a message that had to wait."""
        zone = zone_of(self.recipient_zone, self.campaign_zone)
        return SendWindow.of(self.send_days, self.send_window_start, self.send_window_end, zone)


@dataclass(frozen=True)
class TextOutcome:
    """How the message goes on: its new status, when it is tried again, and what its step in the log becomes.

    `stops`: nothing more is asked in this run. `tells`: the incident that somebody has to hear of.
    """

    status: str
    reason: str | None = None
    sid: str | None = None
    not_before: datetime | None = None
    line: LineSettled | None = None
    stops: bool = False
    tells: str | None = None


def send_texts(db: Database, texts: TextProvider, policy: SendPolicy, clock: Clock, deadline: Deadline) -> TextReport:
    """Every message that is due, until none is left or time is up. Two statements and a request each; kill it anywhere.

    A message whose sending was cut off is looked up before anything else is done with it.
    """
    counts = Counter[str]()
    while deadline.allows(_SECONDS):
        now = clock()
        row = store.claim_text(db, now, claimed_until=now + _CLAIM)
        if row is None:
            return _report(counts, stopped=False)
        queued = QueuedText(**row)
        outcome = _carry(texts, queued, policy, now)
        db.transact(lambda tx, queued=queued, outcome=outcome, now=now: _record(tx, queued, outcome, now))  # type: ignore[misc]
        counts[outcome.status] += 1
        if outcome.stops:
            break
    return _report(counts, stopped=True)


def _report(counts: Counter[str], *, stopped: bool) -> TextReport:
    later = counts["queued"] + counts["sending"]
    return TextReport(counts["sent"], counts["refused"], counts["failed"], counts["unknown"], later, stopped)


def _carry(texts: TextProvider, queued: QueuedText, policy: SendPolicy, now: datetime) -> TextOutcome:
    to_number, body = queued.to_number, queued.body
    if to_number is None or body is None:
        return _erased(queued)
    if queued.attempts > 1:
        try:
            found = texts.find(to_number, body, queued.first_attempt_at)
        except (TransientError, FatalError, RejectedInput):
            return _unclear(queued, now)
        if found is not None:
            return TextOutcome("sent", sid=found.sid, line=LineSettled("sent"))
    gate = _gate(queued, policy, now)
    return gate or _outcome(texts.send(to_number, body), queued, now)


def _erased(queued: QueuedText) -> TextOutcome:
    """There is nothing left to send, nor to look for where it was tried before."""
    if queued.attempts > 1:
        return TextOutcome("unknown", "erased", line=LineSettled("failed", "unknown"))
    return TextOutcome("refused", "erased", line=LineSettled("stopped", "erased"))


def _gate(queued: QueuedText, policy: SendPolicy, now: datetime) -> TextOutcome | None:
    """What keeps the message here at this moment."""
    if queued.is_suppressed:
        return TextOutcome("refused", "sms_opt_out", line=LineSettled("stopped", "sms_opt_out"))
    if queued.ended_by is not None:
        return TextOutcome("refused", queued.ended_by, line=LineSettled("stopped", queued.ended_by))
    if policy.mode is Mode.DRY_RUN:
        return TextOutcome("refused", "dry_run", line=LineSettled("skipped", "dry_run"))
    if policy.mode is Mode.ALLOW_LIST and queued.to_number not in policy.allow_list:
        return TextOutcome("refused", "not_on_allow_list", line=LineSettled("skipped", "not_on_allow_list"))
    if queued.is_campaign_paused:
        return TextOutcome("queued", "campaign_paused", not_before=now + _LONG_PAUSE)
    return _outside_the_window(queued, now)


def _outside_the_window(queued: QueuedText, now: datetime) -> TextOutcome | None:
    try:
        window = queued.window
    except OF_ONE_ROW:
        # Written by hand and no window: it concerns nobody else's messages.
        return TextOutcome("queued", "no_window", not_before=now + _LONG_PAUSE)
    return None if is_open(window, now) else TextOutcome("queued", "window", not_before=next_open(window, now))


def _outcome(answer: TextAnswer, queued: QueuedText, now: datetime) -> TextOutcome:
    match answer:
        case Taken(sid=sid):
            return TextOutcome("sent", sid=sid, line=LineSettled("sent"))
        case OptedOut():
            return TextOutcome("refused", "sms_opt_out", line=LineSettled("stopped", "sms_opt_out"))
        case Refused(reason=reason):
            return TextOutcome("failed", reason, line=LineSettled("failed", reason, is_error=True))
        case Later(reason=reason, seconds=seconds):
            pause = _PAUSE if seconds is None else timedelta(seconds=seconds)
            return TextOutcome("queued", reason, not_before=now + pause, stops=True)
        case ConfigurationWrong(reason=reason):
            later = now + _LONG_PAUSE
            return TextOutcome("queued", reason, not_before=later, stops=True, tells=_CONFIGURATION)
        case Unclear():
            return _unclear(queued, now)
        case _:
            assert_never(answer)


def _unclear(queued: QueuedText, now: datetime) -> TextOutcome:
    if now - queued.first_attempt_at > _GIVEN_UP_AFTER:
        return TextOutcome("unknown", "unknown", line=LineSettled("failed", "unknown"), tells=_UNKNOWN)
    return TextOutcome("sending", "unclear", not_before=now + _PAUSE)


def _record(tx: Queryable, queued: QueuedText, outcome: TextOutcome, now: datetime) -> None:
    settled = {"enrollment_id": queued.enrollment_id, "sequence_id": queued.sequence_id}
    store.record_text(
        tx,
        queued.id,
        now,
        status=outcome.status,
        reason=outcome.reason,
        sid=outcome.sid,
        not_before=outcome.not_before,
        line=None if outcome.line is None else settled | asdict(outcome.line),
    )
    if outcome.reason == "sms_opt_out" and not queued.is_suppressed and queued.to_number is not None:
        opt_out = ConsentEvent(
            ConsentKind.OPT_OUT,
            queued.to_number,
            "twilio",
            now,
            ConsentChannel.SMS,
            str(queued.id),
            org_id=queued.org_id,
        )
        record_events(tx, [opt_out])
    if outcome.tells is not None:
        subject = str(queued.id) if outcome.tells == _UNKNOWN else "twilio"
        open_incidents(tx, [Incident(outcome.tells, subject, _TITLES[outcome.tells])], now)
    elif outcome.status == "sent":
        close_incidents(tx, _CONFIGURATION, ["twilio"], now)
