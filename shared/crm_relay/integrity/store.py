"""The room's SQL, and nothing else's."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.edge_cache.keys import Entity
from crm_relay.integrity.models import CheckName, CheckOrder, Finding, Fingerprint, Looked
from crm_relay.platform.database import Queryable, Row, Transaction
from crm_relay.platform.sql import Json, queries_beside

_SQL = queries_beside(__file__)


def begin_run(db: Queryable, order: CheckOrder, now: datetime) -> int:
    """Its number."""
    rows = db.run(_SQL["begin_run"], ordered_by=order.ordered_by, is_full=order.full, is_fix=order.fix, now=now)
    return int(rows[0]["id"])


def finish_run(
    db: Queryable,
    run_id: int,
    *,
    status: str,
    counts: Mapping[str, object],
    items_read: int,
    error: str | None,
    now: datetime,
) -> None:
    """`error` is one of our own messages."""
    db.run(
        _SQL["finish_run"], id=run_id, status=status, counts=Json(counts), items_read=items_read, error=error, now=now
    )


def left_out(db: Queryable, entity: Entity, *, mark: datetime, now: datetime, limit: int) -> set[UUID]:
    """Rows that cannot be compared now."""
    rows = db.run(_SQL["left_out"], entity=entity, mark=mark, now=now, limit=limit)
    return {row["id"] for row in rows}


def digests(db: Queryable, entity: Entity, skipped: Collection[UUID]) -> dict[int, int]:
    """Bucket -> sum; a bucket without rows is left out."""
    rows = db.run(_SQL["digests"], entity=entity, left_out=list(skipped))
    return {row["bucket"]: int(row["total"]) for row in rows}


def bucket_rows(db: Queryable, entity: Entity, buckets: Sequence[int]) -> dict[UUID, Fingerprint]:
    """All rows of these buckets."""
    rows = db.run(_SQL["bucket_rows"], entity=entity, buckets=list(buckets))
    return {row["id"]: Fingerprint(row["version"], row["content"]) for row in rows}


def look_again(db: Queryable, entity: Entity, ids: Sequence[UUID]) -> dict[UUID, Fingerprint | None]:
    """As they are now, None for one that does not exist; what has come to be on its way is left out."""
    return {
        row["id"]: None if row["version"] is None else Fingerprint(row["version"], row["content"])
        for row in db.run(_SQL["look_again"], entity=entity, ids=list(ids))
        if not row["is_on_its_way"]
    }


def orphaned_emails(db: Queryable, *, limit: int) -> list[Row]:
    """id, version, total, candidates (prospects with the address, None: nobody)."""
    return db.run(_SQL["orphaned_emails"], limit=limit)


def long_parked(db: Queryable, *, before: datetime, limit: int) -> list[Row]:
    """entity, id, reasons (direction -> reason), total."""
    return db.run(_SQL["long_parked"], before=before, limit=limit)


def misplaced_emails(db: Queryable, *, limit: int) -> list[Row]:
    """id, version, total, is_nobodys, is_by_default (of the default organization), org_id (where it belongs)."""
    return db.run(_SQL["misplaced_emails"], limit=limit)


def duplicate_emails(db: Queryable, *, limit: int) -> list[Row]:
    """id, version, total, kept_id, kept_version, merged (columns of the kept one that change)."""
    return db.run(_SQL["duplicate_emails"], limit=limit)


def suspicious_emails(
    db: Queryable, *, statuses: Sequence[str], engaged: Sequence[str], settled_before: datetime, limit: int
) -> list[Row]:
    """id, version, total, and the fields of EmailState."""
    return db.run(
        _SQL["suspicious_emails"],
        statuses=list(statuses),
        engaged=list(engaged),
        settled_before=settled_before,
        limit=limit,
    )


def stray_statuses(db: Queryable, *, limit: int) -> list[Row]:
    """customer_id, total, is_shared."""
    return db.run(_SQL["stray_statuses"], limit=limit)


def suspicious_enrollments(db: Queryable, *, limit: int) -> list[Row]:
    """id, total, due (next_step_at as JSON has it), and the fields of EnrollmentState."""
    return db.run(_SQL["suspicious_enrollments"], limit=limit)


def stranded_lines(db: Queryable, *, settled_before: datetime, limit: int) -> list[Row]:
    """id, total, enrollment_id, sequence_id, channel, and the message's id, status and reason, None without one."""
    return db.run(_SQL["stranded_lines"], settled_before=settled_before, limit=limit)


def unbalanced_steps(db: Queryable, *, limit: int) -> list[Row]:
    """Of campaign_step_accounting what does not hold, and total."""
    return db.run(_SQL["unbalanced_steps"], limit=limit)


def total_drift(db: Queryable) -> list[Row]:
    """campaign_id, total (the name of the column), counted, logged."""
    return db.run(_SQL["total_drift"])


def correct_totals(db: Queryable, differences: Sequence[Mapping[str, Any]]) -> None:
    """Each with campaign_id and what is to be added to which total."""
    db.run(_SQL["correct_totals"], differences=Json(list(differences)))


def forgotten_tasks(db: Queryable, *, before: datetime, limit: int) -> list[Row]:
    """id, source, total."""
    return db.run(_SQL["forgotten_tasks"], before=before, limit=limit)


def contradicting_notifications(db: Queryable, *, settled_before: datetime, limit: int) -> list[Row]:
    """entity, id, what, state, other, total; of what has not changed since `settled_before`."""
    return db.run(_SQL["contradicting_notifications"], settled_before=settled_before, limit=limit)


def differing_unread_counts(db: Queryable, *, since: datetime, limit: int) -> list[Row]:
    """user_id, shown (the application's count), unread (rows) and total, of people with notifications since then."""
    return db.run(_SQL["differing_unread_counts"], since=since, limit=limit)


def reverted_rows(db: Queryable, check: CheckName, now: datetime) -> set[tuple[str, str]]:
    """(entity, row id) of what somebody took back lately."""
    return {(row["entity"], row["row_id"]) for row in db.run(_SQL["reverted_rows"], check_name=check, now=now)}


def keep_findings(
    db: Queryable, run_id: int, check: CheckName, looked: Looked, now: datetime
) -> list[tuple[int, Finding]]:
    """Each with its number. What stood before and was not found now is gone, as far as all was looked at."""
    given = [
        {
            "entity": each.entity,
            "row_id": each.row_id,
            "what": each.what,
            "details": dict(each.details),
            "status": "parked" if each.parked else "open",
        }
        for each in looked.findings
    ]
    rows = db.run(
        _SQL["keep_findings"],
        run_id=run_id,
        check_name=check,
        findings=Json(given),
        is_whole=looked.total <= len(looked.findings),
        unseen=list(looked.unseen),
        now=now,
    )
    numbers = {(row["entity"], row["row_id"]): row["id"] for row in rows}
    return [(numbers[each.entity, each.row_id], each) for each in looked.findings]


def ask(db: Queryable, ids: Sequence[int]) -> None:
    """Somebody has to say that these may be mended."""
    db.run(_SQL["ask"], ids=list(ids))


def asking(db: Queryable) -> dict[str, int]:
    """Check -> rows that wait for somebody's word."""
    return {row["check_name"]: row["rows"] for row in db.run(_SQL["asking"])}


def leave_time(db: Queryable) -> None:
    """For the rest of the transaction `updated_at` stays what it is."""
    db.run(_SQL["leave_time"])


def fix_emails(
    db: Queryable, run_id: int, check: CheckName, fixes: Sequence[Mapping[str, Any]], who: str, now: datetime
) -> set[int]:
    """The findings that were settled."""
    rows = db.run(_SQL["fix_emails"], run_id=run_id, check_name=check, fixes=Json(list(fixes)), who=who, now=now)
    return {row["id"] for row in rows}


def drop_statuses(
    db: Queryable, run_id: int, check: CheckName, fixes: Sequence[Mapping[str, Any]], who: str, now: datetime
) -> set[int]:
    """The findings that were settled."""
    rows = db.run(_SQL["drop_statuses"], run_id=run_id, check_name=check, fixes=Json(list(fixes)), who=who, now=now)
    return {row["id"] for row in rows}


def fix_enrollments(
    db: Queryable, run_id: int, check: CheckName, fixes: Sequence[Mapping[str, Any]], who: str, now: datetime
) -> set[int]:
    """The findings that were settled."""
    rows = db.run(_SQL["fix_enrollments"], run_id=run_id, check_name=check, fixes=Json(list(fixes)), who=who, now=now)
    return {row["id"] for row in rows}


def lock_lines(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, Row]:
    """Line -> `state`: its status and where its enrollment stands; those that still wait, behind their locks."""
    *_, rows = tx.send_all([_SQL["lock_lines"].bind(ids=list(ids)), _SQL["lines"].bind(ids=list(ids))])
    return {row["id"]: row for row in rows if row["state"]["line"]["status"] == "pending"}


def lines(db: Queryable, ids: Sequence[UUID]) -> dict[UUID, Row]:
    """The same, whatever they are by now."""
    return {row["id"]: row for row in db.run(_SQL["lines"], ids=list(ids))}


def undo_lines(db: Queryable, ids: Sequence[int], who: str, now: datetime) -> set[int]:
    """The fixes that were taken back."""
    return {row["id"] for row in db.run(_SQL["undo_lines"], ids=list(ids), who=who, now=now)}


def touch(db: Queryable, entity: Entity, ids: Sequence[UUID]) -> dict[UUID, int]:
    """The new versions; a row that does not exist any more is left out."""
    return {row["id"]: row["version"] for row in db.run(_SQL["touch"], entity=entity, ids=list(ids))}


def note_deletions(db: Queryable, entity: Entity, ids: Sequence[UUID]) -> dict[UUID, int]:
    """Versions for their tombstones."""
    return {row["id"]: row["version"] for row in db.run(_SQL["note_deletions"], entity=entity, ids=list(ids))}


def log_fixes(
    db: Queryable, run_id: int, check: CheckName, fixes: Sequence[Mapping[str, Any]], who: str, now: datetime
) -> dict[int, int]:
    """Finding -> fix."""
    rows = db.run(_SQL["log_fixes"], run_id=run_id, check_name=check, fixes=Json(list(fixes)), who=who, now=now)
    return {row["finding_id"]: row["id"] for row in rows}


def confirm_fixes(db: Queryable, ids: Sequence[int], now: datetime) -> None:
    """They have taken effect. Safe to call twice."""
    db.run(_SQL["confirm_fixes"], ids=list(ids), now=now)


def fixes_to_revert(db: Queryable, *, fix_id: int | None, run_id: int | None, tried: Sequence[int]) -> list[Row]:
    """id, check_name, entity, row_id, action, before, after (both as JSON text); of each row the latest fix."""
    return db.run(_SQL["fixes_to_revert"], fix_id=fix_id, run_id=run_id, tried=list(tried))


def undo_emails(db: Queryable, ids: Sequence[int], who: str, now: datetime) -> set[int]:
    """The fixes that were taken back."""
    return {row["id"] for row in db.run(_SQL["undo_emails"], ids=list(ids), who=who, now=now)}


def undo_statuses(db: Queryable, ids: Sequence[int], who: str, now: datetime) -> set[int]:
    """The fixes that were taken back."""
    return {row["id"] for row in db.run(_SQL["undo_statuses"], ids=list(ids), who=who, now=now)}


def undo_enrollments(db: Queryable, ids: Sequence[int], who: str, now: datetime) -> set[int]:
    """The fixes that were taken back."""
    return {row["id"] for row in db.run(_SQL["undo_enrollments"], ids=list(ids), who=who, now=now)}


def mark_reverted(db: Queryable, ids: Sequence[int], who: str, now: datetime) -> set[int]:
    """Those that were not marked before."""
    return {row["id"] for row in db.run(_SQL["mark_reverted"], ids=list(ids), who=who, now=now)}


def forget_old(db: Queryable, before: datetime) -> None:
    """Runs, closed findings and fixes. Safe to call twice."""
    db.run(_SQL["forget_old"], before=before)


def erase_fixes(db: Queryable, marks: Sequence[str]) -> int:
    """How many were emptied."""
    return len(db.run(_SQL["erase_fixes"], marks=list(marks)))


def count_fixes(db: Queryable, marks: Sequence[str]) -> int:
    """How many would be."""
    return int(db.run(_SQL["count_fixes"], marks=list(marks))[0]["fixes"])
