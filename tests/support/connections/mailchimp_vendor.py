"""A simulated Mailchimp as the contract kit plays with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from crm_relay.providers.connectors.contract import Connector
from crm_relay.providers.mailchimp.connector import MailchimpConnector
from local.simulators.mailchimp import MailchimpSimulator
from tests.support.connections.kit import KitVendor

_TAGS = {"first_name": "FNAME", "last_name": "LNAME", "title": "TITLE"}
_OWNERS = {"email": "latest", "first_name": "ours", "last_name": "theirs", "title": "latest"}


class MailchimpVendor:
    connector: Connector = MailchimpConnector()

    def __init__(self, simulator: MailchimpSimulator) -> None:
        self._sim = simulator
        self.url = simulator.url
        self._audience = simulator.audience(fields=dict.fromkeys(_TAGS.values(), "text"))
        self._ids = {each.tag: str(each.merge_id) for each in self._audience.fields}

    def settings(self) -> Mapping[str, Any]:
        fields = {ours: {"id": self._ids[tag], "owner": _OWNERS[ours]} for ours, tag in _TAGS.items()}
        return {"list_id": self._audience.id, "fields": {"email": {"id": "email"}, **fields}}

    def grant(self) -> Mapping[str, Any]:
        return {"access_token": self._sim.token()}

    def add(self, fields: Mapping[str, Any]) -> str:
        given = dict(fields)
        return self._sim.add(self._audience, given.pop("email"), **_theirs(given)).contact_id

    def edit(self, their_id: str, fields: Mapping[str, Any]) -> None:
        self._sim.edit(self._audience, self._audience.members[their_id], **_theirs(fields))

    def delete(self, their_id: str) -> None:
        self._sim.delete(self._audience, self._audience.members[their_id])

    def people(self) -> Mapping[str, Mapping[str, Any]]:
        return {
            each.contact_id: {"email": each.address}
            | {ours: each.merges[tag] for ours, tag in _TAGS.items() if each.merges.get(tag)}
            for each in self._audience.members.values()
            if each.status != "archived"
        }

    def fault(self, kind: str) -> None:
        self._sim.fault(kind, match="/", seconds=0.05)

    def heal(self) -> None:
        self._sim.faults.clear()
        self._sim.advance(31)

    def created(self) -> Counter[str]:
        return self._sim.state.created


def _theirs(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {_TAGS[ours]: value for ours, value in fields.items()}


def mailchimps() -> Iterator[KitVendor]:
    """One account with one empty audience."""
    with MailchimpSimulator() as simulator:
        yield MailchimpVendor(simulator)
