"""The ledger of text messages."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from crm_relay.mail.purposes import CAMPAIGN
from crm_relay.mail.reasons import STOPPED
from crm_relay.mail.texts.models import QueuedText, TextDraft
from crm_relay.platform.database import Queryable, Transaction
from crm_relay.platform.sql import Json, Statement, queries_beside

_SQL = queries_beside(__file__)
_HELD_AT_ONCE = 1_000


def queueing_texts(texts: Sequence[TextDraft], now: datetime, *, purpose: str = CAMPAIGN) -> Statement:
    """One statement, whatever their number; due from `now` on. Safe to repeat: a known `send_key` is left alone."""
    return _SQL["queue_texts"].bind(texts=Json([asdict(text) for text in texts]), now=now, purpose=purpose)


def due_texts(db: Queryable, now: datetime, *, limit: int, purposes: Sequence[str]) -> list[UUID]:
    """Which a claim would take; reads nothing else."""
    return [row["id"] for row in db.run(_SQL["due_texts"], now=now, limit=limit, purposes=list(purposes))]


def refused_texts(db: Queryable, *, limit: int, purposes: Sequence[str]) -> list[UUID]:
    """Some of those that are set aside, at random."""
    return [row["id"] for row in db.run(_SQL["refused_texts"], limit=limit, purposes=list(purposes))]


def is_waiting(db: Queryable, message_id: UUID) -> bool:
    """Whether it may still leave."""
    return bool(db.run(_SQL["is_waiting"], id=message_id)[0]["waits"])


def claim_text(
    tx: Transaction,
    now: datetime,
    *,
    purposes: Sequence[str],
    claimed_until: datetime,
    held_until: datetime,
    message_id: UUID | None = None,
) -> QueuedText | None:
    """None where no message is due and free; those that an operator stopped wait until `held_until`.

    `message_id`: this one alone, although it is set aside.
    """
    claiming = _SQL["claim_text"].bind(
        now=now,
        purposes=list(purposes),
        message_id=message_id,
        claimed_until=claimed_until,
        stopped=STOPPED,
        held_until=held_until,
        most_held=_HELD_AT_ONCE,
    )
    _, rows = tx.finish([_SQL["take_turn"].bind(), claiming])
    return QueuedText(**rows[0]) if rows else None


def hold_if_stopped(db: Queryable, queued: QueuedText, now: datetime, *, until: datetime) -> bool:
    """Whether an operator stopped it since it was claimed; then it waits as it is. Atomic."""
    rows = db.run(
        _SQL["hold_stopped_text"],
        id=queued.id,
        org_id=queued.org_id,
        attempts=queued.attempts,
        generation=queued.generation,
        stopped=STOPPED,
        until=until,
        now=now,
    )
    return bool(rows[0]["is_stopped"])


def is_suppressed_now(db: Queryable, message_id: UUID) -> bool:
    """By the ledger of consent; True where the message is gone."""
    rows = db.run(_SQL["is_suppressed_now"], id=message_id)
    return not rows or bool(rows[0]["is_suppressed"])


def hold_due(
    db: Queryable, now: datetime, *, until: datetime, held_for: str | None, purposes: Sequence[str] | None = None
) -> None:
    """What is due of these purposes, None: of all, waits until then; `held_for` is a word of mail/reasons.py."""
    wanted = None if purposes is None else list(purposes)
    db.run(_SQL["hold_due"], now=now, until=until, held_for=held_for, purposes=wanted, limit=_HELD_AT_ONCE)


def waited_in_vain(db: Queryable, kind: str) -> list[str]:
    """Subjects of open incidents of this kind, where no message waits for settings."""
    return [row["subject"] for row in db.run(_SQL["waited_in_vain"], kind=kind)]


def record_text(
    db: Queryable,
    queued: QueuedText,
    now: datetime,
    *,
    status: str,
    reason: str | None,
    sid: str | None,
    not_before: datetime | None,
    held_for: str | None,
) -> bool:
    """`sid` is the provider's id of it; `not_before` None leaves the time as it is. `held_for`: why it waits.

    False: somebody else has carried it on since, and nothing is recorded.
    """
    rows = db.run(
        _SQL["record_text"],
        id=queued.id,
        attempts=queued.attempts,
        generation=queued.generation,
        now=now,
        status=status,
        reason=reason,
        sid=sid,
        not_before=not_before,
        held_for=held_for,
    )
    return bool(rows)
