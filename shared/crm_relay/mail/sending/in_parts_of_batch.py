"""Finds the one mail for which a batch cannot be begun or recorded; the others leave, or are settled, without it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar
from uuid import UUID, uuid4

from crm_relay.mail.models import Fate, Settled
from crm_relay.mail.sending import store
from crm_relay.mail.sending.begin_batch import BatchBegun, BatchWork, begin_batch
from crm_relay.mail.sending.record_answer import AnswerRecorded, park_refused, set_aside
from crm_relay.mail.sending.waiting import MailBatch, WaitingMail
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import OF_ONE_ROW, describe_error
from crm_relay.platform.logging import logger
from crm_relay.providers.answers import Accepted, EmailAnswer
from crm_relay.rules.in_parts import in_parts

K = TypeVar("K")


def begin_in_parts(
    db: Database, work: BatchWork, now: datetime, batch_id: UUID | None, error: Exception
) -> list[BatchBegun]:
    """What could be begun, and one request. What could not be begun waits for an hour, with an incident.

    The other parts are due again: their gate is asked just before they leave, which may be many requests later.

    A batch that was tried before waits as a whole: its bytes and its key are fixed. Another worker may have set aside
    the batch that `error` is about: nothing waits that was not tried by its own id.
    """
    batch = store.next_batch(db, now, purposes=work.purposes, batch_id=batch_id)
    if batch is None:
        raise error
    begun: list[BatchBegun] = []

    def begin(part: Sequence[UUID]) -> None:
        one = db.transact(lambda tx: _begin_part(tx, work, batch, part, now))
        if one is not None:
            begun.append(one)

    mails = store.mails_of_batch(db, batch.id) if batch.attempts == 0 else []
    refused = _refused(mails, begin) if len(mails) > 1 else {}
    why = next(iter(refused.values()), None) if len(mails) > 1 else _begin_whole(db, work, batch, now, begun)
    if why is not None:
        reason, whose = describe_error(why), list(refused) or mails
        begun.append(BatchBegun(batch, None, db.transact(lambda tx: set_aside(tx, batch, reason, now, whose))))
    if not begun:
        raise error
    return _one_request(db, begun, now)


def _begin_whole(
    db: Database, work: BatchWork, batch: MailBatch, now: datetime, begun: list[BatchBegun]
) -> Exception | None:
    """Why it cannot be begun."""
    try:
        one = db.transact(lambda tx: begin_batch(tx, work, now, batch.id))
    except OF_ONE_ROW as error:
        return error
    begun += [] if one is None else [one]
    return None


def record_in_parts(
    db: Database, work: BatchWork, batch: MailBatch, answer: EmailAnswer | None, error: Exception, now: datetime
) -> AnswerRecorded:
    """The provider has answered, and the database refuses to record it.

    Mails that it took and that can be recorded were sent. The others are parked as unknown with an incident; where not
    even that can be recorded the batch waits as it is, and is repeated under its key.
    """
    noted: list[Settled] = []

    def note(part: Sequence[WaitingMail]) -> None:
        noted.extend(db.transact(lambda tx: _note(tx, work, batch, part, ids, now)))

    ids = _taken(batch, answer)
    refused = _refused([mail for mail in batch.mails if mail.id in ids], note)
    why = next(iter(refused.values()), error)
    known = {each.send_id for each in noted}
    try:
        parked = park_refused(db, batch, why, work.settle, now, provider=work.provider.name)
    except OF_ONE_ROW:
        reason = f"the answer cannot be recorded: {describe_error(why)}"
        aside = db.transact(lambda tx: set_aside(tx, batch, reason, now, [mail.id for mail in refused]))
        return AnswerRecorded(noted, is_postponed=aside.is_postponed)
    return AnswerRecorded([*noted, *(each for each in parked.settled if each.send_id not in known)])


def _one_request(db: Database, begun: Sequence[BatchBegun], now: datetime) -> list[BatchBegun]:
    first = next((each for each in begun if each.payload is not None), None)
    return [each if each is first or each.payload is None else _put_back(db, each, now) for each in begun]


def _put_back(db: Database, begun: BatchBegun, now: datetime) -> BatchBegun:
    """Surely nothing of it was sent. Where that cannot be recorded, it is found again as a batch without an answer."""
    try:
        store.requeue_batch(db, begun.batch, not_before=now, problem="begun beside others", held_for=None)
    except OF_ONE_ROW as error:
        logger().warning("a batch cannot be put back", batch=str(begun.batch.id), reason=describe_error(error))
    return replace(begun, payload=None)


def _refused(each: Sequence[K], work: Callable[[Sequence[K]], object]) -> dict[K, Exception]:
    """As `in_parts`; everybody where the fault is everybody's."""
    try:
        return in_parts(each, work)
    except OF_ONE_ROW as error:
        return dict.fromkeys(each, error)


def _begin_part(
    tx: Transaction, work: BatchWork, batch: MailBatch, part: Sequence[UUID], now: datetime
) -> BatchBegun | None:
    part_id = uuid4()
    store.part_batch(tx, batch.id, part, part_id)
    return begin_batch(tx, work, now, part_id)


def _taken(batch: MailBatch, answer: EmailAnswer | None) -> dict[UUID, str]:
    """Mail -> the provider's id."""
    if not isinstance(answer, Accepted):
        return {}
    pairs = zip(batch.mails, answer.ids, strict=True)
    return {mail.id: provider_id for mail, provider_id in pairs if provider_id is not None}


def _note(
    tx: Transaction,
    work: BatchWork,
    batch: MailBatch,
    part: Sequence[WaitingMail],
    ids: dict[UUID, str],
    now: datetime,
) -> list[Settled]:
    store.note_found(tx, batch.id, {mail.id: ids[mail.id] for mail in part}, now)
    settled = [mail.settled(Fate.SENT) for mail in part]
    work.settle(tx, settled, now)
    return settled
