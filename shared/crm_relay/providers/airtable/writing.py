"""Rows out: by their id where it is known, else by the address, and one outcome for each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from crm_relay.platform.errors import ServerFailed
from crm_relay.providers.airtable.client import RowToWrite, TableApi
from crm_relay.providers.airtable.columns import Columns
from crm_relay.providers.airtable.formulas import with_addresses
from crm_relay.providers.airtable.mapping import CellUnfit
from crm_relay.providers.airtable.refusals import AirtableRefused
from crm_relay.providers.airtable.wire import AirtableRecord, AirtableWritten
from crm_relay.providers.connectors.contract import FieldValue, OutgoingRecord, WriteOutcome, WriteRefused, Written


@dataclass
class _Pending:
    """A record on its way: `row_id` None until it is found or created."""

    position: int
    record: OutgoingRecord
    cells: Mapping[str, Any]
    row_id: str | None = None
    found: list[AirtableRecord] = field(default_factory=list)


class RowWriter:
    """One call of `write`. A batch of one that Airtable refuses is an outcome; the engine halves a larger one."""

    def __init__(self, table: TableApi, columns: Columns, *, adds_choices: bool) -> None:
        self._table = table
        self._columns = columns
        self._adds_choices = adds_choices
        self._outcomes: dict[int, WriteOutcome] = {}

    def write(self, batch: Sequence[OutgoingRecord]) -> list[WriteOutcome]:
        """Errors as in RecordStream.write."""
        pending = [each for each in map(self._prepared, range(len(batch)), batch) if each is not None]
        try:
            self._send(pending)
        except AirtableRefused as error:
            if len(batch) > 1 or error.is_field_gone:
                raise
            self._outcomes[0] = WriteRefused(self._reason(error), is_gone=error.is_row_gone)
        return [self._outcomes[position] for position in range(len(batch))]

    def _prepared(self, position: int, record: OutgoingRecord) -> _Pending | None:
        cells = {}
        fields = dict(record.fields)
        if record.their_id is None:
            if self._columns.email.cell.write is None:
                self._outcomes[position] = WriteRefused("email: its field is computed, so no row can be made for it")
                return None
            fields["email"] = fields.get("email") or record.match
        for ours, value in fields.items():
            column = self._columns.by_name[ours]
            # Nothing of ours empties a cell of a row that was there already, and that we did not know of.
            if column.cell.write is None or (record.their_id is None and value is None):
                continue
            try:
                cells[column.rule.theirs] = None if value is None else column.cell.write(value)
            except CellUnfit as error:
                self._outcomes[position] = WriteRefused(f"{ours}: {error}")
                return None
        return _Pending(position, record, cells, record.their_id)

    def _send(self, pending: list[_Pending]) -> None:
        new = [each for each in pending if each.row_id is None]
        if not new:
            self._update(pending, None)
        elif self._columns.email.cell.upserts:
            self._update(pending, self._columns.email.rule.theirs)
        else:
            self._find(new)
            # Whatever is repeated is repeated here: new rows come last, when nothing of this call can fail any more.
            self._update([each for each in pending if each.row_id is not None], None)
            self._create([each for each in new if each.row_id is None and each.position not in self._outcomes])

    def _find(self, new: list[_Pending]) -> None:
        """Rows that have the address already. It costs a request, and an upsert by such a field is refused."""
        email = self._columns.email
        waiting = {_address(each.record.match): each for each in new}
        for row in self._table.find([email.rule.theirs], with_addresses(email.name, waiting)).rows:
            address = _address(row.fields.get(email.rule.theirs))
            if address in waiting:
                waiting[address].found.append(row)
        for each in new:
            if len(each.found) > 1:
                self._outcomes[each.position] = WriteRefused(f"email: {len(each.found)} rows have this address")
            elif each.found:
                each.row_id = each.found[0].id

    def _update(self, pending: Sequence[_Pending], merge_on: str | None) -> None:
        if not pending:
            return
        rows = [RowToWrite(each.row_id, each.cells) for each in pending]
        self._keep(pending, self._table.update(rows, typecast=self._adds_choices, merge_on=merge_on))

    def _create(self, pending: Sequence[_Pending]) -> None:
        if pending:
            written = self._table.create(
                [RowToWrite(None, each.cells) for each in pending], typecast=self._adds_choices
            )
            self._keep(pending, written, all_new=True)

    def _keep(self, pending: Sequence[_Pending], written: AirtableWritten, *, all_new: bool = False) -> None:
        """Rows are answered in the order of the request. Raises ServerFailed where an answer says otherwise."""
        if len(written.records) != len(pending):
            raise ServerFailed("Airtable answered another number of rows than were written")
        created = set(written.created)
        for each, row in zip(pending, written.records, strict=True):
            if each.row_id not in {None, row.id} or (each.row_id is None and not self._has_address(each, row)):
                raise ServerFailed("Airtable answered other rows than were written")
            self._outcomes[each.position] = Written(row.id, all_new or row.id in created, self._held(each, row))

    def _has_address(self, pending: _Pending, row: AirtableRecord) -> bool:
        key = self._columns.email.rule.theirs
        return _address(row.fields.get(key)) == _address(pending.cells.get(key))

    def _held(self, pending: _Pending, row: AirtableRecord) -> dict[str, FieldValue] | None:
        """Of the fields that were sent: what else the row holds is read as a change of theirs."""
        held = {}
        for ours in pending.record.fields:
            column = self._columns.by_name[ours]
            if column.rule.theirs not in pending.cells and column.cell.write is not None:
                continue
            try:
                held[ours] = column.cell.read(row.fields.get(column.rule.theirs))
            except CellUnfit:
                return None
        return held

    def _reason(self, error: AirtableRefused) -> str:
        """Airtable's sentence names the field in quotation marks; only names of mapped fields are taken from it."""
        named = [ours for ours, column in self._columns.by_name.items() if f'"{column.name}"' in error.sentence]
        return f"{named[0]}: {error}" if named else str(error)


def _address(value: Any) -> str:
    return str(value or "").strip().lower()
