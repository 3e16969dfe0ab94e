"""What was read for a batch of events, in our words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from crm_relay.engagement.decisions import OwnerVerdict, judge_owner
from crm_relay.engagement.models import AddressHolder, ContactDirectory, ContactOwners, FiledEvent, NamedCustomer
from crm_relay.platform.database import Row
from crm_relay.webhooks.source import ReadRows

BounceKey: TypeAlias = tuple[UUID, str]
"""A customer and an address."""

NumberKey: TypeAlias = tuple[str, str, UUID | None]
"""An event's key, the number and the organization, which is None for the installation's own."""


@dataclass(frozen=True)
class KnownEngagement:
    """`events` are stored; `consents` by address and organization; `erased`: addresses, customer ids and numbers.

    `waiting`: opt-outs from text messages that wait.
    """

    events: frozenset[str]
    named: Mapping[UUID, NamedCustomer]
    contacts: ContactOwners
    holders: Mapping[str, list[AddressHolder]]
    consents: Mapping[tuple[str, UUID | None], datetime]
    bounces: Mapping[BounceKey, FiledEvent]
    numbers: frozenset[NumberKey]
    waiting: frozenset[str]
    erased: frozenset[str]

    @classmethod
    def of(cls, rows: ReadRows, contacts: ContactDirectory) -> "KnownEngagement":
        """From the rows of `reads_of`."""
        return cls(
            events=frozenset(row["event_key"] for row in rows.get("known_events", ())),
            named={row["customer_id"]: NamedCustomer(**row) for row in rows.get("named_customers", ())},
            contacts=contacts.known(rows.get("contacts", ())),
            holders=_holders(rows.get("address_holders", [])),
            consents={(row["address"], row["org_id"]): row["consented_at"] for row in rows.get("consents", ())},
            bounces={(row["customer_id"], row["address"]): _bounce(row) for row in rows.get("latest_bounces", ())},
            numbers=frozenset(
                (row["event_key"], row["address"], row["org_id"])
                for row in rows.get("known_numbers", ())
                if row["address"] is not None
            ),
            waiting=frozenset(row["event_key"] for row in rows.get("known_numbers", ()) if row["address"] is None),
            erased=frozenset(row["number"] for row in rows.get("erased_numbers", ())).union(
                *(row["erased"] for row in rows.get("erased_marks", ()))
            ),
        )

    def owner_of(self, event: FiledEvent) -> OwnerVerdict:
        """Whose it is, and why."""
        named = None if event.customer_id is None else self.named.get(event.customer_id)
        of_contact = None if event.contact_id is None else self.contacts.owner_of(event.contact_id)
        return judge_owner(named, of_contact, self.holders_of(event))

    def holders_of(self, event: FiledEvent) -> list[AddressHolder]:
        """Who has the e-mail address of an event; nobody has a number for an address."""
        return [] if event.address is None else self.holders.get(event.address, [])


def _holders(rows: list[Row]) -> dict[str, list[AddressHolder]]:
    holders: dict[str, list[AddressHolder]] = {}
    for row in rows:
        holder = AddressHolder(**{name: value for name, value in row.items() if name != "address"})
        holders.setdefault(row["address"], []).append(holder)
    return holders


def _bounce(row: Row) -> FiledEvent:
    return FiledEvent(row["event_key"], "bounce", row["occurred_at"], address=row["address"])
