"""Carries queued mail to the provider: gate and freeze, one request, and what became of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from crm_relay.incidents.record import close_incidents
from crm_relay.mail.models import Fate, SendPolicy, Settle, Settled
from crm_relay.mail.sending import store
from crm_relay.mail.sending.gate import Again, GateVerdict, Waiting, again, evidence_until, judge
from crm_relay.mail.sending.record_answer import CLOSED_BY_SUCCESS, AnswerRecorded, record_answer, report_parked
from crm_relay.mail.sending.store import MailBatch
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database, Transaction
from crm_relay.providers.email import EmailProvider

# Longer than a request may take, or a second worker would ask in vain for what the first one is being told.
_CLAIM = timedelta(seconds=90)
_BATCH_SECONDS = 20.0
_MOST_UNCLEAR = 3
# By whether the provider has keys: why a batch that may have been sent is not repeated.
_WAITS = {True: "somebody in it may not be written to any more", False: "it may have been sent, and there are no keys"}


@dataclass(frozen=True)
class SendContext:
    """What sending needs: the database, the provider, and what this installation may send at all."""

    database: Database
    provider: EmailProvider
    policy: SendPolicy


@dataclass(frozen=True)
class SendReport:
    """What a run did. `sent`, `dry_run`, `refused`, `failed` and `unknown` are mails whose fate is settled.

    `held`: mails moved to later (window, paused sender). `postponed`: batches that have to be tried again. `stopped`:
    why the run ended before everything due was done (a word of ours), None: nothing due is left.
    """

    batches: int = 0
    requests: int = 0
    sent: int = 0
    dry_run: int = 0
    refused: int = 0
    failed: int = 0
    unknown: int = 0
    held: int = 0
    postponed: int = 0
    stopped: str | None = None

    def __add__(self, other: "SendReport") -> "SendReport":
        """Both together, stopped for what stopped the later one."""
        numbers = [each.name for each in fields(self) if each.name != "stopped"]
        added = {name: getattr(self, name) + getattr(other, name) for name in numbers}
        return SendReport(**added, stopped=other.stopped or self.stopped)


def send_due(
    context: SendContext, *, clock: Clock, deadline: Deadline, settle: Settle, purpose: str = "campaign"
) -> SendReport:
    """Send every batch of `purpose` that is due, the one that waits longest first, until none is left or time is up.

    Any number may run side by side, and be killed at any line. `settle(db, settled, now)` is called in the transaction
    that records the fate of these mails, once a mail. Five statements a batch and one request, and one statement that
    finds nothing more. Raises what the database raises; the provider's troubles stand in the report.
    """
    done = SendReport()
    unclear = 0
    while deadline.allows(_BATCH_SECONDS):
        one = send_batch(context, clock=clock, settle=settle, purpose=purpose)
        if one is None:
            return _recovered(context, done, clock())
        done += one
        unclear += one.stopped == "unclear"
        if one.stopped is not None and (one.stopped != "unclear" or unclear == _MOST_UNCLEAR):
            return _recovered(context, done, clock())
        done = replace(done, stopped=None)
    return replace(_recovered(context, done, clock()), stopped="deadline")


def send_batch(
    context: SendContext, *, clock: Clock, settle: Settle, purpose: str = "campaign", batch_id: UUID | None = None
) -> SendReport | None:
    """Send one batch: this one, or the one that waits longest. None: there is none that is due and free."""
    now = clock()
    begun = context.database.transact(
        lambda db: _begin(db, context, settle, now=now, purpose=purpose, batch_id=batch_id)
    )
    if begun is None:
        return None
    if begun.payload is None:
        return begun.report
    answer = context.provider.send_batch(begun.payload, begun.batch.key)
    later, name = clock(), context.provider.name
    recorded = context.database.transact(
        lambda db: record_answer(db, begun.batch, answer, settle, later, provider=name)
    )
    return begun.report + _reported(recorded)


@dataclass(frozen=True)
class _Begun:
    """A batch that is ours; `payload` None: nothing of it is to be sent now."""

    batch: MailBatch
    payload: bytes | None
    report: SendReport


def _begin(
    db: Transaction, context: SendContext, settle: Settle, *, now: datetime, purpose: str, batch_id: UUID | None
) -> _Begun | None:
    batch = store.claim_batch(db, now, purpose=purpose, batch_id=batch_id)
    if batch is None:
        return None
    if batch.attempts == 0 or batch.first_attempt_at is None:
        return _freeze(db, batch, context, settle, now)
    has_key = context.provider.has_idempotency_key
    match again(batch.mails, batch.first_attempt_at, context.policy, now, has_key=has_key):
        case Again.REPEAT:
            payload = store.repeat_batch(db, batch.id, claimed_until=now + _CLAIM)
            return _Begun(replace(batch, attempts=batch.attempts + 1), payload, SendReport(batches=1, requests=1))
        case Again.WAIT:
            until = evidence_until(batch.first_attempt_at, now)
            store.postpone_batch(db, batch, not_before=until, problem=_WAITS[has_key])
            return _Begun(batch, None, SendReport(batches=1, postponed=1))
        case Again.PARK:
            settled = report_parked(db, batch, "not known in time", settle, now, provider=context.provider.name)
            return _Begun(batch, None, SendReport(batches=1) + _counted(settled))


def _freeze(db: Transaction, batch: MailBatch, context: SendContext, settle: Settle, now: datetime) -> _Begun:
    """The gate, mail by mail; and from here on the bytes of those that passed."""
    judged = [(mail, judge(mail, context.policy, now)) for mail in batch.mails if mail.status == "queued"]
    passed = [mail for mail, verdict in judged if verdict.may_leave]
    holds = {verdict.until: uuid4() for _, verdict in judged if verdict.until is not None}
    parts = _parts(passed, context.provider.largest_batch)
    payload = store.freeze_batch(
        db,
        batch.id,
        [_marked(mail, verdict, holds, parts) for mail, verdict in judged],
        [{"id": holds[until], "not_before": until, "problem": "held"} for until in holds]
        + [
            {"id": part, "not_before": now, "problem": "too many for one request"}
            for part in dict.fromkeys(parts.values())
        ],
        now=now,
        claimed_until=now + _CLAIM,
    )
    settled = [_settled(mail, verdict.fate, verdict.reason) for mail, verdict in judged if verdict.fate is not None]
    # An event says that it was sent, against what the provider had answered.
    settled += [_settled(mail, Fate.SENT, None) for mail in batch.mails if mail.status != "queued"]
    if settled:
        settle(db, settled, now)
    leaving = tuple(mail for mail in passed if mail.id not in parts)
    held = sum(verdict.until is not None for _, verdict in judged)
    report = SendReport(batches=1, requests=int(payload is not None), held=held) + _counted(settled)
    return _Begun(replace(batch, mails=leaving, attempts=1, first_attempt_at=now), payload, report)


def _parts(mails: Sequence[Waiting], largest: int) -> dict[UUID, UUID]:
    """Mail -> its new batch, of those that are too many for one request."""
    places = enumerate(mails[largest:])
    ids: dict[int, UUID] = {}
    return {mail.id: ids.setdefault(place // largest, uuid4()) for place, mail in places}


def _marked(
    mail: Waiting, verdict: GateVerdict, holds: Mapping[datetime, UUID], parts: Mapping[UUID, UUID]
) -> dict[str, object]:
    if (part := parts.get(mail.id)) is not None:
        return {"id": mail.id, "status": "queued", "reason": None, "batch_id": part}
    if verdict.until is not None:
        return {"id": mail.id, "status": "queued", "reason": verdict.reason, "batch_id": holds[verdict.until]}
    status = "sending" if verdict.fate is None else verdict.fate.value
    return {"id": mail.id, "status": status, "reason": verdict.reason, "batch_id": None}


def _settled(mail: Waiting, fate: Fate, reason: str | None) -> Settled:
    return Settled(mail.id, fate, reason, mail.enrollment_id, mail.sequence_id)


def _counted(settled: Sequence[Settled]) -> SendReport:
    fates = Counter(each.fate for each in settled)
    return SendReport(
        sent=fates[Fate.SENT],
        dry_run=fates[Fate.DRY_RUN],
        refused=fates[Fate.REFUSED],
        failed=fates[Fate.FAILED],
        unknown=fates[Fate.UNKNOWN],
    )


def _reported(recorded: AnswerRecorded) -> SendReport:
    return replace(_counted(recorded.settled), postponed=int(recorded.is_postponed), stopped=recorded.stops)


def _recovered(context: SendContext, done: SendReport, now: datetime) -> SendReport:
    """What stood in the way is over once something was taken."""
    if done.sent and done.stopped is None:
        for kind in CLOSED_BY_SUCCESS:
            close_incidents(context.database, kind, [context.provider.name], now)
    return done
