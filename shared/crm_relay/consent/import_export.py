"""The ledger as CSV: in from another tool's suppression list, out for safe keeping. Both stream."""

import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import TextIO, TypeVar
from uuid import UUID

from crm_relay.consent.models import ConsentChannel, ConsentEvent, ConsentKind
from crm_relay.consent.read_list import BadLine, GoodLine, read_list
from crm_relay.consent.store import all_entries, import_events
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.addresses.mailbox import can_be_meant, without_unseen
from crm_relay.rules.addresses.phones import problem_of_number

__all__ = ["COLUMNS", "BadLine", "Imported", "export_ledger", "import_ledger"]

COLUMNS = ("channel", "address", "kind", "source", "source_event", "evidence", "occurred_at", "org_id")
_REQUIRED = {"address", "kind", "occurred_at"}
_BATCH_SIZE = 1000
_REASONS = {
    "time": "occurred_at: lies in the future, or before the year 1",
    "organization": "org_id: there is no such organization",
}
T = TypeVar("T")


@dataclass(frozen=True)
class Imported:
    """`known` lines were in the ledger before, so a second import of the same file finds nothing new.

    Each record of the file is new, known or a bad line.
    """

    new: int
    known: int


def import_ledger(
    db: Queryable, lines: Iterable[str], on_bad_line: Callable[[BadLine], None], *, org_id: UUID | None = None
) -> Imported:
    """Record the lines of a CSV file that begins with a line of column names; safe to repeat after an interruption.

    `address`, `kind` and `occurred_at` (ISO 8601 with its zone) are needed, the rest of COLUMNS is not; `org_id` is for
    lines that name none. `lines` is read to its end before anything is written, and then again. Bad lines are reported
    one by one and left out. RejectedInput where the needed columns are missing or the text is not UTF-8.
    """
    try:
        text = list(lines) if isinstance(lines, Iterator) else lines
        deque(text, maxlen=0)
    except UnicodeDecodeError:
        raise RejectedInput("the file is not UTF-8") from None
    new = known = 0
    entries = read_list(text, _REQUIRED, _event)
    while batch := list(islice(entries, _BATCH_SIZE)):
        good = [entry for entry in batch if isinstance(entry, GoodLine)]
        recorded, refused = _record(db, [entry.value for entry in good], org_id)
        late = [BadLine(good[place].line, _REASONS[reason]) for place, reason in refused.items()]
        for bad in sorted([*late, *(entry for entry in batch if isinstance(entry, BadLine))], key=lambda bad: bad.line):
            on_bad_line(bad)
        new, known = new + recorded, known + len(good) - len(refused) - recorded
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


def _record(db: Queryable, events: list[ConsentEvent], org_id: UUID | None) -> tuple[int, Mapping[int, str]]:
    if not events:
        return 0, {}
    return import_events(db, [replace(event, org_id=event.org_id or org_id) for event in events])


def _event(row: Mapping[str, str]) -> ConsentEvent:
    """Raises RejectedInput that names the column."""
    given = {column: value.strip() for column, value in row.items() if value.strip()}
    event = ConsentEvent(
        kind=_read("kind", ConsentKind, given.get("kind", "")),
        address=without_unseen(given.get("address", "")),
        source=given.get("source", "import"),
        occurred_at=_read("occurred_at", _moment, given.get("occurred_at", "")),
        channel=_read("channel", ConsentChannel, given.get("channel", "email")),
        source_event=given.get("source_event"),
        evidence=given.get("evidence"),
        org_id=_read("org_id", UUID, given["org_id"]) if "org_id" in given else None,
    )
    if problem := _problem(event):
        raise RejectedInput(problem)
    return event


def _moment(text: str) -> datetime:
    """In UTC where a zone is named; ValueError also for a moment that has no equal there."""
    moment = datetime.fromisoformat(text)
    try:
        return moment if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("outside the calendar") from None


def _read(column: str, kind: Callable[[str], T], text: str) -> T:
    try:
        return kind(text)
    except ValueError:
        raise RejectedInput(f"{column}: {'is missing' if not text else 'cannot be read'}") from None


def _problem(event: ConsentEvent) -> str | None:
    if event.key is None:
        return f"address: not an address of the channel {event.channel}"
    # What nobody has would be filed, and mute nobody.
    if event.channel is ConsentChannel.EMAIL and event.kind is not ConsentKind.ERASED and not can_be_meant(event.key):
        return "address: not one address"
    if event.channel is ConsentChannel.SMS and event.kind is not ConsentKind.ERASED:
        problem = problem_of_number(event.key)
        if problem is not None:
            return f"address: {problem}"
    if event.occurred_at.tzinfo is None:
        return "occurred_at: has no time zone"
    if event.kind is ConsentKind.CONSENT and event.evidence is None:
        return "evidence: a consent needs one"
    if any("\0" in text for text in (event.source, event.source_event, event.evidence) if text):
        return "holds a NUL character"
    return None
