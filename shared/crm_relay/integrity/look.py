"""The checks within PostgreSQL and of what waits at the edge: what each finds, and what would mend it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from crm_relay.campaigns.models import ENROLLMENT
from crm_relay.integrity import store
from crm_relay.integrity.compare_sides import look_for_drift
from crm_relay.integrity.connections.unsynced import contradicting_connections
from crm_relay.integrity.decisions import (
    ENGAGED,
    STATUSES,
    STUCK_AFTER,
    EmailState,
    EnrollmentState,
    fate_of_message,
    implied_by_log,
    implied_by_times,
    problems_of,
    problems_of_enrollment,
)
from crm_relay.integrity.models import (
    MOST_KEPT,
    CheckName,
    DropStatus,
    EmailChange,
    Finding,
    Inspection,
    Looked,
    MendEmail,
    MendEnrollment,
    PushNow,
    SettleLine,
)
from crm_relay.integrity.rebuild_totals import rebuild_totals
from crm_relay.integrity.workflows.unmoved import contradicting_workflows
from crm_relay.mail.models import Fate, Settled
from crm_relay.outreach.reporting.rebuild_metrics import rebuild_metrics
from crm_relay.platform.database import Queryable, Row

BACKLOG = 100
"""The document's limit: more than these unsynced for longer than …"""

BACKLOG_AGE = timedelta(hours=1)
"""… this."""

STRANDED = "waits for a message that is not on its way"
_SETTLED = timedelta(hours=1)
_RECENT = timedelta(days=7)
_FORGOTTEN = timedelta(days=1)


def look_at_backlog(inspection: Inspection) -> Looked:
    """Edits that were made at the edge and have not reached PostgreSQL."""
    waiting = inspection.table.count_unsynced(older_than=inspection.clock() - BACKLOG_AGE)
    if waiting <= BACKLOG:
        return Looked()
    return Looked((Finding("emails", "backlog", "waits at the edge", {"waiting": waiting}, PushNow()),), 1)


def look_at_parked(inspection: Inspection) -> Looked:
    """Rows and edits that one side could not take for an hour: until they are mended the sides differ."""
    before = inspection.clock() - STUCK_AFTER
    return _looked(store.long_parked(inspection.db, before=before, limit=MOST_KEPT), _parked)


def _parked(row: Row) -> Finding:
    return Finding(row["entity"], str(row["id"]), "parked", {"reasons": row["reasons"]})


def look_for_orphans(inspection: Inspection) -> Looked:
    """Outbound e-mails whose prospect does not exist, and e-mails that lie in no organization or in a wrong one."""
    orphans = _looked(store.orphaned_emails(inspection.db, limit=MOST_KEPT), _orphan)
    misplaced = _looked(store.misplaced_emails(inspection.db, limit=MOST_KEPT), _in_a_wrong_organization)
    known = {each.row_id for each in orphans.findings}
    rest = tuple(each for each in misplaced.findings if each.row_id not in known)
    return Looked(
        (*orphans.findings, *rest)[:MOST_KEPT], orphans.total + misplaced.total - len(misplaced.findings) + len(rest)
    )


def _in_a_wrong_organization(row: Row) -> Finding:
    """One that somebody has put into an organization on purpose is for a person."""
    what = "no organization" if row["is_nobodys"] else "another organization than its prospect's"
    if row["org_id"] is None or not (row["is_nobodys"] or row["is_by_default"]):
        return Finding("emails", str(row["id"]), what, parked=True)
    change = EmailChange(row["id"], row["version"], "moved to its organization", {"org_id": str(row["org_id"])})
    return Finding("emails", str(row["id"]), what, {}, MendEmail(str(row["id"]), (change,)))


def _orphan(row: Row) -> Finding:
    candidates = row["candidates"] or []
    if len(candidates) > 1:
        details = {"candidates": len(candidates)}
        return Finding("emails", str(row["id"]), "several prospects have the address", details, parked=True)
    values: dict[str, Any] = {"prospect_id": str(candidates[0])} if candidates else {"orphaned": True}
    change = EmailChange(row["id"], row["version"], "linked" if candidates else "marked orphaned", values)
    return Finding("emails", str(row["id"]), "no prospect", {}, MendEmail(str(row["id"]), (change,)))


def look_for_duplicates(inspection: Inspection) -> Looked:
    """E-mails that have their message_id from an earlier one; the first of each group brings the merging along."""
    rows = store.duplicate_emails(inspection.db, limit=MOST_KEPT)
    firsts = {row["kept_id"]: row["id"] for row in reversed(rows)}
    return _looked(rows, lambda row: _duplicate(row, merges=firsts[row["kept_id"]] == row["id"]))


def _duplicate(row: Row, *, merges: bool) -> Finding:
    mark = EmailChange(row["id"], row["version"], "marked duplicate", {"duplicate_of": str(row["kept_id"])})
    merge = EmailChange(row["kept_id"], row["kept_version"], "times merged", row["merged"])
    changes = (mark, merge) if merges and row["merged"] else (mark,)
    remedy = MendEmail(str(row["kept_id"]), changes)
    return Finding("emails", str(row["id"]), "same message_id", {"earliest": str(row["kept_id"])}, remedy)


def look_for_invalid_states(inspection: Inspection) -> Looked:
    """E-mails and enrollments whose state contradicts itself, and sync states without a customer."""
    settled_before = inspection.clock() - _SETTLED
    emails = _looked(
        store.suspicious_emails(
            inspection.db, statuses=STATUSES, engaged=ENGAGED, settled_before=settled_before, limit=MOST_KEPT
        ),
        _invalid,
    )
    strays = _looked(store.stray_statuses(inspection.db, limit=MOST_KEPT), _stray)
    enrollments = _looked(store.suspicious_enrollments(inspection.db, limit=MOST_KEPT), _misplaced)
    lines = _looked(stranded_lines(inspection.db, inspection.clock()), _stranded)
    looks = (emails, strays, enrollments, lines)
    found = tuple(finding for each in looks for finding in each.findings)
    return Looked(found[:MOST_KEPT], sum(each.total for each in looks))


def stranded_lines(db: Queryable, now: datetime) -> list[Row]:
    """Steps that have waited for an hour for a message that is not on its way, for the doctor too."""
    return store.stranded_lines(db, settled_before=now - _SETTLED, limit=MOST_KEPT)


def _stranded(row: Row) -> Finding:
    fate = fate_of_message(row["status"])
    reason = row["reason"] if fate in {Fate.REFUSED, Fate.FAILED, Fate.DRY_RUN} else None
    message = row["message_id"] or row["id"]
    settled = Settled(message, fate, reason, ENROLLMENT, row["enrollment_id"], row["sequence_id"])
    details = {"channel": row["channel"], "message": row["status"] or "missing"}
    what = "waits for a message that is not on its way"
    return Finding(
        "campaign_sequence_logs", str(row["id"]), what, details, SettleLine(row["id"], row["channel"], settled)
    )


def _invalid(row: Row) -> Finding:
    state = EmailState(**{name: row[name] for name in EmailState.__dataclass_fields__})
    values = implied_by_times(state)
    what = ", ".join(problems_of(state))
    if values is None:
        return Finding("emails", str(row["id"]), what, parked=True)
    change = EmailChange(row["id"], row["version"], "state by its times", values)
    return Finding("emails", str(row["id"]), what, {"columns": sorted(values)}, MendEmail(str(row["id"]), (change,)))


def _stray(row: Row) -> Finding:
    customer = row["customer_id"]
    if row["is_shared"]:
        what = "sync status without a customer; its contact is another customer's"
        return Finding("mautic_sync_status", str(customer), what, parked=True)
    return Finding("mautic_sync_status", str(customer), "sync status without a customer", {}, DropStatus(customer))


def _misplaced(row: Row) -> Finding:
    state = EnrollmentState(**{name: row[name] for name in EnrollmentState.__dataclass_fields__})
    values, what = implied_by_log(state), ", ".join(problems_of_enrollment(state))
    if values is None:
        return Finding("campaign_enrollments", str(row["id"]), what, parked=True)
    seen = {"status": state.status, "current_step": state.current_step, "next_step_at": row["due"]}
    remedy = MendEnrollment(row["id"], "state by its log", seen, values)
    return Finding("campaign_enrollments", str(row["id"]), what, {"columns": sorted(values)}, remedy)


def look_at_accounting(inspection: Inspection) -> Looked:
    """What each step of a campaign reached against the lines of its log; nobody can tell which of both is wrong."""
    return _looked(store.unbalanced_steps(inspection.db, limit=MOST_KEPT), _unbalanced)


def _unbalanced(row: Row) -> Finding:
    columns = ("step_number", "reached", "sent", "skipped", "failed", "pending", "stopped")
    details = {"campaign": str(row["campaign_id"])} | {name: row[name] for name in columns}
    return Finding("campaign_sequences", str(row["sequence_id"]), "reached is not the sum of its log", details)


def look_at_counters(inspection: Inspection) -> Looked:
    """EmailBison's counters of this month and the last against the log, and the totals of campaigns.

    Both are mended by an operator's command alone.
    """
    now = inspection.clock()
    this, last = now.strftime("%Y-%m-01"), (now.replace(day=1) - timedelta(days=1)).strftime("%Y-%m-01")
    drift = {month: rebuild_metrics(inspection.db, month, dry_run=True) for month in (last, this)}
    totals = rebuild_totals(inspection.db, dry_run=True)
    found = [_counter(month, row) for month, rows in drift.items() for row in rows] + [_total(row) for row in totals]
    return Looked(tuple(found[:MOST_KEPT]), len(found))


def _counter(month: str, row: Row) -> Finding:
    details = {"logged": row["logged"], "counted": row["counted"]}
    return Finding(
        "client_metrics", f"{row['workspace_name']} {month} {row['metric']}", "not the sum of its log", details
    )


def _total(row: Row) -> Finding:
    details = {"logged": row["logged"], "counted": row["counted"]}
    return Finding("campaigns", f"{row['campaign_id']} {row['total']}", "not what its rows say", details)


def look_at_retention(inspection: Inspection) -> Looked:
    """Failed tasks that nobody has looked after for a day."""
    before = inspection.clock() - _FORGOTTEN
    return _looked(store.forgotten_tasks(inspection.db, before=before, limit=MOST_KEPT), _forgotten)


def _forgotten(row: Row) -> Finding:
    return Finding("failed_tasks", str(row["id"]), "older than a day", {"source": row["source"]})


def look_at_notifications(inspection: Inspection) -> Looked:
    """Deliveries that contradict the ledger of mail, their digest or what the notification shows; and unread counts."""
    settled_before = inspection.clock() - _SETTLED
    rows = store.contradicting_notifications(inspection.db, settled_before=settled_before, limit=MOST_KEPT)
    counts = store.differing_unread_counts(inspection.db, since=settled_before - _RECENT, limit=MOST_KEPT)
    contradictions, miscounted = _looked(rows, _contradicting), _looked(counts, _miscounted)
    both = (*contradictions.findings, *miscounted.findings)
    return Looked(both[:MOST_KEPT], contradictions.total + miscounted.total)


def look_at_workflows(inspection: Inspection) -> Looked:
    """What workflow_cron repairs by itself and has not for an hour, and steps without their effect."""
    settled_before = inspection.clock() - _SETTLED
    rows = contradicting_workflows(inspection.db, settled_before=settled_before, limit=MOST_KEPT)
    return _looked(rows, _contradicting)


def look_at_connections(inspection: Inspection) -> Looked:
    """What integration_sync moves by itself every quarter of an hour, and has not for an hour."""
    now = inspection.clock()
    rows = contradicting_connections(inspection.db, now=now, settled_before=now - _SETTLED, limit=MOST_KEPT)
    return _looked(rows, _contradicting)


def _miscounted(row: Row) -> Finding:
    numbers = {"shown": row["shown"], "unread": row["unread"]}
    return Finding("user_profiles", str(row["user_id"]), "another number of unread notifications is shown", numbers)


def _contradicting(row: Row) -> Finding:
    return Finding(row["entity"], str(row["id"]), row["what"], {"state": row["state"], "other": row["other"]})


def _looked(rows: Sequence[Row], finding: Callable[[Row], Finding]) -> Looked:
    return Looked(tuple(finding(row) for row in rows), rows[0]["total"] if rows else 0)


LOOKS: Mapping[CheckName, Callable[[Inspection], Looked]] = {
    "backlog": look_at_backlog,
    "drift": look_for_drift,
    "parked": look_at_parked,
    "orphaned_email": look_for_orphans,
    "duplicate_message": look_for_duplicates,
    "invalid_state": look_for_invalid_states,
    "accounting": look_at_accounting,
    "counters": look_at_counters,
    "retention": look_at_retention,
    "notifications": look_at_notifications,
    "workflows": look_at_workflows,
    "connections": look_at_connections,
}
