"""Erases a person from Mautic and, once that is confirmed, from the customers' tables."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice
from typing import Any

from crm_relay.consent.address import normalise
from crm_relay.consent.person import Person
from crm_relay.customers import store
from crm_relay.customers.run import SyncContext
from crm_relay.customers.syncing.patience import patiently
from crm_relay.customers.who import contact_id_in, customer_id_in
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import RejectedInput, ServerFailed, TransientError
from crm_relay.providers.mautic.client import MAX_BATCH, RemoteContact

MOST_CUSTOMERS = 50
"""More customers than this with one address in common are no person, but a mailbox or a placeholder."""

_ROUNDS = 8
_LEASE_PAUSE = 2.0


def find_person(db: Queryable, who: str) -> Person:
    """Whom an e-mail address, a customer's id or a contact id of Mautic's means; customers with a common address are
    one person.

    An address that nobody has is a person all the same: traces of it may be anywhere. RejectedInput for an id that
    nobody has, and where too many customers hang together.
    """
    address = normalise(who)
    ids = (
        []
        if address
        else store.find_customers(db, address=None, customer_id=customer_id_in(who), contact_id=contact_id_in(who))
    )
    if address is None and not ids:
        raise RejectedInput("who: no address, and no id of a customer or a contact; after an erasure only addresses do")
    person = store.person_of(db, address=address, customer_ids=ids, limit=MOST_CUSTOMERS + 1)
    if len(person.customer_ids) > MOST_CUSTOMERS:
        raise RejectedInput(
            f"who: more than {MOST_CUSTOMERS} customers hang together by shared addresses, which is no person; "
            "take the shared address from the customer first and name the customer's id"
        )
    return _with_address(person, address)


def erase_contacts(run: SyncContext, person: Person) -> frozenset[int]:
    """Delete the person's contacts in Mautic until it finds none any more; returns their ids. Safe to call twice.

    Raises TransientError or FatalError; the sync is kept away meanwhile, so that it writes none of them again.
    """
    _take_lease(run)
    try:
        deleted = _delete_until_gone(run, person)
        store.forget_contacts(run.db, person.customer_ids)
    finally:
        run.lease.release()
    return deleted


def count_customers(db: Queryable, person: Person) -> dict[str, int]:
    """Table -> rows that are the person's."""
    return dict(store.count_person(db, person.customer_ids))


def erase_customers(db: Queryable, person: Person) -> dict[str, int]:
    """Delete the customers; returns table -> rows. RejectedInput where a table of the installation's own forbids it."""
    counts = count_customers(db, person)
    store.delete_customers(db, person.customer_ids)
    return counts


def _take_lease(run: SyncContext) -> None:
    while not run.lease.acquire():
        if not run.deadline.allows(_LEASE_PAUSE):
            raise TransientError("a run of the sync is at work")
        time.sleep(_LEASE_PAUSE)


def _delete_until_gone(run: SyncContext, person: Person) -> frozenset[int]:
    deleted: set[int] = set()
    for _ in range(_ROUNDS):
        present = iter(sorted(_contacts_of(run, person)))
        batch = list(islice(present, MAX_BATCH))
        if not batch:
            return frozenset(deleted)
        while batch:
            _delete(run, batch)
            deleted.update(batch)
            batch = list(islice(present, MAX_BATCH))
    raise ServerFailed("Mautic still shows contacts that it was told to delete")


def _delete(run: SyncContext, contact_ids: list[int]) -> None:
    run.lease.renew()
    patiently(run, lambda: run.mautic.delete_contacts(contact_ids), server_failures=1)


def _contacts_of(run: SyncContext, person: Person) -> set[int]:
    """By every id that is known here, and by what may have been changed there."""
    looks: list[Callable[[], list[RemoteContact]]] = [
        *(partial(_known, run, each) for each in person.contact_ids),
        *(partial(run.mautic.find_contacts, "supabase_id", str(each)) for each in person.customer_ids),
        *(partial(run.mautic.find_contacts, "email", each) for each in person.addresses),
    ]
    found: list[RemoteContact] = []
    for look in looks:
        run.lease.renew()
        found += patiently(run, look, server_failures=1)
    return {contact.contact_id for contact in found if _is_the_persons(contact.fields, person)}


def _known(run: SyncContext, contact_id: int) -> list[RemoteContact]:
    contact = run.mautic.contact(contact_id)
    return [] if contact is None else [contact]


def _is_the_persons(fields: Mapping[str, Any], person: Person) -> bool:
    """An id alone may be somebody else's by now: Mautic merges contacts and, installed again, begins at 1 again."""
    customer_id, address = fields.get("supabase_id"), fields.get("email")
    if not customer_id and not address:
        return True
    return customer_id_in(str(customer_id)) in person.customer_ids or normalise(str(address)) in person.addresses


def _with_address(person: Person, address: str | None) -> Person:
    if address is None:
        return person
    return Person(person.addresses | {address}, person.phones, person.customer_ids, person.contact_ids)
