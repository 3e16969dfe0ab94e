"""What the integrity checks found and changed, as the operator's page shows it."""

import json
from collections import Counter
from typing import Any

from crm_relay.integrity.models import CHECKS
from crm_relay.integrity.report import last_fixes, last_runs, standing_findings
from crm_relay.operations.overview.models import (
    CheckState,
    Fix,
    FixVersions,
    Integrity,
    IntegrityRun,
    StandingFinding,
)
from crm_relay.operations.overview.store import fix_versions
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.errors import RejectedInput

_NOT_REACHED = "the run failed before it"


def integrity(db: Queryable, *, limit: int) -> Integrity:
    """Three statements. A run that is at work has found nothing yet: the checks are those of the one before it."""
    runs, found = last_runs(db, limit=limit), standing_findings(db, limit=limit)
    return Integrity(
        _checks(next((run for run in runs if run["finished_at"]), None), found),
        [IntegrityRun(**_some(row, IntegrityRun)) for row in runs],
        [StandingFinding(**_some(row, StandingFinding)) for row in found],
        [Fix(**_some(row, Fix)) for row in last_fixes(db, limit=limit)],
    )


def before_and_after(db: Queryable, fix_id: int) -> FixVersions:
    """RejectedInput with 404 for no such fix."""
    row = fix_versions(db, fix_id)
    if row is None:
        raise RejectedInput("no such fix", status=404)
    return FixVersions(**row | {name: _document(row[name]) for name in ("before", "after")})


def _checks(run: Row | None, found: list[Row]) -> list[CheckState]:
    counts: dict[str, dict[str, Any]] = {} if run is None else run["counts"]
    standing = Counter(row["check_name"] for row in found)
    missing = {"unseen": {"all": _NOT_REACHED}} if run is not None and run["status"] == "failed" else {}
    return [_check(name, counts.get(name, missing), standing[name]) for name in CHECKS]


def _check(name: str, counts: dict[str, Any], standing: int) -> CheckState:
    found, fixable, fixed = (int(counts.get(key, 0)) for key in ("found", "fixable", "fixed"))
    return CheckState(name, found, fixable, fixed, bool(counts.get("asks")), standing, counts.get("unseen", {}))


def _some(row: Row, kind: Any) -> Row:
    return {name: row[name] for name in kind.__dataclass_fields__}


def _document(text: str | None) -> dict[str, Any] | None:
    found = None if text is None else json.loads(text)
    return found if isinstance(found, dict) else None
