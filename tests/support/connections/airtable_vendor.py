"""A simulated Airtable as the contract kit plays with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from crm_relay.providers.airtable.connector import AirtableConnector
from crm_relay.providers.connectors.contract import Connector
from local.simulators.airtable import AirtableSimulator
from tests.support.connections.airtable_sync_stage import airtable_clock, oauth_client
from tests.support.connections.kit import KitVendor

_NAMES = {"email": "Email", "first_name": "First name", "last_name": "Last name", "title": "Title"}
_OWNERS = {"email": "latest", "first_name": "ours", "last_name": "theirs", "title": "latest"}
_KINDS = {"500": "500_before", "lost": "cut_after", "html": "200_page"}
"""The kit's word for a fault -> the simulator's, where it is another one."""


class AirtableVendor:
    connector: Connector = AirtableConnector()

    def __init__(self, simulator: AirtableSimulator, email_type: str) -> None:
        self._sim = simulator
        self.url = simulator.url
        self._base = simulator.base()
        self._table = simulator.table(self._base, fields=dict.fromkeys(_NAMES.values(), "singleLineText"))
        simulator.change_type(self._table, "Email", email_type)
        oauth_client(simulator)
        self._ids = {each.name: each.id for each in self._table.fields}

    def settings(self) -> Mapping[str, Any]:
        fields = {ours: {"id": self._ids[name], "owner": _OWNERS[ours]} for ours, name in _NAMES.items()}
        return {"base_id": self._base.id, "table_id": self._table.id, "fields": fields, "plan": "business"}

    def grant(self) -> Mapping[str, Any]:
        return self._sim.consent("client")

    def add(self, fields: Mapping[str, Any]) -> str:
        return self._sim.add_row(self._table, **_theirs(fields)).id

    def edit(self, their_id: str, fields: Mapping[str, Any]) -> None:
        self._sim.edit_row(self._table, their_id, **_theirs(fields))

    def delete(self, their_id: str) -> None:
        self._sim.delete_row(self._table, their_id)

    def people(self) -> Mapping[str, Mapping[str, Any]]:
        ours = {name: each for each, name in _NAMES.items()}
        return {
            row["id"]: {ours[name]: value for name, value in row.items() if name != "id"}
            for row in self._sim.rows(self._table)
        }

    def fault(self, kind: str) -> None:
        self._sim.fault(_KINDS.get(kind, kind), match="/v0/", seconds=0.05)

    def heal(self) -> None:
        """After a 429 the base is locked for a while."""
        self._sim.faults.clear()
        self._sim.advance(31)

    def created(self) -> Counter[str]:
        return Counter(str(each.cells[self._ids["Email"]]) for each in self._sim.account.made)


def _theirs(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {_NAMES[ours]: value for ours, value in fields.items()}


def airtables(email_type: str) -> Iterator[KitVendor]:
    """One account with one empty table."""
    with AirtableSimulator(clock=airtable_clock(), requests_per_second=None) as simulator:
        yield AirtableVendor(simulator, email_type)
