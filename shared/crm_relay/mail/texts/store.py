"""The ledger of text messages."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from crm_relay.mail.reasons import STOPPED
from crm_relay.mail.texts.models import QueuedText, TextDraft
from crm_relay.platform.database import Queryable
from crm_relay.platform.sql import Json, Statement, queries_beside

_SQL = queries_beside(__file__)
_HELD_AT_ONCE = 1_000


def queueing_texts(texts: Sequence[TextDraft], now: datetime) -> Statement:
    """One statement, whatever their number; due from `now` on. Safe to repeat: a known `send_key` is left alone."""
    return _SQL["queue_texts"].bind(texts=Json([asdict(text) for text in texts]), now=now)


def claim_text(db: Queryable, now: datetime, *, claimed_until: datetime, held_until: datetime) -> QueuedText | None:
    """None where no message is due and free; those that an operator stopped wait until `held_until`."""
    rows = db.run(
        _SQL["claim_text"],
        now=now,
        claimed_until=claimed_until,
        stopped=STOPPED,
        held_until=held_until,
        most_held=_HELD_AT_ONCE,
    )
    return QueuedText(**rows[0]) if rows else None


def record_text(
    db: Queryable,
    message_id: UUID,
    now: datetime,
    *,
    status: str,
    reason: str | None,
    sid: str | None,
    not_before: datetime | None,
    held_for: str | None,
) -> None:
    """`sid` is the provider's id of it; `not_before` None leaves the time as it is. `held_for`: why it waits."""
    db.run(
        _SQL["record_text"],
        id=message_id,
        now=now,
        status=status,
        reason=reason,
        sid=sid,
        not_before=not_before,
        held_for=held_for,
    )
