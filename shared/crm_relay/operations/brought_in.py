"""Finds the people that an import brought in beside the beginning of an erasure."""

from dataclasses import replace

from crm_relay.consent.person import Person
from crm_relay.customers.erase import find_person
from crm_relay.imports.store import wait_for_batches
from crm_relay.platform.database import Queryable


def with_brought_in(db: Queryable, person: Person) -> Person:
    """With customers that an import brought in while the person was looked for; behind the block of their return.

    Waits for batches that may not know of the block; what they bring in of other tables is found by its address.
    """
    wait_for_batches(db)
    found = [find_person(db, address) for address in sorted(person.addresses)]
    return replace(
        person,
        addresses=person.addresses.union(*(each.addresses for each in found)),
        phones=person.phones.union(*(each.phones for each in found)),
        customer_ids=person.customer_ids.union(*(each.customer_ids for each in found)),
        contact_ids=person.contact_ids.union(*(each.contact_ids for each in found)),
    )
