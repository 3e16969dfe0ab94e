"""The people of one table: read page by page, written in tens, by ids of fields so that a renaming changes nothing.

A read that finds nothing new is one request. The schema is asked for when rows are there to be read or written, once a
run: a mapped field that is gone is noticed without it, because Airtable refuses to list a field that it does not have.
"""

from collections.abc import Sequence
from dataclasses import replace

from crm_relay.platform.http.wire import moment_or_none
from crm_relay.providers.airtable.client import LARGEST_WRITE, AirtableApi
from crm_relay.providers.airtable.columns import Columns, fit, wanted_ids
from crm_relay.providers.airtable.cursor import TableCursor, read_cursor
from crm_relay.providers.airtable.formulas import with_ids
from crm_relay.providers.airtable.mapping import CellUnfit
from crm_relay.providers.airtable.refusals import AirtableRefused, IteratorGone
from crm_relay.providers.airtable.settings import AirtableSettings
from crm_relay.providers.airtable.wire import AirtableRecord
from crm_relay.providers.airtable.writing import RowWriter
from crm_relay.providers.connectors.contract import (
    FieldRule,
    OutgoingRecord,
    RecordPage,
    TheirRecord,
    WriteOutcome,
)
from crm_relay.providers.connectors.failures import CursorLost, SchemaDrift


class TableStream:
    """One run over one table."""

    largest_write = LARGEST_WRITE
    removal = "delete"

    def __init__(self, api: AirtableApi, settings: AirtableSettings) -> None:
        self._api = api
        self._table = api.table(settings.base_id, settings.table_id)
        self._settings = settings
        self._columns: Columns | None = None
        self._known_types: dict[str, str] = {}

    @property
    def name(self) -> str:
        return self._settings.table_id

    @property
    def rules(self) -> Sequence[FieldRule]:
        return self._settings.rules

    def check(self) -> None:
        """By the schema, which may be known by now. Raises SchemaDrift."""
        if self._columns is None:
            self._load()

    def read(self, cursor: str | None) -> RecordPage:
        mapping = self._settings.mapping
        at = read_cursor(cursor)
        if cursor is not None and at.mapping != mapping:
            raise CursorLost("other fields of the Airtable table are mapped than before")
        self._known_types = self._known_types or at.types
        if cursor is None:
            at = TableCursor(mapping=mapping, types=self.columns.types, modified_id=self.columns.modified_id)
        try:
            page = self._table.page(wanted_ids(self.rules, at.modified_id), offset=at.offset, formula=at.formula)
        except IteratorGone:
            return RecordPage((), at.restarted().text(), is_last=False, is_complete=at.since is None)
        except AirtableRefused as error:
            if error.is_of_formula:
                raise CursorLost("the Airtable table does not say what changed") from None
            return self._without_the_lost_field(error, at)
        if page.rows:
            at = replace(at, types=self.columns.types, modified_id=self.columns.modified_id)
        position = replace(at, began=at.began or page.answered_at, offset=page.offset)
        records = [self._record(row) for row in page.rows]
        is_last = page.offset is None
        return RecordPage(records, (position.after() if is_last else position).text(), is_last, at.since is None)

    def look_up(self, their_ids: Sequence[str]) -> Sequence[TheirRecord]:
        formula = with_ids(their_ids)
        if formula is None:
            return ()
        columns = self.columns
        page = self._table.find(wanted_ids(self.rules, columns.modified_id), formula)
        return [self._record(row) for row in page.rows]

    def write(self, batch: Sequence[OutgoingRecord]) -> Sequence[WriteOutcome]:
        """One request; two more where the address is in a field of type e-mail, by which Airtable does not upsert."""
        writer = RowWriter(self._table, self.columns, adds_choices=self._settings.adds_choices)
        try:
            return writer.write(batch)
        except AirtableRefused as error:
            if error.is_field_gone:
                self._load()
            raise

    def remove(self, their_ids: Sequence[str]) -> None:
        """A row that is gone makes Airtable refuse the request: then those that are left are asked for and deleted."""
        try:
            self._table.delete(their_ids)
        except AirtableRefused as error:
            if not error.is_row_gone:
                raise
            left = [record.their_id for record in self.look_up(their_ids)]
            if left:
                self._table.delete(left)

    @property
    def columns(self) -> Columns:
        """By the schema, asked for once. Raises SchemaDrift."""
        return self._columns or self._load()

    def _load(self) -> Columns:
        tables = self._api.tables(self._settings.base_id)
        table = next((each for each in tables if each.id == self._settings.table_id), None)
        self._columns = fit(table, self._settings, self._known_types)
        return self._columns

    def _without_the_lost_field(self, error: AirtableRefused, at: TableCursor) -> RecordPage:
        """Which one it is says the schema; the time of the last change is not mapped, so a read goes on without it."""
        if not error.is_field_gone:
            raise error
        columns = self._load()
        if at.modified_id is None or columns.modified_id == at.modified_id:
            raise error
        begun = replace(at, began=None, offset=None, modified_id=columns.modified_id)
        return RecordPage((), begun.text(), is_last=False, is_complete=at.since is None)

    def _record(self, row: AirtableRecord) -> TheirRecord:
        columns, fields = self.columns, {}
        for ours, column in columns.by_name.items():
            try:
                fields[ours] = column.cell.read(row.fields.get(column.rule.theirs))
            except CellUnfit:
                raise SchemaDrift(f"the table changed ({ours}: a cell is not of its type)", [ours]) from None
        changed = None if columns.modified_id is None else moment_or_none(row.fields.get(columns.modified_id))
        return TheirRecord(row.id, fields, changed)
