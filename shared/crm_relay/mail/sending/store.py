"""Delivery's SQL for mail on its way out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.mail.models import Mail
from crm_relay.mail.sending.gate import Waiting
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Json, queries_beside
from crm_relay.rules.send_windows import SendWindow

_SQL = queries_beside(__file__)

PROVIDER_ID = "resend_id"
"""Column of the id that the provider gave to a mail, whichever provider it was."""


@dataclass(frozen=True)
class MailBatch:
    """One request to be made, ours until the transaction ends; `attempts` counts those of this `generation`."""

    id: UUID
    generation: int
    attempts: int
    first_attempt_at: datetime | None
    mails: tuple[Waiting, ...]

    @property
    def key(self) -> str:
        """The idempotency key: the same as long as the bytes are."""
        return f"{self.id}/{self.generation}"


def queue_emails(db: Queryable, rows: Sequence[tuple[Mail, UUID, int]], now: datetime, purpose: str) -> frozenset[UUID]:
    """Each mail with its batch and its place there; the ids of those that were not known."""
    mails = [_row(mail) | {"batch_id": batch_id, "position": place} for mail, batch_id, place in rows]
    return frozenset(row["id"] for row in db.run(_SQL["queue_emails"], mails=Json(mails), now=now, purpose=purpose))


def claim_batch(db: Queryable, now: datetime, *, purpose: str, batch_id: UUID | None = None) -> MailBatch | None:
    """This batch, or the one that waits longest; None where none is due and free."""
    rows = db.run(_SQL["claim_batch"], purpose=purpose, now=now, batch_id=batch_id)
    if not rows:
        return None
    mails = tuple(_waiting(row) for row in rows if row["id"] is not None)
    head = rows[0]
    return MailBatch(head["batch_id"], head["generation"], head["attempts"], head["first_attempt_at"], mails)


def freeze_batch(
    db: Queryable,
    batch_id: UUID,
    verdicts: Sequence[dict[str, Any]],
    holds: Sequence[dict[str, Any]],
    *,
    now: datetime,
    claimed_until: datetime,
) -> bytes | None:
    """The bytes of the request; None where nothing of the batch may leave, which ends it.

    A verdict has id, status, reason and for a mail that is held the batch_id of its new batch; a hold has that batch's
    id, not_before and problem.
    """
    rows = db.run(
        _SQL["freeze_batch"],
        batch_id=batch_id,
        verdicts=Json(list(verdicts)),
        holds=Json(list(holds)),
        now=now,
        claimed_until=claimed_until,
    )
    return _bytes(rows[0]["payload"])


def repeat_batch(db: Queryable, batch_id: UUID, *, claimed_until: datetime) -> bytes | None:
    """The bytes of the first attempt, and one attempt more in the book."""
    return _bytes(db.run(_SQL["repeat_batch"], batch_id=batch_id, claimed_until=claimed_until)[0]["payload"])


def postpone_batch(db: Queryable, batch: MailBatch, *, not_before: datetime, problem: str) -> None:
    """Nobody knows whether it was sent: it waits as it is."""
    db.run(_SQL["postpone_batch"], not_before=not_before, problem=problem, **_this_attempt(batch))


def requeue_batch(db: Queryable, batch: MailBatch, *, not_before: datetime, problem: str) -> None:
    """Surely nothing of it was sent: it is as if it had never been tried."""
    db.run(_SQL["requeue_batch"], not_before=not_before, problem=problem, **_this_attempt(batch))


def split_batch(
    db: Queryable, batch: MailBatch, parts: Sequence[dict[str, UUID]], *, now: datetime, problem: str
) -> None:
    """Surely nothing of it was sent; each part has a mail's id and the batch_id of its new batch."""
    db.run(
        _SQL["split_batch"],
        batch_id=batch.id,
        generation=batch.generation,
        parts=Json(list(parts)),
        now=now,
        problem=problem,
    )


def park_batch(db: Queryable, batch_id: UUID, *, now: datetime, problem: str) -> dict[UUID, str]:
    """The mails whose fate is settled by that, and the status of each; empty where somebody else did it."""
    rows = db.run(_SQL["park_batch"], batch_id=batch_id, now=now, problem=problem)
    return {row["id"]: row["status"] for row in rows}


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


def _waiting(row: Row) -> Waiting:
    return Waiting(
        id=row["id"],
        status=row["status"],
        address=row["address"],
        window=None if row["send_window"] is None else SendWindow.from_json(row["send_window"]),
        suppressed_by=row["suppressed_by"],
        is_topic_opt_out=row["is_topic_opt_out"],
        is_sender_paused=bool(row["is_sender_paused"]),
        is_campaign_paused=bool(row["is_campaign_paused"]),
        ended_by=row["ended_by"],
        is_seen=row["is_seen"],
        identity_id=row["identity_id"],
        enrollment_id=row["enrollment_id"],
        sequence_id=row["sequence_id"],
    )
