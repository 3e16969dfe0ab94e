"""Takes back what waits of a campaign, e-mails or text messages: never tried, and never sent from here on."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from crm_relay.mail.models import Fate, Settle, Settled
from crm_relay.platform.database import Database, Queryable, Row, Transaction
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__)

TAKEN_BACK = "taken_back"
"""The word of mail/reasons.py."""

_AT_ONCE = 1_000


def take_back_emails(db: Database, campaign_id: UUID, now: datetime, settle: Settle) -> int:
    """How many; a transaction for each thousand. Their owner hears of it. Safe to call twice."""
    return _all(db, settle, now, lambda tx: _take(tx, "take_back_emails", campaign_id))


def take_back_texts(db: Database, campaign_id: UUID, now: datetime, settle: Settle) -> int:
    """The same of text messages."""
    return _all(db, settle, now, lambda tx: _take(tx, "take_back_texts", campaign_id))


def _all(db: Database, settle: Settle, now: datetime, take: Callable[[Queryable], list[Row]]) -> int:
    total = 0
    while taken := db.transact(lambda tx: _part(tx, settle, now, take)):
        total += taken
    return total


def _part(tx: Transaction, settle: Settle, now: datetime, take: Callable[[Queryable], list[Row]]) -> int:
    rows = take(tx)
    if rows:
        settle(tx, [_settled(row) for row in rows], now)
    return len(rows)


def _take(db: Queryable, query: str, campaign_id: UUID) -> list[Row]:
    return db.run(_SQL[query], campaign_id=campaign_id, reason=TAKEN_BACK, limit=_AT_ONCE)


def _settled(row: Row) -> Settled:
    return Settled(row["id"], Fate.REFUSED, TAKEN_BACK, row["entity_type"], row["entity_id"], row["sequence_id"])
