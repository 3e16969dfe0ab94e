"""Campaigns' SQL about one person."""

from datetime import datetime

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__)


def count_of_person(db: Queryable, addresses: list[str]) -> Row:
    """Table -> rows."""
    return db.run(_SQL["count_of_person"], addresses=addresses)[0]


def erase_person(db: Queryable, addresses: list[str], now: datetime) -> Row:
    """Table -> rows. Safe to call twice."""
    return db.run(_SQL["erase_person"], addresses=addresses, now=now)[0]


def enrollments_of(db: Queryable, addresses: list[str], now: datetime, *, limit: int) -> list[Row]:
    """Newest first."""
    return db.run(_SQL["enrollments_of"], addresses=addresses, now=now, limit=limit)
