"""The ledger as CSV: in from another tool's suppression list, out for safe keeping. Both stream."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TextIO, TypeVar
from uuid import UUID

from crm_relay.consent.models import ConsentChannel, ConsentEvent, ConsentKind
from crm_relay.consent.record import record_events
from crm_relay.consent.store import all_entries
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import RejectedInput

COLUMNS = ("channel", "address", "kind", "source", "source_event", "evidence", "occurred_at", "org_id")
_REQUIRED = {"address", "kind", "occurred_at"}
_BATCH_SIZE = 1000
T = TypeVar("T")


@dataclass(frozen=True)
class BadLine:
    """A line that was left out; `reason` names the column, never what stands there."""

    line: int
    reason: str


@dataclass(frozen=True)
class Imported:
    """`known` lines stood in the ledger already, so a second import of the same file finds nothing new."""

    new: int
    known: int


def import_ledger(db: Queryable, lines: Iterable[str], on_bad_line: Callable[[BadLine], None]) -> Imported:
    """Record the lines of a CSV file that begins with a line of column names; safe to repeat after an interruption.

    `address`, `kind` and `occurred_at` (ISO 8601 with its zone) are needed, the rest of COLUMNS is not. Bad lines are
    told one by one and left out. RejectedInput where the needed columns are not there.
    """
    new = known = 0
    events = _events(lines, on_bad_line)
    while batch := list(islice(events, _BATCH_SIZE)):
        recorded = record_events(db, batch)
        new, known = new + recorded.new, known + recorded.known
    return Imported(new, known)


def export_ledger(db: Queryable, file: TextIO) -> int:
    """Write the whole ledger as `import_ledger` reads it; returns how many lines."""
    writer, count = csv.writer(file), 0
    writer.writerow(COLUMNS)
    for entry in all_entries(db):
        values = {column: getattr(entry, column) for column in COLUMNS}
        writer.writerow((values | {"occurred_at": entry.occurred_at.isoformat()}).values())
        count += 1
    return count


def _events(lines: Iterable[str], on_bad_line: Callable[[BadLine], None]) -> Iterator[ConsentEvent]:
    rows = csv.reader(lines, strict=True)
    columns = [name.strip().strip("\ufeff").lower() for name in next(rows, [])]
    if not _REQUIRED.issubset(columns):
        # What stands there instead may be a person's data: it is not quoted.
        raise RejectedInput(f"the first line must name the columns {', '.join(sorted(_REQUIRED))}")
    while True:
        try:
            row = next(rows)
            if any(row):
                yield _event(dict(zip(columns, row, strict=False)))
        except StopIteration:
            return
        except csv.Error:
            on_bad_line(BadLine(rows.line_num, "not valid CSV"))
        except RejectedInput as error:
            on_bad_line(BadLine(rows.line_num, error.message))


def _event(row: Mapping[str, str]) -> ConsentEvent:
    """Raises RejectedInput that names the column."""
    given = {column: value.strip() for column, value in row.items() if value.strip()}
    event = ConsentEvent(
        kind=_read("kind", ConsentKind, given.get("kind", "")),
        address=given.get("address", ""),
        source=given.get("source", "import"),
        occurred_at=_read("occurred_at", datetime.fromisoformat, given.get("occurred_at", "")),
        channel=_read("channel", ConsentChannel, given.get("channel", "email")),
        source_event=given.get("source_event"),
        evidence=given.get("evidence"),
        org_id=_read("org_id", UUID, given["org_id"]) if "org_id" in given else None,
    )
    if problem := _problem(event):
        raise RejectedInput(problem)
    return event


def _read(column: str, kind: Callable[[str], T], text: str) -> T:
    try:
        return kind(text)
    except ValueError:
        raise RejectedInput(f"{column}: {'is missing' if not text else 'cannot be read'}") from None


def _problem(event: ConsentEvent) -> str | None:
    if event.key is None:
        return f"address: not an address of the channel {event.channel}"
    if event.occurred_at.tzinfo is None:
        return "occurred_at: has no time zone"
    if event.kind is ConsentKind.CONSENT and event.evidence is None:
        return "evidence: a consent needs one"
    if any("\0" in text for text in (event.source, event.source_event, event.evidence) if text):
        return "holds a NUL character"
    return None
