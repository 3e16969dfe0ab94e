"""A simulated Airtable account without its server: what a test and a person in a base can see and do."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.simulators.airtable.api import oauth
from local.simulators.airtable.cells import accept, shown
from local.simulators.airtable.http.faults import AirtableFault, AirtableFaults, AirtableLimits
from local.simulators.airtable.http.gate import AirtableGate
from local.simulators.airtable.state import (
    EVERY_SCOPE,
    AirtableState,
    OAuthClient,
    SimulatedBase,
    SimulatedColumn,
    SimulatedGrant,
    SimulatedRecord,
    SimulatedTable,
    SimulatedView,
    new_id,
)
from local.simulators.airtable.wire import Json
from local.simulators.clock import MovableClock
from local.simulators.switches import CountedCalls, HeldRequests

CONTACT_FIELDS = {
    "Email": "singleLineText",
    "First name": "singleLineText",
    "Last name": "singleLineText",
    "Company": "singleLineText",
    "Notes": "multilineText",
}
"""Names and types of a table of people, the primary field first."""


@dataclass(frozen=True)
class RemovedField:
    """A field in the trash: its cells by the row."""

    field: SimulatedColumn
    cells: Mapping[str, Any]


class SimulatedAirtable(CountedCalls, HeldRequests):
    def __init__(self, clock: MovableClock | None, requests_per_second: int | None) -> None:
        self.account = AirtableState(clock or MovableClock())
        self.faults = AirtableFaults()
        self.limits = AirtableLimits(requests_per_second, None if requests_per_second is None else 50)
        self.gate = AirtableGate(self.account, self.faults, self.limits)

    # --- what is there --------------------------------------------------------------------------------------------

    def base(self, name: str = "Northwind CRM", permission_level: str = "create") -> SimulatedBase:
        base = SimulatedBase(new_id("app"), name, permission_level)
        self.account.bases[base.id] = base
        return base

    def table(
        self, base: SimulatedBase, name: str = "People", fields: Mapping[str, str] = CONTACT_FIELDS
    ) -> SimulatedTable:
        """`fields`: name -> type."""
        made = [SimulatedColumn(new_id("fld"), each, kind) for each, kind in fields.items()]
        table = SimulatedTable(new_id("tbl"), name, made)
        base.tables.append(table)
        return table

    def token(self, scopes: Sequence[str] = tuple(EVERY_SCOPE), bases: Sequence[SimulatedBase] | None = None) -> str:
        """A personal access token; for all bases where none are named."""
        value = f"pat{secrets.token_hex(7)}.{secrets.token_hex(32)}"
        seen = None if bases is None else frozenset(each.id for each in bases)
        self.account.grants.append(
            SimulatedGrant(new_id("usr"), "owner@northwind.example", frozenset(scopes), seen, access_token=value)
        )
        return value

    def client(self, *redirect_uris: str, with_secret: bool = True) -> OAuthClient:
        """An integration that is registered for OAuth."""
        secret = secrets.token_urlsafe(32) if with_secret else None
        made = OAuthClient(secrets.token_hex(16), secret, redirect_uris)
        self.account.clients[made.client_id] = made
        return made

    def redirect_to(self, client_id: str, redirect_uri: str) -> None:
        """One more address that the integration may send people back to."""
        self.account.clients[client_id].redirect_uris += (redirect_uri,)

    # --- what a person does in a base -----------------------------------------------------------------------------

    def add_row(self, table: SimulatedTable, **cells: Any) -> SimulatedRecord:
        """`cells` by the field's name, blanks as underscores allowed: First_name."""
        with self.account.lock:
            return table.add(_by_id(table, cells), self.account.clock.now())

    def edit_row(self, table: SimulatedTable, record_id: str, **cells: Any) -> None:
        """None clears."""
        with self.account.lock:
            record = table.records[record_id]
            for key, value in _by_id(table, cells, keep_empty=True).items():
                record.cells.pop(key, None)
                if value is not None:
                    record.cells[key] = value
            record.modified = self.account.clock.now()

    def delete_row(self, table: SimulatedTable, record_id: str) -> None:
        with self.account.lock:
            del table.records[record_id]

    def rows(self, table: SimulatedTable) -> list[Json]:
        """Cells of every row by the field's name, and its `id`."""
        with self.account.lock:
            return [
                {"id": row.id} | {each.name: shown(each, row) for each in table.fields if shown(each, row) is not None}
                for row in table.records.values()
            ]

    def add_field(self, table: SimulatedTable, name: str, kind: str = "singleLineText") -> SimulatedColumn:
        made = SimulatedColumn(new_id("fld"), name, kind)
        table.fields.append(made)
        return made

    def rename_field(self, table: SimulatedTable, name: str, new_name: str) -> None:
        _field(table, name).name = new_name

    def remove_field(self, table: SimulatedTable, name: str) -> RemovedField:
        """Its cells go with it, and come back with `restore_field`, as from the trash of a base."""
        gone = _field(table, name)
        with self.account.lock:
            table.fields.remove(gone)
            cells = {key: record.cells.pop(gone.id, None) for key, record in table.records.items()}
        return RemovedField(gone, cells)

    def restore_field(self, table: SimulatedTable, removed: RemovedField) -> None:
        with self.account.lock:
            table.fields.append(removed.field)
            for key, value in removed.cells.items():
                if value is not None and key in table.records:
                    table.records[key].cells[removed.field.id] = value

    def change_type(self, table: SimulatedTable, name: str, kind: str) -> None:
        """Cells that the new type does not take stay as they are, as those of a computed field do."""
        _field(table, name).type = kind

    def add_view(self, table: SimulatedTable, name: str, only: Sequence[str] | None = None) -> SimulatedView:
        made = SimulatedView(new_id("viw"), name, None if only is None else set(only))
        table.views.append(made)
        return made

    # --- OAuth ----------------------------------------------------------------------------------------------------

    def consent(self, client_id: str) -> Json:
        """A person says yes to everything; the answer of the token endpoint."""
        grant = SimulatedGrant(new_id("usr"), "owner@northwind.example", EVERY_SCOPE, None, client_id)
        self.account.grants.append(grant)
        return oauth.issue(self.account, grant)

    def expire_access_tokens(self) -> None:
        """Those of all integrations, now; personal ones never expire."""
        with self.account.lock:
            for each in self.account.grants:
                each.access_until = each.access_until and self.account.clock.now()

    def revoke_grants(self) -> None:
        """The person takes the integration's access away."""
        with self.account.lock:
            for each in self.account.grants:
                each.revoked = each.revoked or each.client_id is not None

    # --- looking --------------------------------------------------------------------------------------------------

    # --- switches -------------------------------------------------------------------------------------------------

    def fault(self, kind: str, match: str = "/v0/", **details: Any) -> None:
        """Of the next request that `match` is in; `times` and so on as in AirtableFault."""
        self.faults.add(AirtableFault(match=match, kind=kind, **details))  # type: ignore[arg-type]

    def advance(self, seconds: float) -> None:
        self.account.clock.advance(seconds)

    def switch(self, **wanted: Any) -> None:
        """Only what is named changes: requests_per_second, monthly_calls (None: no limit), access_seconds,
        refresh_seconds, iterator_seconds, bases_per_page, denies.
        """
        if "requests_per_second" in wanted:
            self.limits.per_base = wanted.pop("requests_per_second")
        if "monthly_calls" in wanted:
            self.limits.monthly = wanted.pop("monthly_calls")
        for name, value in wanted.items():
            if name not in {"access_seconds", "refresh_seconds", "iterator_seconds", "bases_per_page", "denies"}:
                raise ValueError(f"no such switch: {name}")
            setattr(self.account, name, value)


def _field(table: SimulatedTable, name: str) -> SimulatedColumn:
    found = table.field(name) or table.field(name.replace("_", " "))
    if found is None:
        raise ValueError(f"no such field: {name}")
    return found


def _by_id(table: SimulatedTable, cells: Mapping[str, Any], *, keep_empty: bool = False) -> dict[str, Any]:
    known = {field.id: accept(field, value, True) for field, value in ((_field(table, k), v) for k, v in cells.items())}
    return {key: value for key, value in known.items() if keep_empty or value is not None}
