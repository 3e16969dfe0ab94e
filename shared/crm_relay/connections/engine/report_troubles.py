"""What a sync found wrong or mended, as incidents and holds."""

from collections.abc import Sequence
from datetime import datetime

from crm_relay.connections import trouble
from crm_relay.connections.decisions import worst
from crm_relay.connections.engine.sync_stream import StreamReport
from crm_relay.connections.store import ConnectionRow
from crm_relay.platform.database import Database, Queryable

_WORKED = {"none", "partial", "stream"}


def report_troubles(
    db: Database,
    row: ConnectionRow,
    reports: Sequence[StreamReport],
    status: str,
    reason: str | None,
    now: datetime,
) -> None:
    """`row`: as it was before the run; `status`: as it is now. No statement where all is well and was."""
    failure = worst([each.failure for each in reports])
    if status == "error" and failure == "failure":
        trouble.report(db, row, trouble.FAILING, reason or "", now)
    if failure == "reconnect":
        trouble.report(db, row, trouble.RECONNECT, reason or "", now)
    was_wrong = bool(row.error_count) or row.status == "error" or row.held_for is not None
    if failure in _WORKED and was_wrong:
        trouble.is_over(db, row, [trouble.FAILING, trouble.RECONNECT], now)
    _ask(db, row, [each for each in reports if each.needs_confirmation is not None], now)
    for each in reports:
        _report_stream(db, row, each, now)


def _ask(db: Database, row: ConnectionRow, asking: Sequence[StreamReport], now: datetime) -> None:
    """One yes is for all of them, so all of them are shown."""
    if not asking:
        return
    reasons = {each.stream: each.needs_confirmation.reason for each in asking if each.needs_confirmation is not None}
    consequences = {each.stream: [each.asks] for each in asking}
    details = {"consequences": consequences, "reasons": reasons}
    trouble.hold(db, row, "confirmation", details, "; ".join(reasons.values()), now)


def _report_stream(db: Queryable, row: ConnectionRow, report: StreamReport, now: datetime) -> None:
    if report.has_stopped:
        trouble.report(db, row, trouble.STREAM, report.errors[-1], now, report.stream)
    elif report.was_stopped:
        trouble.is_over(db, row, [trouble.STREAM], now, report.stream)
    compared = report.comparison
    if compared is None:
        return
    if not compared.is_equal:
        trouble.report(db, row, trouble.DRIFT, f"{compared.differing_count} record(s) differ", now, report.stream)
    elif report.differed:
        trouble.is_over(db, row, [trouble.DRIFT], now, report.stream)
