"""The sync's SQL: windows of changed customers in, outcomes out; a constant number of statements a batch."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.consent.person import Person
from crm_relay.customers.decisions import Shrinkage
from crm_relay.customers.models import AuditFinding, Customer, Drift, HookGap, SyncOutcome, SyncReport
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Json, queries_beside
from crm_relay.providers.mautic.mapping import MAPPING_VERSION

_SQL = queries_beside(__file__)
WINDOW = 4000
"""Lines of the dirty list that one statement reads: enough for full batches, little enough for memory."""

BULK_LINES = 2000
"""Lines of bulk changes, of up to 120 customers each, that one statement spreads over the dirty list."""

PAGE = 5000
"""Customers that one statement of the full comparison compares."""


@dataclass(frozen=True)
class NoteWindow:
    """The customers of one window that have something open; `last_note` is where the next window begins."""

    customers: list[Customer]
    last_note: int
    is_last: bool


def read_changed(db: Queryable, *, after_note: int, now: datetime, consume: bool = True) -> NoteWindow:
    """One window of what changed. `consume` False leaves even the lines about unchanged customers (dry run)."""
    rows = _read(db, after_note=after_note, window=WINDOW, now=now, consume=consume, only=[])
    customers = [_customer(row) for row in rows if row["id"] is not None]
    return NoteWindow(customers, rows[0]["last_note"], is_last=rows[0]["notes_read"] < WINDOW)


def read_customers(db: Queryable, customer_ids: Sequence[UUID], now: datetime) -> list[Customer]:
    """These customers as a run would see them, changed or not; one that does not exist comes as such."""
    rows = _read(db, after_note=0, window=0, now=now, consume=False, only=list(customer_ids))
    wanted = set(customer_ids)
    return [_customer(row) for row in rows if row["id"] in wanted]


def unmuted_holders(db: Queryable, addresses: Iterable[str]) -> list[Row]:
    """address, customer_id, org_id: whose ledger knows nothing of these addresses; customer_id None: nobody has it."""
    return db.run(_SQL["unmuted_holders"], addresses=sorted(addresses))


def organizations_of(db: Queryable, addresses: Iterable[str]) -> list[tuple[str, UUID]]:
    """Each of these addresses with every organization whose customers have it, else with the installation's own."""
    rows = db.run(_SQL["organizations_of"], addresses=sorted(addresses))
    return [(row["address"], row["org_id"]) for row in rows]


def muted_holders(db: Queryable, addresses: Iterable[str]) -> list[tuple[str, UUID]]:
    """Each of these addresses with every customer whose address it is and who may get no mail."""
    rows = db.run(_SQL["muted_holders"], addresses=sorted(addresses))
    return [(row["address"], row["customer_id"]) for row in rows]


def were_ever_customers(db: Queryable, customer_ids: Sequence[UUID]) -> dict[UUID, bool]:
    """Of these ids those that are or were customers here -> whether they still are; no ids, no statement."""
    if not customer_ids:
        return {}
    rows = db.run(_SQL["were_ever_customers"], ids=sorted(customer_ids))
    return {row["customer_id"]: row["is_living"] for row in rows}


def stamp_opt_outs(db: Queryable, customer_ids: Sequence[UUID], in_person: Sequence[UUID], now: datetime) -> None:
    """They have opted out, `in_person` by themselves, so that their own column says it too; none for nobody."""
    if customer_ids:
        db.run(_SQL["stamp_customers"], ids=list(customer_ids), in_person=list(in_person), now=now)


def find_customers(
    db: Queryable, *, address: str | None, customer_id: UUID | None, contact_id: int | None
) -> list[UUID]:
    """Customers that one of these means."""
    rows = db.run(_SQL["find_customers"], address=address, customer_id=customer_id, contact_id=contact_id)
    return [row["customer_id"] for row in rows]


def status_of(db: Queryable, customer_ids: Sequence[UUID]) -> dict[UUID, Row]:
    """The status rows' columns for the operator; a customer without one is left out."""
    return {row.pop("customer_id"): row for row in db.run(_SQL["status_of"], customer_ids=list(customer_ids))}


def known_by(db: Queryable, customer_ids: Sequence[UUID]) -> dict[UUID, Row]:
    """Addresses, phones, open_notes and former_contacts of each; a customer who was deleted is left out."""
    return {row["customer_id"]: row for row in db.run(_SQL["known_by"], customer_ids=list(customer_ids))}


def removals_of(db: Queryable, *, contact_id: int | None, customer_ids: Sequence[UUID]) -> list[Row]:
    """Contacts of deleted customers, of which Mautic has not been told yet."""
    return db.run(_SQL["removals_of"], contact_id=contact_id, customer_ids=list(customer_ids))


def forget_drifted(db: Queryable, findings: Sequence[AuditFinding]) -> None:
    """Let the next run write these customers again, from the memberships that were found."""
    rows = {
        str(each.customer_id): {
            "customer_id": str(each.customer_id),
            "is_deleted": each.drift is Drift.DELETED,
            "is_unmuted": each.drift is Drift.MAILABLE_DUPLICATE,
            "memberships": None if each.memberships is None else sorted(each.memberships),
        }
        for each in sorted(findings, key=lambda each: each.memberships is not None)
        if each.customer_id is not None
    }
    if rows:
        db.run(_SQL["drifted"], findings=Json(list(rows.values())))


def request_removals(db: Queryable, findings: Sequence[AuditFinding]) -> None:
    """Let the next run mute, delete or empty these contacts."""
    rows = [{"contact_id": each.contact_id, "customer_id": str(each.customer_id)} for each in findings]
    if rows:
        db.run(_SQL["request_removals"], strangers=Json(rows))


def departed(db: Queryable, customer_ids: Sequence[UUID]) -> frozenset[UUID]:
    """Those of these ids that were customers here and are not any more; without ids no statement is sent."""
    if not customer_ids:
        return frozenset()
    return frozenset(row["customer_id"] for row in db.run(_SQL["departed"], ids=list(customer_ids)))


def confirmed_contacts(db: Queryable) -> Iterator[tuple[UUID, int]]:
    """Customer and contact of everything that Mautic has confirmed, in the order of contact ids."""
    after, size = 0, PAGE
    while True:
        rows = db.run(_SQL["confirmed_contacts"], after=after, size=size)
        yield from ((row["customer_id"], row["mautic_contact_id"]) for row in rows)
        if len(rows) < size:
            return
        after = rows[-1]["mautic_contact_id"]


def record_outcomes(db: Queryable, outcomes: Sequence[SyncOutcome], now: datetime) -> None:
    """Remember what became of these customers. Safe to call twice."""
    if outcomes:
        db.run(_SQL["record_outcomes"], outcomes=Json([_as_json(each) for each in outcomes]), now=now)


def clear_notes(db: Queryable, notes: Sequence[int]) -> None:
    """Strike lines of the dirty list that need no outcome."""
    if notes:
        db.run(_SQL["clear_notes"], notes=list(notes))


def mark_differing(db: Queryable, after: UUID | None) -> tuple[UUID | None, int]:
    """Compare one page of customers behind `after`; returns where the next page begins (None at the end) and how many
    were put on the dirty list."""
    row = db.run(_SQL["mark_differing"], after=after or UUID(int=0), size=PAGE, mapping_version=MAPPING_VERSION)[0]
    return (row["last_id"] if row["read"] == PAGE else None), row["marked"]


def spread_bulk_notes(db: Queryable) -> None:
    """Put who was changed by bulk statements onto the dirty list, where windows are read from. Safe to interrupt."""
    while db.run(_SQL["spread_bulk_notes"], lines=BULK_LINES)[0]["lines"] == BULK_LINES:
        pass


def look_ahead(db: Queryable) -> tuple[Shrinkage, int | None]:
    """What this run would take away, and the batch size with which the last one ended (None: there was none).

    The second statement is sent only where something is to be taken away.
    """
    row = db.run(_SQL["look_ahead"])[0]
    known = known_contacts(db) if row["vanishing"] else 0
    shrinkage = Shrinkage(customers=row["customers"], known=known + row["vanishing"], vanishing=row["vanishing"])
    return shrinkage, row["batch_size"]


def due_removals(db: Queryable, now: datetime, size: int) -> list[tuple[int, int]]:
    """Contact ids of deleted customers whose turn it is, with the attempts so far."""
    return [(row["mautic_contact_id"], row["attempts"]) for row in db.run(_SQL["due_removals"], now=now, size=size)]


def record_removals(db: Queryable, outcomes: Iterable[tuple[int, str | None, datetime | None]]) -> None:
    """(contact id, error, next attempt) each; without an error the removal is done."""
    rows = [{"contact_id": contact, "error": error, "next_attempt_at": at} for contact, error, at in outcomes]
    if rows:
        db.run(_SQL["record_removals"], outcomes=Json(rows))


def known_contacts(db: Queryable) -> int:
    """How many contacts Mautic has of ours."""
    return int(db.run(_SQL["known_contacts"])[0]["known"])


def log_run(db: Queryable, report: SyncReport, finished_at: datetime, batch_size: int) -> None:
    """One line in mautic_sync_logs."""
    details: list[object] = [*report.errors, *([{"stopped": report.stopped}] if report.stopped else [])]
    if report.audit is not None and report.audit["findings"]:
        details.append({"audit": report.audit["findings"]})
    db.run(
        _SQL["log_run"],
        started_at=report.started_at,
        finished_at=finished_at,
        synced=report.synced,
        created=report.created,
        updated=report.updated,
        failed=len(report.failures),
        segments=report.segments,
        details=Json(details) if details else None,
        batch_size=batch_size,
    )


def person_of(db: Queryable, *, address: str | None, customer_ids: Sequence[UUID], limit: int) -> Person:
    """Everybody who shares an address with these, `limit` customers, and all by which they are known."""
    row = db.run(_SQL["person_of"], address=address, customer_ids=list(customer_ids), limit=limit)[0]
    return Person(**{name: frozenset(values) for name, values in row.items()})


def count_person(db: Queryable, customer_ids: Iterable[UUID]) -> Row:
    """Table -> rows."""
    return db.run(_SQL["count_person"], ids=list(customer_ids))[0]


def forget_contacts(db: Queryable, customer_ids: Iterable[UUID]) -> None:
    """Their contacts are gone from Mautic. Safe to call twice."""
    db.run(_SQL["forget_contacts"], ids=list(customer_ids))


def delete_customers(db: Queryable, customer_ids: Iterable[UUID]) -> None:
    """With everything that the sync has noted about them. Safe to call twice."""
    db.run(_SQL["delete_customers"], ids=list(customer_ids))
    db.run(_SQL["delete_traces"], ids=list(customer_ids))


def open_gap(db: Queryable, now: datetime, last_received: datetime | None) -> None:
    """Remember that Mautic's webhook is off or missing; a gap that is open already goes on, to be read again."""
    db.run(_SQL["open_gap"], now=now, last_received=last_received)


def see_hook_on(db: Queryable, now: datetime) -> HookGap | None:
    """Remember that the webhook is on; returns the gap that is still to be read, None where there is none."""
    row = db.run(_SQL["see_hook_on"], now=now)[0]
    return None if row["gap_from"] is None else HookGap(**row)


def keep_gap(db: Queryable, *, opens_after: int | None, clicks_after: int | None, contacts_read: bool = False) -> None:
    """Remember how far the gap was read. Safe to call twice."""
    db.run(_SQL["keep_gap"], contacts_read=contacts_read, opens_after=opens_after, clicks_after=clicks_after)


def close_gap(db: Queryable) -> None:
    """Nothing of it is left to be read. Safe to call twice."""
    db.run(_SQL["close_gap"])


def _read(db: Queryable, *, after_note: int, window: int, now: datetime, consume: bool, only: list[UUID]) -> list[Row]:
    return db.run(
        _SQL["read_changed"],
        after_note=after_note,
        window=window,
        now=now,
        mapping_version=MAPPING_VERSION,
        consume=consume,
        only=only,
    )


def _customer(row: Row) -> Customer:
    return Customer(
        customer_id=row["id"],
        exists=row["found"],
        known=row["known"],
        notes=tuple(row["notes"]),
        owner_id=row["owner_id"],
        kept_contact_id=row["kept_contact_id"],
        source=row,
        contact_id=row["mautic_contact_id"],
        sync_hash=row["sync_hash"],
        current_hash=row["current_hash"] or "",
        attempts=row["attempts"],
        segments=frozenset(row["known_segments"]),
        segments_settled=row["segments_settled"],
        dnc_reason=row["known_dnc_reason"],
        left_out=tuple(row["left_out"] or ()),
    )


def _as_json(outcome: SyncOutcome) -> dict[str, object]:
    return {
        **asdict(outcome),
        "notes": list(outcome.notes),
        "segments": sorted(outcome.segments),
        "left_out": list(outcome.left_out),
    }
