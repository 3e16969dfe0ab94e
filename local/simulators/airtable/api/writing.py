"""Creating, changing and upserting rows, ten a request: https://airtable.com/developers/web/api/update-multiple-records.

A request takes effect as a whole or not at all, except for the fault partial_write.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.simulators.airtable.api.records import LARGEST_WRITE, found, shown_record
from local.simulators.airtable.cells import MERGEABLE, accept
from local.simulators.airtable.state import AirtableState, SimulatedRecord, SimulatedTable
from local.simulators.airtable.wire import AirtableApiError, AirtableRequest, AirtableResponse, Json, flag


@dataclass(frozen=True)
class _Change:
    """`record` None: a new row. `replaces`: cells that are not named are cleared."""

    record: SimulatedRecord | None
    cells: dict[str, Any]
    replaces: bool = False


def create(account: AirtableState, table: SimulatedTable, request: AirtableRequest) -> AirtableResponse:
    """One as `{"fields"}`, or up to ten as `{"records": [{"fields"}]}` [D]."""
    body = request.object
    single = "records" not in body
    items = [body] if single else _items(body)
    with account.lock:
        changes = [_Change(None, _cells(table, each, body)) for each in items]
        written = _carry_out(account, table, changes, request)
    shown = [shown_record(table, each, by_id=flag(body, "returnFieldsByFieldId")) for each in written]
    return AirtableResponse(200, shown[0] if single else {"records": shown})


def update_one(
    account: AirtableState, table: SimulatedTable, request: AirtableRequest, record_id: str
) -> AirtableResponse:
    body = request.object
    with account.lock:
        change = _Change(found(table, record_id, 404), _cells(table, body, body), request.method == "PUT")
        written = _carry_out(account, table, [change], request)
    return AirtableResponse(200, shown_record(table, written[0], by_id=flag(body, "returnFieldsByFieldId")))


def update(account: AirtableState, table: SimulatedTable, request: AirtableRequest) -> AirtableResponse:
    """PATCH changes the cells that are named, PUT clears the others; with `performUpsert` rows need no id [D]."""
    body = request.object
    items = _items(body)
    with account.lock:
        matching = _matcher(table, body["performUpsert"]) if "performUpsert" in body else None
        changes = []
        for each in items:
            record = _record_of(table, each, matching, flag(body, "typecast"))
            changes.append(_Change(record, _cells(table, each, body), request.method == "PUT"))
        _refuse_twice(changes)
        written = _carry_out(account, table, changes, request)
    by_id = flag(body, "returnFieldsByFieldId")
    answer: Json = {"records": [shown_record(table, each, by_id=by_id) for each in written]}
    if matching is not None:
        pairs = list(zip(changes, written, strict=True))
        answer["createdRecords"] = [record.id for change, record in pairs if change.record is None]
        answer["updatedRecords"] = [record.id for change, record in pairs if change.record is not None]
    return AirtableResponse(200, answer)


def _items(body: Json) -> list[Json]:
    items = body.get("records")
    if not isinstance(items, list) or not items or not all(isinstance(each, dict) for each in items):
        raise AirtableApiError(
            422, "INVALID_REQUEST_MISSING_FIELDS", 'Could not find field "fields" in the request body'
        )
    if len(items) > LARGEST_WRITE:
        raise AirtableApiError(
            422, "INVALID_RECORDS", "You must provide an array of up to 10 record objects, each with an 'id' ID field"
        )
    return items


def _cells(table: SimulatedTable, item: Json, body: Json) -> dict[str, Any]:
    given = item.get("fields")
    if not isinstance(given, dict):
        raise AirtableApiError(
            422, "INVALID_REQUEST_MISSING_FIELDS", 'Could not find field "fields" in the request body'
        )
    cells = {}
    for name, value in given.items():
        target = table.field(name)
        if target is None:
            raise AirtableApiError(422, "UNKNOWN_FIELD_NAME", f'Unknown field name: "{name}"')
        cells[target.id] = accept(target, value, flag(body, "typecast"))
    return cells


Matcher = Callable[[Json, bool], list[SimulatedRecord]]


def _matcher(table: SimulatedTable, wanted: Any) -> Matcher:
    names = wanted.get("fieldsToMergeOn") if isinstance(wanted, dict) else None
    if not isinstance(names, list) or not 1 <= len(names) <= 3:
        raise AirtableApiError(422, "INVALID_REQUEST_UNKNOWN", "fieldsToMergeOn must have between 1 and 3 fields")
    fields = []
    for name in names:
        field = table.field(str(name))
        if field is None:
            raise AirtableApiError(422, "UNKNOWN_FIELD_NAME", f'Unknown field name: "{name}"')
        if field.type not in MERGEABLE:
            # The words are assumed.
            raise AirtableApiError(422, "INVALID_REQUEST_UNKNOWN", f'Field "{name}" cannot be used in fieldsToMergeOn')
        fields.append(field)

    seen: list[dict[str, Any]] = []

    def matching(item: Json, typecast: bool) -> list[SimulatedRecord]:
        given = item.get("fields", {})
        key = {}
        for field in fields:
            value = given.get(field.id, given.get(field.name))
            if value is None:
                text = "Each record without an id must have all fieldsToMergeOn"
                raise AirtableApiError(422, "INVALID_REQUEST_UNKNOWN", text)
            key[field.id] = accept(field, value, typecast)
        if key in seen:
            raise _twice()
        seen.append(key)
        return [row for row in table.records.values() if all(row.cells.get(one) == two for one, two in key.items())]

    return matching


def _record_of(table: SimulatedTable, item: Json, matching: Matcher | None, typecast: bool) -> SimulatedRecord | None:
    if "id" in item:
        return found(table, item["id"])
    if matching is None:
        text = "You must provide an array of up to 10 record objects, each with an 'id' ID field"
        raise AirtableApiError(422, "INVALID_RECORDS", text)
    rows = matching(item, typecast)
    if len(rows) > 1:
        # [D] "If multiple matches are found, the request will fail"; type and words are assumed.
        raise AirtableApiError(422, "INVALID_REQUEST_UNKNOWN", "Multiple records match fieldsToMergeOn")
    return rows[0] if rows else None


def _refuse_twice(changes: list[_Change]) -> None:
    known = [change.record.id for change in changes if change.record is not None]
    if len(set(known)) < len(known):
        raise _twice()


def _twice() -> AirtableApiError:
    """A row or a key twice in one request (assumed: refused)."""
    return AirtableApiError(422, "INVALID_RECORDS", "You cannot update the same record multiple times in one request")


def _carry_out(
    account: AirtableState, table: SimulatedTable, changes: list[_Change], request: AirtableRequest
) -> list[SimulatedRecord]:
    now = account.clock.now()
    written = []
    for change in changes[: request.partial]:
        cells = {key: value for key, value in change.cells.items() if value is not None}
        record = change.record
        if record is None:
            record = table.add(cells, now)
            account.made.append(record)
        else:
            kept = {} if change.replaces else {k: v for k, v in record.cells.items() if k not in change.cells}
            record.cells = kept | cells
            record.modified = now
        written.append(record)
    if request.partial is not None:
        raise AirtableApiError(500, "SERVER_ERROR", "Try again. If the problem persists, contact support.")
    return written
