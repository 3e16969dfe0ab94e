"""The SQL of an import, and nothing else's; a batch costs the same number of statements whatever its size."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

from crm_relay.consent.decisions import ConsentFact
from crm_relay.imports.models import KnownPerson, PersonKind
from crm_relay.platform.database import Queryable, Transaction
from crm_relay.platform.sql import Json, Statement, queries_beside

_SQL = queries_beside(__file__)
# In this order: who is known first, since a new number is only for those who have none.
_UPDATES: Mapping[PersonKind, tuple[str, ...]] = {
    PersonKind.CONTACTS: ("update_contacts",),
    PersonKind.PROSPECTS: ("update_prospects",),
    PersonKind.CUSTOMERS: (
        *("update_customers", "update_customer_phones", "insert_customer_phones"),
        *("update_customer_addresses", "insert_customer_addresses"),
    ),
}
_INSERTS: Mapping[PersonKind, tuple[str, ...]] = {
    PersonKind.CONTACTS: ("insert_contacts",),
    PersonKind.PROSPECTS: ("insert_prospects",),
    PersonKind.CUSTOMERS: (
        *("insert_customers", "insert_customer_emails", "insert_customer_phones", "insert_customer_addresses"),
    ),
}
_LOCKS: Mapping[PersonKind, str] = {
    PersonKind.CONTACTS: "lock_contacts",
    PersonKind.PROSPECTS: "lock_prospects",
    PersonKind.CUSTOMERS: "lock_customers",
}
_READS: Mapping[PersonKind, str] = {
    PersonKind.CONTACTS: "read_contacts",
    PersonKind.PROSPECTS: "read_prospects",
    PersonKind.CUSTOMERS: "read_customers",
}
_OF_ORGANIZATION = {"insert_contacts", "insert_prospects", "insert_customers"}
_TIMELESS = {"update_customer_phones", "update_customer_addresses", "insert_customer_addresses"}


@dataclass(frozen=True)
class KnownPeople:
    """What is known of the addresses of a batch."""

    people: Mapping[str, KnownPerson] = field(default_factory=dict)
    erased: frozenset[str] = frozenset()
    facts: Mapping[str, Sequence[ConsentFact]] = field(default_factory=dict)


def organizations(db: Queryable) -> list[tuple[UUID, str]]:
    """Id and name, some of them where there are many."""
    return [(row["id"], row["name"]) for row in db.run(_SQL["organizations"])]


def read_known(tx: Transaction, kind: PersonKind, org_id: UUID, addresses: list[str], *, locks: bool) -> KnownPeople:
    """`locks`: until the end of the transaction nobody else imports, changes these people or erases anybody."""
    first = [_SQL["plan_by_index"].bind()]
    if locks:
        first += [_SQL["hold_imports"].bind(org=org_id), _SQL["hold_erasures"].bind()]
        first += [_SQL[_LOCKS[kind]].bind(org=org_id, addresses=addresses)]
    tx.send_all(first)
    rows = tx.run(_SQL[_READS[kind]], org=org_id, addresses=addresses)
    people = {row["address"]: KnownPerson(row["id"], row["fields"], row["is_deleted"]) for row in rows}
    # Whatever the file brings, and of whichever row of an address: a consent would clear the opt-out of each of them.
    said = tx.run(_SQL["read_consent"], org=org_id, addresses=addresses)[0]
    facts: defaultdict[str, list[ConsentFact]] = defaultdict(list)
    for row in said["facts"]:
        address = row["address"] or said["addresses_of_contacts"][row["contact_id"]]
        facts[address].append(ConsentFact.of_json(row))
    return KnownPeople(people, frozenset(said["erased"]), facts)


def wait_for_batches(db: Queryable) -> None:
    """Until no batch is under way that may not know of what was committed before this call."""
    db.run(_SQL["wait_for_batches"])


def writing(
    kind: PersonKind, org_id: UUID, new: Mapping[str, Mapping[str, str]], changed: Mapping[UUID, object], now: datetime
) -> list[Statement]:
    """For `new`, by address, and `changed`, by id: each with the fields to write."""
    inserted = Json([{"id": uuid4(), "address": address, "fields": dict(fields)} for address, fields in new.items()])
    updated = Json([{"id": person, "fields": fields} for person, fields in sorted(changed.items())])
    names = [(name, updated) for name in _UPDATES[kind]] if changed else []
    names += [(name, inserted) for name in _INSERTS[kind]] if new else []
    return [_bound(name, people, org_id, now) for name, people in names]


def _bound(name: str, people: Json, org_id: UUID, now: datetime) -> Statement:
    if name in _TIMELESS:
        return _SQL[name].bind(people=people)
    if name in _OF_ORGANIZATION:
        return _SQL[name].bind(people=people, org=org_id, now=now)
    return _SQL[name].bind(people=people, now=now)
