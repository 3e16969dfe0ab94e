"""What the checks have found and done, for whoever looks: runs, standing findings, fixes."""

import json
from typing import Any

from crm_relay.integrity import store
from crm_relay.platform.database import Queryable, Row


def last_runs(db: Queryable, *, limit: int = 20) -> list[Row]:
    """The latest first; `counts` is check -> found, fixable, fixed, asks."""
    return [_read(row, "counts") for row in store.last_runs(db, limit=limit)]


def standing_findings(db: Queryable, *, limit: int = 100) -> list[Row]:
    """What is wrong by now and was not mended, the latest first."""
    return [_read(row, "details") for row in store.standing_findings(db, limit=limit)]


def last_fixes(db: Queryable, *, limit: int = 100) -> list[Row]:
    """The latest first; their numbers are what `revert` takes."""
    return store.last_fixes(db, limit=limit)


def _read(row: Row, name: str) -> dict[str, Any]:
    return row | {name: json.loads(row[name])}
