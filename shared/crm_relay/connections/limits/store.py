"""The SQL of limits."""

from collections.abc import Sequence

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Rows, queries_beside
from crm_relay.providers.connectors.contract import Limit

_SQL = queries_beside(__file__)


def take_permits(db: Queryable, limits: Sequence[Limit], requests: int) -> list[Row]:
    """Each limit: scope, seconds until the end of the block, and the month's requests before it."""
    rows = Rows([{"scope": each.scope, "seconds": requests / each.per_second} for each in limits])
    return db.run(_SQL["take_permits"], limits=rows, requests=requests)


def give_back(db: Queryable, scopes: Sequence[str], requests: int) -> None:
    """Of the month."""
    db.run(_SQL["give_back"], scopes=list(scopes), requests=requests)


def slow_down(db: Queryable, scopes: Sequence[str], seconds: float) -> None:
    """Never shortens a pause."""
    db.run(_SQL["slow_down"], scopes=list(scopes), seconds=seconds)


def used_this_month(db: Queryable, scopes: Sequence[str]) -> dict[str, int]:
    """Scope -> requests; one that was never used is not among them."""
    return {row["scope"]: row["used"] for row in db.run(_SQL["used_this_month"], scopes=list(scopes))}
