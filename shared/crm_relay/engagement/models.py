"""Events as the database files them, and what has to be known to say whose they are."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

from crm_relay.consent.address import end_of_number, normalise, normalise_phone
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Statement
from crm_relay.providers.mautic.events import MauticEvent
from crm_relay.providers.mautic.vocabulary import EventKind
from crm_relay.webhooks.models import Counted


@dataclass(frozen=True)
class FiledEvent:
    """What of an event says whose it is and what follows.

    `address` is in its one form: a number of an opt-out from text messages, else an e-mail address; None where there is
    none, or no such form. `customer_id` is who the contact names, whether or not there is such a customer.
    `number_end` is what is known of a number without its country. `is_erased`: it was about a person who was erased.
    """

    key: str | None
    kind: EventKind
    occurred_at: datetime
    contact_id: int | None = None
    customer_id: UUID | None = None
    address: str | None = None
    is_erased: bool = False
    number_end: str | None = None

    @classmethod
    def of(cls, event: MauticEvent) -> "FiledEvent":
        """As Mautic reports it."""
        form = normalise_phone if event.kind == "sms_opt_out" else normalise
        address = form(event.address) if event.address else None
        end = end_of_number(event.address or "") if event.kind == "sms_opt_out" and address is None else None
        return cls(
            event.key, event.kind, event.occurred_at, event.contact_id, event.customer_id, address, number_end=end
        )

    @property
    def without_person(self) -> "FiledEvent":
        """That something happened, and nothing else."""
        return replace(self, contact_id=None, customer_id=None, address=None, number_end=None, is_erased=True)


class Owner(Protocol):
    """The customer whose an event is.

    `org_id` None is the installation's own organization; `phones` are the customer's numbers, where they were read.
    """

    @property
    def customer_id(self) -> UUID: ...

    @property
    def org_id(self) -> UUID | None: ...

    @property
    def phones(self) -> Sequence[str]: ...


@dataclass(frozen=True)
class NamedCustomer:
    """A customer that an event names by id."""

    customer_id: UUID
    org_id: UUID | None
    phones: Sequence[str] = ()


@dataclass(frozen=True)
class AddressHolder:
    """A customer who has an address, and what bounces have made of it so far. `email_id` is the address's own row."""

    email_id: UUID
    customer_id: UUID
    org_id: UUID | None
    created_at: datetime
    bounces: int = 0
    is_valid: bool = True
    phones: Sequence[str] = ()


class Deletion(Protocol):
    """What the deletion of a contact means."""

    @property
    def counted(self) -> Counted: ...


class ContactOwners(Protocol):
    """Whose the contacts of a batch are or were; a deletion counts for the events behind it."""

    def owner_of(self, contact_id: int) -> Owner | None: ...

    def delete(self, contact_id: int) -> Deletion: ...

    def statements(self) -> Iterator[Statement]: ...


class ContactDirectory(Protocol):
    """What the room that keeps Mautic's contacts is asked; handed in, since it is a neighbour."""

    def lock_customers(
        self, customer_ids: AbstractSet[UUID], contact_ids: AbstractSet[int], addresses: AbstractSet[str]
    ) -> Statement: ...

    def lock(self, deleted: AbstractSet[int]) -> Statement: ...

    def read(self, contact_ids: AbstractSet[int], *, with_phones: bool) -> Statement: ...

    def known(self, rows: Sequence[Row]) -> ContactOwners: ...

    def known_among(self, db: Queryable, contact_ids: Sequence[int]) -> list[int]: ...
