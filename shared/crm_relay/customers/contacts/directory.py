"""The statements by which other rooms ask for the customers of contacts."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from uuid import UUID

from crm_relay.customers.contacts.known_contacts import KnownContacts
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Json, Statement, queries_beside

_SQL = queries_beside(__file__)


class MauticContacts:
    """Handed to rooms that know a contact by its id alone."""

    def lock_customers(
        self, customer_ids: AbstractSet[UUID], contact_ids: AbstractSet[int], addresses: AbstractSet[str]
    ) -> Statement:
        """Anyone who has one of these; `addresses` are normalised."""
        return _SQL["lock_customers"].bind(
            customer_ids=sorted(customer_ids), contact_ids=sorted(contact_ids), addresses=sorted(addresses)
        )

    def lock(self, deleted: AbstractSet[int]) -> Statement:
        """Contacts that are about to be forgotten; behind their customers."""
        return _SQL["lock_contacts"].bind(contact_ids=sorted(deleted))

    def read(self, contact_ids: AbstractSet[int], *, with_phones: bool) -> Statement:
        """The rows of which `known` makes something; behind all locks."""
        return _SQL["owners_of_contacts"].bind(contact_ids=sorted(contact_ids), with_phones=with_phones)

    def known(self, rows: Sequence[Row]) -> KnownContacts:
        """From the rows of `read`; without rows nobody is known."""
        return KnownContacts.of(rows)

    def known_among(self, db: Queryable, contact_ids: Sequence[int]) -> list[int]:
        """Those that are or were a customer's."""
        return [row["contact_id"] for row in db.run(_SQL["known_contacts"], contact_ids=Json(list(contact_ids)))]


CONTACTS = MauticContacts()
