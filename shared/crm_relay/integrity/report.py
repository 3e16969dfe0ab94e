"""What the checks have found and done: runs, standing findings, fixes."""

import json
from typing import Any

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__)


def last_runs(db: Queryable, *, limit: int = 20) -> list[Row]:
    """The latest first; `counts` is check -> found, fixable, fixed, asks."""
    return [_read(row, "counts") for row in db.run(_SQL["last_runs"], limit=limit)]


def standing_findings(db: Queryable, *, limit: int = 100) -> list[Row]:
    """What is wrong by now and was not mended, the latest first."""
    return [_read(row, "details") for row in db.run(_SQL["standing_findings"], limit=limit)]


def last_fixes(db: Queryable, *, limit: int = 100) -> list[Row]:
    """The latest first; their numbers are what `revert` takes."""
    return db.run(_SQL["last_fixes"], limit=limit)


def _read(row: Row, name: str) -> dict[str, Any]:
    return row | {name: json.loads(row[name])}
