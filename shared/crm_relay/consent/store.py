"""The ledger's SQL, and nothing else's."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from crm_relay.consent.models import ConsentChannel, ConsentEntry, ConsentEvent, ConsentKind
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Json, Statement, queries_beside

_SQL = queries_beside(__file__)
_PAGE_SIZE = 2000


def insert_events(db: Queryable, events: Sequence[ConsentEvent]) -> int:
    """How many of `events` were new; all of them need a `key`."""
    statement = events_to_record(events)
    return int(db.run(statement.query, **statement.values)[0]["recorded"])


def events_to_record(events: Sequence[ConsentEvent]) -> Statement:
    """The same, to be sent with others; one row with `recorded`."""
    return _SQL["record_events"].bind(events=Json([_as_json(event) for event in events]))


def import_events(db: Queryable, events: Sequence[ConsentEvent]) -> tuple[int, Mapping[int, str]]:
    """How many were new, and why others were left out: place in `events` -> 'time' or 'organization'."""
    row = db.run(_SQL["import_events"], events=Json([_as_json(event) for event in events]))[0]
    return row["recorded"], {each["place"]: each["reason"] for each in row["refused"]}


def organization_called(db: Queryable, wanted: str) -> UUID | None:
    """By id or name; None where there is none, or where two have that name."""
    found = db.run(_SQL["organization_called"], wanted=wanted)
    return UUID(str(found[0]["id"])) if len(found) == 1 else None


def insert_consent(
    db: Queryable,
    *,
    channel: ConsentChannel,
    address: str,
    source: str,
    evidence: str,
    at: datetime,
    org_id: UUID | None,
) -> Row:
    """Counts of the customers with that address: all, and those who stay muted for another reason."""
    return db.run(
        _SQL["grant_consent"],
        channel=channel.value,
        address=address,
        source=source,
        evidence=evidence,
        occurred_at=at,
        org_id=org_id,
    )[0]


def entries_of(db: Queryable, addresses: list[str]) -> list[ConsentEntry]:
    """In the order in which they happened; `addresses` are normalised."""
    return [_entry(row) for row in db.run(_SQL["history"], addresses=addresses)]


def entry_by_id(db: Queryable, entry_id: int) -> ConsentEntry | None:
    """One line of the ledger; None where there is none of that number."""
    rows = db.run(_SQL["entry"], id=entry_id)
    return _entry(rows[0]) if rows else None


def all_entries(db: Queryable) -> Iterator[ConsentEntry]:
    """The whole ledger, read page by page."""
    after = 0
    while page := db.run(_SQL["ledger_page"], after=after, page_size=_PAGE_SIZE):
        yield from map(_entry, page)
        after = page[-1]["id"]


def erasure_salt(db: Queryable) -> str:
    """The installation's own; a migration made it."""
    return str(db.run(_SQL["erasure_salt"])[0]["value"])


def allow_erasure(db: Queryable) -> None:
    """Until the end of this transaction the ledger lets its addresses be replaced."""
    db.run(_SQL["allow_erasure"])


def hash_entries(db: Queryable, marks: Sequence[Mapping[str, str]]) -> int:
    """How many lines lost their address; each mark has `channel`, `mark` and `key`."""
    return int(db.run(_SQL["hash_entries"], marks=Json(list(marks)))[0]["entries"])


def hash_marks(db: Queryable, marks: Sequence[Mapping[str, str]], now: datetime) -> None:
    """Record the erasure under each key. Safe to call twice."""
    db.run(_SQL["record_erasure"], marks=Json(list(marks)), occurred_at=now)


def _as_json(event: ConsentEvent) -> dict[str, object]:
    return {
        "org_id": event.org_id,
        "channel": event.channel,
        "address": event.key,
        "kind": event.kind,
        "source": event.source,
        "source_event": event.source_event,
        "evidence": event.evidence,
        "occurred_at": event.occurred_at,
    }


def _entry(row: Row) -> ConsentEntry:
    return ConsentEntry(**row | {"channel": ConsentChannel(row["channel"]), "kind": ConsentKind(row["kind"])})
