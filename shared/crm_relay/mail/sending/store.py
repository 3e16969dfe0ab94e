"""Delivery's SQL for mail on its way out."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from crm_relay.consent.decisions import ConsentFact, dead_address, suppression_of
from crm_relay.mail.models import Mail, OwnedMail
from crm_relay.mail.purposes import is_to_colleagues
from crm_relay.mail.reasons import STOPPED
from crm_relay.mail.sending.gate import FrequencyCap, RecipientFacts, Room
from crm_relay.mail.sending.waiting import MailBatch, WaitingMail
from crm_relay.platform.database import Queryable, Row, Transaction
from crm_relay.platform.sql import Json, Rows, Statement, queries_beside
from crm_relay.rules.send_windows import SendWindow

_SQL = queries_beside(__file__)
_HELD_AT_ONCE = 1_000

PROVIDER_ID = "resend_id"
"""Column of the id that the provider gave to a mail, whichever provider it was."""


def queueing(rows: Iterable[tuple[Mail, UUID, int]], now: datetime, purpose: str) -> Statement:
    """Each mail with its batch and its place there; the answer is one row: `ids` of those that were not known."""
    mails = [_row(mail) | {"batch_id": batch_id, "position": place} for mail, batch_id, place in rows]
    return _SQL["queue_emails"].bind(mails=Json(mails), now=now, purpose=purpose)


def claim_batch(
    db: Transaction, now: datetime, *, purposes: Sequence[str], batch_id: UUID | None = None
) -> MailBatch | None:
    """This batch, or of the first of these purposes that has one the batch that waits longest.

    None where none is due and free. Two messages: lock, then read.
    """
    heads = db.run(_SQL["claim_batch"], purposes=list(purposes), now=now, batch_id=batch_id)
    if not heads:
        return None
    head = heads[0]
    (room,), facts, consent = db.send_all(
        [
            _SQL["batch_room"].bind(org_id=head["org_id"], purpose=head["purpose"], now=now),
            _SQL["gate_facts"].bind(org_id=head["org_id"], batch_id=head["batch_id"], now=now),
            _SQL["gate_consent"].bind(batch_id=head["batch_id"]),
        ]
    )
    known = {row["id"]: row for row in facts}
    ledger: dict[UUID, list[ConsentFact]] = {}
    for row in consent:
        ledger.setdefault(row["id"], []).append(ConsentFact.of(row))
    suppression = dead_address if is_to_colleagues(head["purpose"]) else suppression_of
    return MailBatch(
        head["batch_id"],
        head["org_id"],
        head["purpose"],
        head["generation"],
        head["attempts"],
        head["first_attempt_at"],
        head["last_attempt_at"],
        head["age"] or timedelta(),
        Room(room["mails"], room["frees_at"]),
        tuple(
            _waiting(known[mail], suppression(head["org_id"], ledger[mail]) if mail in ledger else None)
            for mail in head["mails"] or ()
        ),
        is_stopped=bool(known) and room["is_stopped"],
        has_locked=head["has_locked"],
        locked_since=head["locked_since"],
    )


def hold_stopped(db: Queryable, org_id: UUID, purpose: str, now: datetime, *, until: datetime) -> int | None:
    """Mails of a stopped organization that were due and wait until then; one statement, whatever their number.

    None where somebody else has the stop locked: nothing is held, and nothing may leave.
    """
    (row,) = db.run(
        _SQL["hold_stopped"], org_id=org_id, purpose=purpose, reason=STOPPED, now=now, until=until, limit=_HELD_AT_ONCE
    )
    return None if row["is_locked"] else int(row["mails"])


def hold_begun(db: Queryable, batch: MailBatch, *, until: datetime) -> bool:
    """Whether an operator stopped it since it was claimed; then it waits as it is. Atomic."""
    rows = db.run(
        _SQL["hold_begun"],
        org_id=batch.org_id,
        purpose=batch.purpose,
        reason=STOPPED,
        until=until,
        **_this_attempt(batch),
    )
    return bool(rows[0]["is_stopped"])


def freezing(
    batch_id: UUID,
    verdicts: Sequence[dict[str, Any]],
    holds: Sequence[dict[str, Any]],
    *,
    now: datetime,
    claimed_until: datetime,
) -> Statement:
    """Its answer is the bytes of the request (`bytes_of`); None where nothing of the batch may leave, which ends it.

    A verdict has the ids of those it is about, status, reason and for mails that are held the batch_id of their new
    batch, held_for and held_until; a hold has that batch's id, not_before and problem.
    """
    return _SQL["freeze_batch"].bind(
        batch_id=batch_id,
        verdicts=Rows(list(verdicts)),
        holds=Json(list(holds)),
        now=now,
        claimed_until=claimed_until,
    )


def bytes_of(rows: Sequence[Row]) -> bytes | None:
    """Of the answer to `freezing`."""
    return _bytes(rows[0]["payload"])


def repeat_batch(db: Queryable, batch_id: UUID, now: datetime, *, claimed_until: datetime) -> bytes | None:
    """The bytes of the first attempt, and one attempt more in the book."""
    return _bytes(db.run(_SQL["repeat_batch"], batch_id=batch_id, now=now, claimed_until=claimed_until)[0]["payload"])


def claim_for_look_up(db: Queryable, batch_id: UUID, now: datetime, *, claimed_until: datetime) -> bytes | None:
    """The bytes of the first attempt, while the provider is asked for them."""
    rows = db.run(_SQL["claim_for_look_up"], batch_id=batch_id, now=now, claimed_until=claimed_until)
    return _bytes(rows[0]["payload"])


def note_found(db: Queryable, batch_id: UUID, found: Mapping[UUID, str], now: datetime) -> None:
    """Mails of a batch that the provider has, with its ids."""
    rows = Rows([{"id": mail, "provider_id": provider_id} for mail, provider_id in found.items()])
    db.run(_SQL["note_found"], batch_id=batch_id, found=rows, now=now)


def accept_late(db: Queryable, accepted: Mapping[object, object], now: datetime) -> None:
    """Mail -> the provider's id, of a request that was given up as lost. What has left again stays as it is."""
    rows = [{"id": mail, "provider_id": given} for mail, given in accepted.items() if given is not None]
    if rows:
        db.run(_SQL["accept_late"], accepted=Json(rows), now=now)


def set_batch_aside(db: Queryable, batch: MailBatch, *, not_before: datetime, problem: str) -> None:
    """The database refuses what was to be recorded of it: it is tried again later, and holds up no other."""
    db.run(_SQL["set_batch_aside"], not_before=not_before, problem=problem, **_this_attempt(batch))


def set_locked_aside(db: Queryable, batch_id: UUID, now: datetime, *, not_before: datetime, problem: str) -> None:
    """Another transaction has locked what is left in it."""
    db.run(_SQL["set_locked_aside"], batch_id=batch_id, now=now, not_before=not_before, problem=problem)


def next_batch(db: Queryable, now: datetime, *, purposes: Sequence[str], batch_id: UUID | None) -> MailBatch | None:
    """The one that a claim would take, without its mails and times; None where none is due and free."""
    rows = db.run(_SQL["next_batch"], purposes=list(purposes), now=now, batch_id=batch_id)
    if not rows:
        return None
    (row,) = rows
    head = (row["id"], row["org_id"], row["purpose"], row["generation"], row["attempts"])
    return MailBatch(*head, None, None, timedelta(), Room(), mails=())


def mails_of_batch(db: Queryable, batch_id: UUID) -> list[UUID]:
    """Those that are still in it, in their order."""
    return [row["id"] for row in db.run(_SQL["mails_of_batch"], batch_id=batch_id)]


def part_batch(db: Queryable, batch_id: UUID, mails: Sequence[UUID], part_id: UUID) -> None:
    """Move these to a new batch, which is due as the old one was. Only of a batch that was never tried."""
    db.run(_SQL["part_batch"], batch_id=batch_id, mails=list(mails), part_id=part_id)


def begun_again(db: Queryable) -> list[str]:
    """Subjects of open incidents about refused batches that are none any more."""
    return [row["subject"] for row in db.run(_SQL["begun_again"])]


def postpone_batch(db: Queryable, batch: MailBatch, *, not_before: datetime, problem: str, held_for: str) -> None:
    """Nobody knows whether it was sent: it waits as it is."""
    db.run(_SQL["postpone_batch"], not_before=not_before, problem=problem, held_for=held_for, **_this_attempt(batch))


def requeue_batch(db: Queryable, batch: MailBatch, *, not_before: datetime, problem: str, held_for: str | None) -> None:
    """Surely nothing of it was sent: it is as if it had never been tried."""
    _requeue(db, batch, not_before=not_before, problem=problem, held_for=held_for, lost_request=None)


def requeue_lost(db: Queryable, batch: MailBatch, now: datetime, *, problem: str) -> None:
    """The provider's list shows nothing of it: due now, and every mail keeps the key of the request that was lost."""
    _requeue(db, batch, not_before=now, problem=problem, held_for=None, lost_request=batch.key)


def split_batch(
    db: Queryable, batch: MailBatch, parts: Sequence[dict[str, UUID]], *, now: datetime, problem: str
) -> None:
    """Surely nothing of it was sent; each part has a mail's id and the batch_id of its new batch."""
    db.run(_SQL["split_batch"], parts=Json(list(parts)), now=now, problem=problem, **_this_attempt(batch))


def park_batch(db: Queryable, batch: MailBatch, *, now: datetime, problem: str) -> dict[UUID, str]:
    """The mails whose fate is settled by that, and the status of each; empty where somebody else carried it on."""
    rows = db.run(_SQL["park_batch"], now=now, problem=problem, **_this_attempt(batch))
    return {row["id"]: row["status"] for row in rows}


def open_troubles(db: Queryable, kinds: Sequence[str], provider: str) -> list[str]:
    """Those of these kinds of incidents that are open about a provider."""
    return [row["kind"] for row in db.run(_SQL["open_troubles"], kinds=list(kinds), provider=provider)]


def _requeue(
    db: Queryable,
    batch: MailBatch,
    *,
    not_before: datetime,
    problem: str,
    held_for: str | None,
    lost_request: str | None,
) -> None:
    db.run(
        _SQL["requeue_batch"],
        not_before=not_before,
        problem=problem,
        held_for=held_for,
        lost_request=lost_request,
        **_this_attempt(batch),
    )


def _this_attempt(batch: MailBatch) -> dict[str, Any]:
    return {"batch_id": batch.id, "attempts": batch.attempts, "generation": batch.generation}


def _bytes(payload: str | None) -> bytes | None:
    return None if payload is None else payload.encode()


_OTHERWISE = {"recipient", "window", "payload"}


def _row(mail: Mail) -> dict[str, Any]:
    plain = {name: value for name, value in vars(mail).items() if name not in _OTHERWISE}
    return plain | {
        "id": mail.id,
        "recipient_email": mail.recipient,
        "send_window": None if mail.window is None else mail.window.to_json(),
        "payload": dict(mail.payload),
    }


def _waiting(known: Row, suppressed_by: str | None) -> WaitingMail:
    cap = None if known["cap_emails"] is None else FrequencyCap(known["cap_emails"], known["cap_days"])
    return WaitingMail(
        owned=OwnedMail(known["id"], known["entity_type"], known["entity_id"], known["sequence_id"]),
        status=known["status"],
        facts=RecipientFacts(
            known["address"],
            suppressed_by,
            known["is_topic_opt_out"],
            bool(known["is_sender_paused"]),
            cap,
            tuple(known["left_times"] or ()),
            step=known["sequence_id"],
            has_twin=known["has_twin"],
            is_lost_request_seen=known["is_lost_request_seen"],
        ),
        window=None if known["send_window"] is None else _window(known["send_window"]),
        is_seen=known["is_seen"],
        lost_request=known["lost_request"],
        identity_id=known["identity_id"],
    )


@lru_cache(maxsize=1024)
def _window(stored: str) -> SendWindow:
    """The mails of a batch have the same few."""
    return SendWindow.from_json(json.loads(stored))
