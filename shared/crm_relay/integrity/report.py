"""What the checks have found and done, for whoever looks: runs, standing findings, fixes."""

import json
from typing import Any

from crm_relay.integrity import store
from crm_relay.platform.database import Row, Runs


def last_runs(db: Runs, *, at_most: int = 20) -> list[Row]:
    """The latest first; `counts` is check -> found, fixable, fixed, asks."""
    return [_read(row, "counts") for row in store.last_runs(db, at_most=at_most)]


def standing_findings(db: Runs, *, at_most: int = 100) -> list[Row]:
    """What is wrong by now and was not mended, the latest first."""
    return [_read(row, "details") for row in store.standing_findings(db, at_most=at_most)]


def last_fixes(db: Runs, *, at_most: int = 100) -> list[Row]:
    """The latest first; their numbers are what `revert` takes."""
    return store.last_fixes(db, at_most=at_most)


def _read(row: Row, name: str) -> dict[str, Any]:
    return row | {name: json.loads(row[name])}
