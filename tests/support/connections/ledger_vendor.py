"""The made-up service as the contract kit plays with it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from crm_relay.providers.connectors.contract import Connector
from tests.support.connections.connection_stage import FIELDS
from tests.support.connections.kit import KitVendor
from tests.support.connections.ledger_connector import LedgerConnector
from tests.support.connections.ledger_simulator import LedgerSimulator

_THEIRS = {ours: each["id"] for ours, each in FIELDS.items()}
_OURS = {theirs: ours for ours, theirs in _THEIRS.items()}


class LedgerVendor:
    """By our names of fields."""

    connector: Connector = LedgerConnector()

    def __init__(self, simulator: LedgerSimulator) -> None:
        self._sim = simulator
        self.url = simulator.url

    def settings(self) -> Mapping[str, Any]:
        return {"book": "main", "fields": FIELDS}

    def grant(self) -> Mapping[str, Any]:
        return self._sim.grant()

    def add(self, fields: Mapping[str, Any]) -> str:
        return self._sim.add(_theirs(fields))

    def edit(self, their_id: str, fields: Mapping[str, Any]) -> None:
        self._sim.edit(their_id, _theirs(fields))

    def delete(self, their_id: str) -> None:
        self._sim.delete(their_id)

    def people(self) -> Mapping[str, Mapping[str, Any]]:
        return {
            one: {_OURS[name]: value for name, value in fields.items()} for one, fields in self._sim.people().items()
        }

    def fault(self, kind: str) -> None:
        self._sim.fault("/books/", kind)

    def heal(self) -> None:
        self._sim.faults.clear()

    def created(self) -> Counter[str]:
        return self._sim.creations


def _theirs(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {_THEIRS[ours]: value for ours, value in fields.items()}


def ledgers() -> Iterator[KitVendor]:
    """One that rotates its refresh tokens and kills the old access token."""
    with LedgerSimulator(rotates=True, kills=True) as simulator:
        yield LedgerVendor(simulator)
