"""Settles messages whose outcome is unknown, by what an operator found at the provider."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.incidents.record import close_incidents
from crm_relay.mail.models import Fate, Settle, Settled
from crm_relay.mail.sending.record_answer import UNKNOWN
from crm_relay.mail.texts.record_text import UNKNOWN as UNKNOWN_TEXT
from crm_relay.platform.database import Database, Queryable, Row, Transaction
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__)

OPERATOR = "operator"
"""Who did it, where it was done at the command line."""


@dataclass(frozen=True)
class UnknownMessage:
    """A message that may have left. `batch_id`: the request that carried it, None for a text message."""

    id: UUID
    channel: str
    batch_id: UUID | None
    campaign_id: UUID | None
    recipient: str | None
    reason: str | None
    queued_at: datetime
    left_at: datetime | None


@dataclass(frozen=True)
class UnknownSettled:
    """`messages`: how many were settled now, 0 where they were before."""

    id: UUID
    was_sent: bool
    messages: int


@dataclass(frozen=True)
class MessageOwners:
    """What the owners of e-mails and of text messages do about their fate."""

    emails: Settle
    texts: Settle


def unknown_messages(db: Queryable, *, limit: int) -> list[UnknownMessage]:
    """The newest first."""
    return [UnknownMessage(**row) for row in db.run(_SQL["unknown_messages"], limit=limit)]


def settle_unknown(
    db: Database, message_id: UUID, now: datetime, owners: MessageOwners, *, was_sent: bool, who: str = OPERATOR
) -> UnknownSettled:
    """One message, or all of a batch by the batch's id; it closes their incident and leaves a line in the history.

    What was not sent stays unsent: the sequence has gone on. Safe to call twice. RejectedInput with 404 for an id that
    no parked message has.
    """
    return db.transact(lambda tx: _settle(tx, message_id, now, owners, was_sent=was_sent, who=who))


def _settle(
    tx: Transaction, message_id: UUID, now: datetime, owners: MessageOwners, *, was_sent: bool, who: str
) -> UnknownSettled:
    mails = tx.run(_SQL["lock_unknown_mails"], id=message_id)
    texts = [] if mails else tx.run(_SQL["lock_unknown_text"], id=message_id)
    if not mails and not texts:
        raise RejectedInput("no message of an unknown fate has this id, nor has a batch", status=404)
    if mails:
        tx.run(_SQL["settle_mails"], ids=[row["id"] for row in mails], was_sent=was_sent, now=now)
        owners.emails(tx, _fates(mails, was_sent=was_sent), now)
        batches = sorted({row["batch_id"] for row in mails if row["batch_id"] is not None})
        clear = [row["subject"] for row in tx.run(_SQL["batches_without_unknown"], batches=batches)]
        close_incidents(tx, UNKNOWN, clear, now)
    else:
        tx.run(_SQL["settle_text"], id=message_id, was_sent=was_sent, now=now)
        owners.texts(tx, _fates(texts, was_sent=was_sent), now)
        close_incidents(tx, UNKNOWN_TEXT, [str(message_id)], now)
    _note(tx, message_id, mails or texts, now, was_sent=was_sent, who=who)
    return UnknownSettled(message_id, was_sent, len(mails) + len(texts))


def _fates(rows: Sequence[Row], *, was_sent: bool) -> list[Settled]:
    fate, reason = (Fate.SENT, None) if was_sent else (Fate.REFUSED, "not_sent")
    return [
        Settled(
            row["id"],
            fate,
            reason,
            row["entity_type"],
            row["entity_id"],
            row["sequence_id"],
        )
        for row in rows
    ]


def _note(tx: Transaction, message_id: UUID, rows: Sequence[Row], now: datetime, *, was_sent: bool, who: str) -> None:
    tx.run(
        _SQL["note_settled"],
        org_id=rows[0]["org_id"],
        entity_type="message",
        entity_id=message_id,
        change="settled_as_sent" if was_sent else "settled_as_not_sent",
        now=now,
        who=who,
        messages=len(rows),
    )
