"""The checks within PostgreSQL and of what waits at the edge: what each finds, and what would mend it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from crm_relay.integrity import store
from crm_relay.integrity.compare_sides import look_for_drift
from crm_relay.integrity.decisions import ENGAGED, STATUSES, EmailState, implied_by_times, problems_of
from crm_relay.integrity.models import (
    MOST_KEPT,
    Change,
    CheckName,
    DropStatus,
    Finding,
    Inspection,
    Looked,
    MendEmail,
    PushNow,
)
from crm_relay.outreach.rebuild_metrics import rebuild_metrics
from crm_relay.platform.database import Row

BACKLOG = 100
"""The document's limit: more than these unsynced for longer than …"""

BACKLOG_AGE = timedelta(hours=1)
"""… this."""

_SETTLED = timedelta(hours=1)
_FORGOTTEN = timedelta(days=1)


def look_at_backlog(inspection: Inspection) -> Looked:
    """Edits that were made at the edge and have not reached PostgreSQL."""
    waiting = inspection.table.count_unsynced(older_than=inspection.clock() - BACKLOG_AGE)
    if waiting <= BACKLOG:
        return Looked()
    return Looked((Finding("emails", "backlog", "waits at the edge", {"waiting": waiting}, PushNow()),), 1)


def look_for_orphans(inspection: Inspection) -> Looked:
    """Outbound e-mails whose prospect does not exist."""
    return _looked(store.orphaned_emails(inspection.db, at_most=MOST_KEPT), _orphan)


def _orphan(row: Row) -> Finding:
    candidates = row["candidates"] or []
    if len(candidates) > 1:
        details = {"candidates": len(candidates)}
        return Finding("emails", str(row["id"]), "several prospects have the address", details, parked=True)
    values: dict[str, Any] = {"prospect_id": str(candidates[0])} if candidates else {"orphaned": True}
    change = Change(row["id"], row["version"], "linked" if candidates else "marked orphaned", values)
    return Finding("emails", str(row["id"]), "no prospect", {}, MendEmail(str(row["id"]), (change,)))


def look_for_duplicates(inspection: Inspection) -> Looked:
    """E-mails that have their message_id from an earlier one; the first of each group brings the merging along."""
    rows = store.duplicate_emails(inspection.db, at_most=MOST_KEPT)
    firsts = {row["kept_id"]: row["id"] for row in reversed(rows)}
    return _looked(rows, lambda row: _duplicate(row, merges=firsts[row["kept_id"]] == row["id"]))


def _duplicate(row: Row, *, merges: bool) -> Finding:
    mark = Change(row["id"], row["version"], "marked duplicate", {"duplicate_of": str(row["kept_id"])})
    merge = Change(row["kept_id"], row["kept_version"], "times merged", row["merged"])
    changes = (mark, merge) if merges and row["merged"] else (mark,)
    remedy = MendEmail(str(row["kept_id"]), changes)
    return Finding("emails", str(row["id"]), "same message_id", {"earliest": str(row["kept_id"])}, remedy)


def look_for_invalid_states(inspection: Inspection) -> Looked:
    """E-mails whose state contradicts itself, and sync states without a customer."""
    settled_before = inspection.clock() - _SETTLED
    emails = _looked(
        store.suspicious_emails(
            inspection.db, statuses=STATUSES, engaged=ENGAGED, settled_before=settled_before, at_most=MOST_KEPT
        ),
        _invalid,
    )
    strays = _looked(store.stray_statuses(inspection.db, at_most=MOST_KEPT), _stray)
    return Looked((emails.findings + strays.findings)[:MOST_KEPT], emails.total + strays.total)


def _invalid(row: Row) -> Finding:
    state = EmailState(**{name: row[name] for name in EmailState.__dataclass_fields__})
    values = implied_by_times(state)
    what = ", ".join(problems_of(state))
    if values is None:
        return Finding("emails", str(row["id"]), what, parked=True)
    change = Change(row["id"], row["version"], "state by its times", values)
    return Finding("emails", str(row["id"]), what, {"columns": sorted(values)}, MendEmail(str(row["id"]), (change,)))


def _stray(row: Row) -> Finding:
    customer = row["customer_id"]
    if row["is_shared"]:
        what = "sync status without a customer; its contact is another customer's"
        return Finding("mautic_sync_status", str(customer), what, parked=True)
    return Finding("mautic_sync_status", str(customer), "sync status without a customer", {}, DropStatus(customer))


def look_at_counters(inspection: Inspection) -> Looked:
    """EmailBison's counters of this month and the last against the log; mended by an operator's command alone."""
    now = inspection.clock()
    this, last = now.strftime("%Y-%m-01"), (now.replace(day=1) - timedelta(days=1)).strftime("%Y-%m-01")
    drift = {month: rebuild_metrics(inspection.db, month, dry_run=True) for month in (last, this)}
    found = [_counter(month, row) for month, rows in drift.items() for row in rows]
    return Looked(tuple(found[:MOST_KEPT]), len(found))


def _counter(month: str, row: Row) -> Finding:
    details = {"logged": row["logged"], "counted": row["counted"]}
    return Finding(
        "client_metrics", f"{row['workspace_name']} {month} {row['metric']}", "not the sum of its log", details
    )


def look_at_retention(inspection: Inspection) -> Looked:
    """Failed tasks that nobody has looked after for a day."""
    before = inspection.clock() - _FORGOTTEN
    return _looked(store.forgotten_tasks(inspection.db, before=before, at_most=MOST_KEPT), _forgotten)


def _forgotten(row: Row) -> Finding:
    return Finding("failed_tasks", str(row["id"]), "older than a day", {"source": row["source"]})


def _looked(rows: Sequence[Row], finding: Callable[[Row], Finding]) -> Looked:
    return Looked(tuple(finding(row) for row in rows), rows[0]["total"] if rows else 0)


LOOKS: Mapping[CheckName, Callable[[Inspection], Looked]] = {
    "backlog": look_at_backlog,
    "drift": look_for_drift,
    "orphaned_email": look_for_orphans,
    "duplicate_message": look_for_duplicates,
    "invalid_state": look_for_invalid_states,
    "counters": look_at_counters,
    "retention": look_at_retention,
}
