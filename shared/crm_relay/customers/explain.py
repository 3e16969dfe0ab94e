"""Why a customer is in Mautic as it is: the present decision and what is remembered, for `crm-relay why`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from crm_relay.consent.address import normalise, normalise_phone
from crm_relay.consent.person import Person
from crm_relay.customers import store
from crm_relay.customers.decisions import decide, membership_change, wanted_memberships
from crm_relay.customers.erase import MOST_CUSTOMERS
from crm_relay.customers.models import Customer
from crm_relay.customers.who import contact_id_in, customer_id_in
from crm_relay.platform.database import Queryable, Row

T = TypeVar("T")

DNC_REASONS = {1: "unsubscribed", 2: "bounced", 3: "asked not to be contacted"}


@dataclass(frozen=True)
class MembershipsExplained:
    """Slugs: `wanted` in Mautic, `confirmed` by it (for certain once `are_settled`), and of segments `only_here`."""

    wanted: tuple[str, ...]
    confirmed: tuple[str, ...]
    are_settled: bool
    only_here: tuple[str, ...]


@dataclass(frozen=True)
class Explanation:
    """One customer. `wanted_dnc` None: nothing speaks against a mail. `address` is for the ledger, not for a log.

    `contact_id` is the contact that a run would write to, its own or one that it takes over; `open_notes` counts the
    changes that no run has read yet.
    """

    customer_id: UUID
    address: str | None
    action: str
    reason: str
    wanted_dnc: str | None
    joins: tuple[str, ...]
    leaves: tuple[str, ...]
    memberships: MembershipsExplained
    contact_id: int | None
    former_contacts: list[Row]
    open_notes: int
    status: Row


@dataclass(frozen=True)
class Explained:
    """Everybody who was meant, and as `person` all by which the other rooms may know them.

    `left_out` counts customers beyond MOST_CUSTOMERS; `removals` are contacts of customers who were deleted.
    """

    customers: list[Explanation]
    left_out: int
    removals: list[Row]
    person: Person


def explain(db: Queryable, who: str, now: datetime) -> Explained:
    """Everybody that `who` means: an e-mail address, a customer id, a contact id of Mautic's.

    What nobody has is looked for all the same: the other rooms may remember a person that this one has forgotten.
    """
    customer_id, contact_id = customer_id_in(who), contact_id_in(who)
    everybody = store.find_customers(db, address=normalise(who), customer_id=customer_id, contact_id=contact_id)
    found = everybody[:MOST_CUSTOMERS]
    known, status = store.known_by(db, found), store.status_of(db, found)
    customers = [
        _explanation(each, known.get(each.customer_id, {}), status.get(each.customer_id, {}))
        for each in store.read_customers(db, found, now)
    ]
    meant = found if customer_id is None else [*found, customer_id]
    removals = store.removals_of(db, contact_id=contact_id, customer_ids=meant)
    person = _person(who, meant, known.values(), [*status.values(), *removals])
    return Explained(customers, len(everybody) - len(found), removals, person)


def _explanation(customer: Customer, known: Row, status: Row) -> Explanation:
    decision, change = decide(customer), membership_change(customer)
    wanted = wanted_memberships(customer)
    return Explanation(
        customer_id=customer.customer_id,
        address=customer.address,
        action=decision.action.value,
        reason=decision.reason,
        wanted_dnc=DNC_REASONS.get(customer.wanted_dnc_reason or 0),
        joins=tuple(sorted(change.join)),
        leaves=tuple(sorted(change.leave)),
        memberships=MembershipsExplained(
            wanted=tuple(sorted(wanted)),
            confirmed=tuple(sorted(customer.segments)),
            are_settled=customer.segments_settled,
            only_here=tuple(sorted(customer.wanted_segments - wanted)),
        ),
        contact_id=customer.present_contact_id,
        former_contacts=known.get("former_contacts", []),
        open_notes=known.get("open_notes", 0),
        status=status,
    )


def _person(who: str, customer_ids: Sequence[UUID], known: Iterable[Row], contacts: Iterable[Row]) -> Person:
    """A former contact that is a stranger's now is the stranger's."""
    rows, ours = list(known), {None, *map(str, customer_ids)}
    former = [each for row in rows for each in row["former_contacts"] if each["now_of"] in ours]
    return Person(
        addresses=_given([normalise(who), *(each for row in rows for each in row["addresses"])]),
        phones=_given([normalise_phone(who), *(each for row in rows for each in row["phones"])]),
        customer_ids=frozenset(customer_ids),
        contact_ids=_given([contact_id_in(who), *(each["mautic_contact_id"] for each in (*contacts, *former))]),
    )


def _given(values: Iterable[T | None]) -> frozenset[T]:
    return frozenset(each for each in values if each is not None)
