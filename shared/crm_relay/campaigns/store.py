"""Campaigns' SQL about one person."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__)


def count_of_person(db: Queryable, addresses: list[str]) -> Row:
    """Table -> rows."""
    return db.run(_SQL["count_of_person"], addresses=addresses)[0]


def enrollments_to_erase(db: Queryable, addresses: list[str]) -> list[UUID]:
    """Of a person who is to be erased, in the order of their locks."""
    return [row["id"] for row in db.run(_SQL["enrollments_to_erase"], addresses=addresses)]


def erase_enrollments(db: Queryable, ids: Sequence[UUID], now: datetime) -> int:
    """How many lost the person. Safe to call twice."""
    return len(db.run(_SQL["erase_enrollments"], ids=list(ids), now=now))


def enrollments_of(db: Queryable, addresses: list[str], now: datetime, *, limit: int) -> list[Row]:
    """Newest first."""
    return db.run(_SQL["enrollments_of"], addresses=addresses, now=now, limit=limit)


def names_of(db: Queryable, campaigns: Sequence[UUID]) -> dict[UUID, str]:
    """By id; without those that are gone."""
    return {row["id"]: row["name"] for row in db.run(_SQL["names_of"], campaigns=list(campaigns))}
