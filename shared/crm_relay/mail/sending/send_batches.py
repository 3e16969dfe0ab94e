"""Carries queued mail to the provider: gate and freeze, one request, and what became of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from uuid import UUID

from crm_relay.incidents.record import close_free_incidents
from crm_relay.mail.models import SendPolicy, Settle, StillWanted, always_wanted
from crm_relay.mail.purposes import CAMPAIGN
from crm_relay.mail.sending import store
from crm_relay.mail.sending.begin_batch import BatchBegun, BatchWork, begin_batch
from crm_relay.mail.sending.gate import PAUSES_ARE_LOOKED_AT_AGAIN
from crm_relay.mail.sending.in_parts_of_batch import begin_in_parts, record_in_parts
from crm_relay.mail.sending.look_up import look_up, record_look_up
from crm_relay.mail.sending.record_answer import (
    CLOSED_BY_SUCCESS,
    AnswerRecorded,
    count_fates,
    record_answer,
)
from crm_relay.mail.sending.repeat import KEY_LIVES
from crm_relay.mail.sending.waiting import MailBatch
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import OF_ONE_ROW
from crm_relay.providers.answers import EmailAnswer
from crm_relay.providers.email import EmailProvider

_BATCH_SECONDS = 20.0
_MOST_UNCLEAR = 3


@dataclass(frozen=True)
class SendContext:
    """What sending needs: the database, the provider, and what this installation may send at all."""

    database: Database
    provider: EmailProvider
    policy: SendPolicy


@dataclass(frozen=True)
class SendReport:
    """What a run did. `sent`, `dry_run`, `refused`, `failed` and `unknown` are mails whose fate is settled.

    `held`: mails moved to later (window, paused sender, the brake). `postponed`: batches that have to be tried again.
    `stopped`: why the run ended before everything due was done (a word of ours), None: nothing due is left.
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
    context: SendContext,
    *,
    clock: Clock,
    deadline: Deadline,
    settle: Settle,
    still_wanted: StillWanted = always_wanted,
    purposes: Sequence[str] = (CAMPAIGN,),
    between: Callable[[], object] | None = None,
) -> SendReport:
    """Send every batch of these purposes that is due, until none is left or time is up.

    Before each batch the purposes are asked in their order, and the batch that waits longest goes first. `between` is
    called behind each batch: what is more urgent may be queued by it.

    Any number may run side by side, and be killed at any line. `settle(db, settled, now)` is called in the transaction
    that records the fate of these mails, once a mail; `still_wanted(db, mails, now)` before mails leave that surely
    have not left before. Six statements a batch and one request, and one statement that finds nothing more. Raises
    what the database raises; the provider's troubles stand in the report.
    """
    done = SendReport()
    unclear = 0
    while deadline.allows(_BATCH_SECONDS):
        one = send_batch(context, clock=clock, settle=settle, still_wanted=still_wanted, purposes=purposes)
        if one is None:
            return _recovered(context, done, clock())
        done += one
        unclear += one.stopped == "unclear"
        if one.stopped is not None and (one.stopped != "unclear" or unclear == _MOST_UNCLEAR):
            return _recovered(context, done, clock())
        done = replace(done, stopped=None)
        if between is not None:
            between()
    return replace(_recovered(context, done, clock()), stopped="deadline")


def send_batch(
    context: SendContext,
    *,
    clock: Clock,
    settle: Settle,
    still_wanted: StillWanted = always_wanted,
    purposes: Sequence[str] = (CAMPAIGN,),
    batch_id: UUID | None = None,
) -> SendReport | None:
    """Send one batch: this one, or the one that waits longest. None: there is none that is due and free."""
    work = BatchWork(context.provider, context.policy, settle, still_wanted, purposes)
    now = clock()
    begun = _begin(context.database, work, now, batch_id)
    reports = [_carried(context, work, each, clock) for each in begun]
    return sum(reports[1:], reports[0]) if reports else None


def _carried(context: SendContext, work: BatchWork, begun: BatchBegun, clock: Clock) -> SendReport:
    """What is begun and not carried on, because the worker dies, is found again as a batch without an answer."""
    if begun.looks_up:
        begun = _looked_up(context.database, work, begun, clock)
    if begun.payload is None:
        return _reported(begun.recorded)
    answer = context.provider.send_batch(begun.payload, begun.batch.key)
    later, name = clock(), context.provider.name
    batch = begun.batch
    recorded = _recorded(
        context.database,
        work,
        batch,
        answer,
        later,
        lambda tx: record_answer(tx, batch, answer, work.settle, later, provider=name),
    )
    return _reported(begun.recorded, requests=1) + replace(_reported(recorded), batches=0)


def _begin(db: Database, work: BatchWork, now: datetime, batch_id: UUID | None) -> list[BatchBegun]:
    """One batch, or its parts where a mail of it stops the others; none where none is due and free."""
    try:
        begun = db.transact(lambda tx: begin_batch(tx, work, now, batch_id))
    except OF_ONE_ROW as error:
        return begin_in_parts(db, work, now, batch_id, error)
    return [] if begun is None else [begun]


def _looked_up(db: Database, work: BatchWork, begun: BatchBegun, clock: Clock) -> BatchBegun:
    """Ask the provider what it has of the batch, outside any transaction."""
    found = look_up(work.provider, begun.batch, begun.payload or b"")
    if found.is_taken or (found.never and begun.repeats_unasked and begun.batch.age < KEY_LIVES):
        # The batch is one request: who has a part of it has it all, and repeating only asks for the other ids.
        return _unless_stopped(db, begun, clock())
    now, name = clock(), work.provider.name
    recorded = _recorded(
        db,
        work,
        begun.batch,
        None,
        now,
        lambda tx: record_look_up(tx, begun.batch, found, work.settle, now, provider=name),
    )
    return BatchBegun(begun.batch, None, recorded)


def _unless_stopped(db: Database, begun: BatchBegun, now: datetime) -> BatchBegun:
    """An operator may have stopped sending while the provider was asked."""
    if store.hold_begun(db, begun.batch, until=now + PAUSES_ARE_LOOKED_AT_AGAIN):
        return BatchBegun(begun.batch, None, AnswerRecorded(is_postponed=True))
    return replace(begun, looks_up=False)


def _recorded(
    db: Database,
    work: BatchWork,
    batch: MailBatch,
    answer: EmailAnswer | None,
    now: datetime,
    record: Callable[[Transaction], AnswerRecorded],
) -> AnswerRecorded:
    """What the database refuses of one answer is that batch's alone; `answer` None: it was looked up."""
    try:
        return db.transact(record)
    except OF_ONE_ROW as error:
        return record_in_parts(db, work, batch, answer, error, now)


def _reported(recorded: AnswerRecorded, *, requests: int = 0) -> SendReport:
    fates = count_fates(recorded.settled)
    return SendReport(
        batches=1,
        requests=requests,
        held=recorded.held,
        postponed=int(recorded.is_postponed),
        stopped=recorded.stops,
        **fates,
    )


def _recovered(context: SendContext, done: SendReport, now: datetime) -> SendReport:
    """What stood in the way is over once something was taken."""
    if done.sent and done.stopped is None:
        name = context.provider.name
        for kind in store.open_troubles(context.database, CLOSED_BY_SUCCESS, name):
            close_free_incidents(context.database, kind, [name], now)
    return done
