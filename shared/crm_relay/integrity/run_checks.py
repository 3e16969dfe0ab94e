"""One run over all checks: look, keep what was found, tell of it, and mend as far as may be."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from crm_relay.campaigns.watch.archive import archive_lines
from crm_relay.edge_cache.absent import NOT_INSTALLED, is_absent
from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import keep_open
from crm_relay.integrity import store
from crm_relay.integrity.decisions import leave_to_people, may_mend
from crm_relay.integrity.fix import Fixing, Numbered
from crm_relay.integrity.look import LOOKS
from crm_relay.integrity.models import (
    CHECKS,
    CheckName,
    CheckOrder,
    CheckReport,
    CheckResult,
    Finding,
    Inspection,
    Looked,
    PushNow,
)
from crm_relay.platform.errors import FatalError, RejectedInput, TransientError
from crm_relay.platform.parts import Parts

KEPT_FOR = timedelta(days=90)
APPROVAL = "integrity_approval"
"""The kind of incident that asks for somebody's word."""

_CHECK_SECONDS = 30.0
_OF_THE_EDGE: frozenset[CheckName] = frozenset({"backlog", "drift"})
_OF_ROOMS: dict[CheckName, str] = {"connections": "connections are not installed"}
"""Checks of a room of the same name, and what is said where it is left out: there nothing moves what they look at."""

_TITLES: dict[CheckName, str] = {
    "backlog": "E-mails have waited at the edge for more than an hour",
    "drift": "PostgreSQL and the edge cache differ",
    "parked": "Rows or edits are parked: one side has what the other cannot take",
    "orphaned_email": "E-mails without their prospect, or in no organization or another's",
    "duplicate_message": "The same message stands in several e-mails",
    "invalid_state": "States that cannot be",
    "accounting": "Steps of campaigns reached more or fewer people than their log has lines",
    "counters": "Counters are not the sum of their log",
    "retention": "Failed tasks are older than a day",
    "notifications": "Deliveries of notifications contradict their mail, their digest or their notification",
    "workflows": "Steps without their effect, or runs, requests and events that nothing moves",
    "connections": "Connected accounts that nothing syncs, or records and passes that have waited for too long",
}


def run_checks(inspection: Inspection, order: CheckOrder) -> CheckReport:
    """Every check, one after the other. A dry run tells what would be done and writes nothing, nowhere.

    Raises what stopped it, once that stands in the run's line. A check for which there is no time is told as unseen.
    """
    began, read_before = inspection.clock(), inspection.table.items_read
    inspection = replace(inspection, full=order.full, is_rehearsal=order.dry_run)
    run_id = None if order.dry_run else store.begin_run(inspection.db, order, began)
    results: list[CheckResult] = []
    archived = 0
    error: str | None = "not foreseen"
    try:
        # One by one, so that what was done before a failure is reported; a row that stops one check stops no other.
        parts = Parts()
        results.extend(_check_apart(parts, inspection, order, run_id, name) for name in CHECKS)
        if order.fix and run_id is not None:
            archived = archive_lines(inspection.db, inspection.clock(), inspection.deadline)
        error = "a check failed at a row"
        parts.raise_first()
        error = None
    except (TransientError, FatalError, RejectedInput) as problem:
        error = str(problem)
        raise
    finally:
        read = inspection.table.items_read - read_before
        report = CheckReport(run_id, began, read, tuple(results), error, archived)
        if run_id is not None:
            _finish(inspection, order, report, run_id)
    return report


def _finish(inspection: Inspection, order: CheckOrder, report: CheckReport, run_id: int) -> None:
    db, now = inspection.db, inspection.clock()
    stopped = any("time" in reason for result in report.results for reason in result.unseen.values())
    store.finish_run(
        db,
        run_id,
        status="failed" if report.error else "stopped" if stopped else "success",
        counts={each.check: each.as_counts() for each in report.results},
        items_read=report.items_read,
        error=report.error,
        now=now,
    )
    if report.error is None:
        keep_open(db, APPROVAL, [_question(name, rows) for name, rows in store.asking(db).items()], now)
        if order.fix:
            store.forget_old(db, now - KEPT_FOR)


def _check_apart(
    parts: Parts, inspection: Inspection, order: CheckOrder, run_id: int | None, name: CheckName
) -> CheckResult:
    done = parts.run(f"the check {name}", partial(_check, inspection, order, run_id, name))
    return done or CheckResult(name, 0, unseen={name: "the check failed at a row"})


def _check(inspection: Inspection, order: CheckOrder, run_id: int | None, name: CheckName) -> CheckResult:
    if name in _OF_THE_EDGE and is_absent(inspection.table):
        return CheckResult(name, 0, unseen={name: NOT_INSTALLED})
    if name in _OF_ROOMS and name in inspection.left_out:
        return CheckResult(name, 0, unseen={name: _OF_ROOMS[name]})
    if not inspection.deadline.allows(_CHECK_SECONDS):
        return CheckResult(name, 0, unseen={name: "the time was up"})
    looked = _without_reverted(inspection, name, LOOKS[name](inspection), approved=name in order.approved)
    result = CheckResult(name, looked.total, _fixable(looked), unseen=looked.unseen, findings=_shown(looked.findings))
    if run_id is None:
        return replace(result, asks=order.fix and not _may_mend(order, name, looked))
    now = inspection.clock()
    numbered = store.keep_findings(inspection.db, run_id, name, looked, now)
    _alert(inspection, name, looked, now)
    return _mend(inspection, order, run_id, result, looked, numbered) if order.fix else result


def _mend(
    inspection: Inspection,
    order: CheckOrder,
    run_id: int,
    result: CheckResult,
    looked: Looked,
    numbered: Sequence[Numbered],
) -> CheckResult:
    """Above the cap nothing of the check, but somebody is asked."""
    fixable = [(number, finding) for number, finding in numbered if finding.remedy is not None]
    if not _may_mend(order, result.check, looked):
        store.ask(inspection.db, [number for number, _ in fixable])
        return replace(result, asks=True)
    fixing = Fixing(inspection, run_id, result.check, order.ordered_by, result.check in order.approved)
    settled, doubtful = fixing.mend(fixable)
    if doubtful:
        store.ask(inspection.db, sorted(doubtful))
    return replace(result, fixed=len(settled), asks=bool(doubtful))


def _may_mend(order: CheckOrder, name: CheckName, looked: Looked) -> bool:
    """More findings than are kept count as mendable too: nobody has looked whether they are."""
    beyond = looked.total - len(looked.findings)
    return may_mend(_fixable(looked) + beyond, cap=order.cap, approved=name in order.approved)


def _fixable(looked: Looked) -> int:
    return sum(each.remedy is not None for each in looked.findings)


def _without_reverted(inspection: Inspection, name: CheckName, looked: Looked, *, approved: bool) -> Looked:
    if approved or not any(each.remedy for each in looked.findings):
        return looked
    reverted = store.reverted_rows(inspection.db, name, inspection.clock())
    return replace(looked, findings=tuple(_park(each, reverted) for each in looked.findings))


def _park(finding: Finding, reverted: set[tuple[str, str]]) -> Finding:
    if isinstance(finding.remedy, PushNow) or not leave_to_people(finding, reverted):
        return finding
    return replace(finding, remedy=None, parked=True, details={**finding.details, "was_reverted": True})


def _alert(inspection: Inspection, name: CheckName, looked: Looked, now: datetime) -> None:
    """Of what was found, mended or not; over when a complete look finds nothing."""
    kind = f"integrity_{name}"
    if looked.total:
        details = {"found": looked.total}
        keep_open(inspection.db, kind, [Incident(kind, name, _TITLES[name], details=details)], now)
    elif looked.is_complete:
        keep_open(inspection.db, kind, [], now)


def _question(name: str, rows: int) -> Incident:
    title = "More than may be mended unasked: look, then crm-relay integrity check --fix --approve"
    return Incident(APPROVAL, name, title, details={"rows": rows})


def _shown(findings: Sequence[Finding]) -> tuple[dict[str, object], ...]:
    return tuple(
        {
            "entity": each.entity,
            "row": each.row_id,
            "what": each.what,
            "mended_by": None if each.remedy is None else type(each.remedy).__name__,
        }
        | dict(each.details)
        for each in findings
    )
