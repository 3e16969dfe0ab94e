"""The SQL of A/B tests."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Json, queries_beside

_SQL = queries_beside(__file__)


def open_tests(db: Queryable, now: datetime) -> list[Row]:
    """id, ab_test, ab_variants, and `arms`: a list of id, recipients and conversions."""
    return db.run(_SQL["open_tests"], now=now)


def keep_verdicts(db: Queryable, verdicts: Sequence[Mapping[str, Any]], now: datetime) -> frozenset[UUID]:
    """Each has id, winner and verdict; the ids of those that nobody had judged before."""
    rows = db.run(_SQL["keep_verdicts"], verdicts=Json([dict(each) for each in verdicts]), now=now)
    return frozenset(row["id"] for row in rows)
