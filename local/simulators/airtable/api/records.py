"""Listing, reading and deleting rows: https://airtable.com/developers/web/api/list-records [D]."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from local.simulators.airtable import formulas
from local.simulators.airtable.cells import shown
from local.simulators.airtable.state import (
    AirtableState,
    PageIterator,
    SimulatedRecord,
    SimulatedTable,
    new_id,
)
from local.simulators.airtable.wire import AirtableApiError, AirtableRequest, AirtableResponse, Json, flag
from local.simulators.clock import stamp

LARGEST_PAGE = 100
LARGEST_WRITE = 10
_SORT = re.compile(r"sort\[(\d+)\]\[(field|direction)\]")


def list_records(account: AirtableState, table: SimulatedTable, request: AirtableRequest) -> AirtableResponse:
    options = request.object if request.method == "POST" else _options_of_query(request)
    size = _page_size(options)
    wanted = _wanted_fields(table, options.get("fields"))
    with account.lock:
        ids, key = _rows(account, table, options)
        start = int(str(options.get("offset") or "").rpartition("/")[2] or 0)
        begin = max(0, start - size) if request.repeat else start + request.shift
        page = [table.records[each] for each in ids[begin : begin + size] if each in table.records]
        by_id = flag(options, "returnFieldsByFieldId")
        answer: Json = {"records": [shown_record(table, each, by_id=by_id, only=wanted) for each in page]}
        end = start + size if request.repeat else begin + size
        if end < len(ids):
            answer["offset"] = f"{key}/{end}"
    return AirtableResponse(200, answer)


def get_record(table: SimulatedTable, request: AirtableRequest, record_id: str) -> AirtableResponse:
    by_id = flag(request.query, "returnFieldsByFieldId")
    return AirtableResponse(200, shown_record(table, found(table, record_id, 404), by_id=by_id))


def delete_records(account: AirtableState, table: SimulatedTable, ids: Sequence[str]) -> list[Json]:
    """All or none; at most ten [D]."""
    if not 0 < len(ids) <= LARGEST_WRITE:
        raise AirtableApiError(422, "INVALID_REQUEST_UNKNOWN", "Invalid request: parameter validation failed.")
    with account.lock:
        for each in ids:
            found(table, each)
        for each in ids:
            table.records.pop(each, None)
    return [{"id": each, "deleted": True} for each in ids]


def found(table: SimulatedTable, record_id: object, status: int = 422) -> SimulatedRecord:
    record = table.records.get(str(record_id))
    if record is not None:
        return record
    if status == 404:
        raise AirtableApiError(404, "NOT_FOUND", body={"error": "NOT_FOUND"})
    # ToolJet and airtable-mcp-server#28 show the words [I].
    raise AirtableApiError(422, "ROW_DOES_NOT_EXIST", f"Record ID {record_id} does not exist in this table")


def shown_record(table: SimulatedTable, record: SimulatedRecord, *, by_id: bool, only: set[str] | None = None) -> Json:
    """Empty cells are left out [D]."""
    cells: dict[str, Any] = {}
    for each in table.fields:
        value = shown(each, record)
        if value is not None and (only is None or each.id in only):
            cells[each.id if by_id else each.name] = value
    return {"id": record.id, "createdTime": stamp(record.created), "fields": cells}


def _options_of_query(request: AirtableRequest) -> Json:
    pairs = request.pairs
    options: Json = {name: value for name, value in pairs if not name.endswith("]")}
    fields = [value for name, value in pairs if name == "fields[]"]
    if fields:
        options["fields"] = fields
    sorts: dict[int, dict[str, str]] = {}
    for name, value in pairs:
        if (match := _SORT.fullmatch(name)) is not None:
            sorts.setdefault(int(match[1]), {})[match[2]] = value
    if sorts:
        options["sort"] = [sorts[index] for index in sorted(sorts)]
    return options


def _page_size(options: Json) -> int:
    try:
        size = int(options.get("pageSize", LARGEST_PAGE))
    except (TypeError, ValueError):
        size = 0
    if not 1 <= size <= LARGEST_PAGE:
        raise AirtableApiError(422, "INVALID_PAGE_SIZE", "The page size must be between 1 and 100.")
    return size


def _wanted_fields(table: SimulatedTable, names: Any) -> set[str] | None:
    if names is None:
        return None
    known = {name: table.field(str(name)) for name in names}
    unknown = next((name for name, each in known.items() if each is None), None)
    if unknown is not None:
        raise AirtableApiError(422, "UNKNOWN_FIELD_NAME", f'Unknown field name: "{unknown}"')
    return {each.id for each in known.values() if each is not None}


def _rows(account: AirtableState, table: SimulatedTable, options: Json) -> tuple[list[str], str]:
    """Ids in order, and the iterator's; an iterator ends where nobody used it for a while."""
    now = account.clock.now()
    offset = options.get("offset")
    if offset:
        key = str(offset).rpartition("/")[0]
        known = account.iterators.get(key)
        if known is None or now - known.used_at > timedelta(seconds=account.iterator_seconds):
            raise iterator_gone()
        known.used_at = now
        return known.ids, key
    ids = _filtered(account, table, options)
    key = new_id("itr")
    account.iterators[key] = PageIterator(ids, now)
    return ids, key


def iterator_gone() -> AirtableApiError:
    return AirtableApiError(422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE", "")


def _filtered(account: AirtableState, table: SimulatedTable, options: Json) -> list[str]:
    rows = list(table.records.values())
    if options.get("view"):
        view = table.view(str(options["view"]))
        if view is None:
            raise AirtableApiError(422, "VIEW_NAME_NOT_FOUND", f"View {options['view']} not found")
        rows = [each for each in rows if view.only is None or each.id in view.only]
    if options.get("filterByFormula"):
        holds, now = formulas.parse(str(options["filterByFormula"]), table), account.clock.now()
        rows = [each for each in rows if holds(each, now)]
    for each in reversed(options.get("sort") or []):
        field = table.field(str(each.get("field")))
        if field is None:
            raise AirtableApiError(422, "UNKNOWN_FIELD_NAME", f'Unknown field name: "{each.get("field")}"')
        rows.sort(key=lambda row: str(shown(field, row) or ""), reverse=each.get("direction") == "desc")
    most = options.get("maxRecords")
    return [each.id for each in rows][: None if most is None else int(most)]
