"""Whose a contact is or was, and what its deletion in Mautic means."""

from uuid import UUID

from crm_relay.customers.contacts.known_contacts import (
    FORGOTTEN,
    REPEATED,
    UNKNOWN,
    ContactOwner,
    KnownContacts,
)
from crm_relay.platform.database import Row

ADA, BEA = UUID(int=1), UUID(int=2)


def row(contact_id: int, customer_id: UUID, *, is_former: bool = False) -> Row:
    return {
        "contact_id": contact_id,
        "customer_id": customer_id,
        "is_former": is_former,
        "org_id": None,
        "phones": ["+61400111222"],
    }


def owner(customer_id: UUID) -> ContactOwner:
    return ContactOwner(customer_id, None, ["+61400111222"])


def test_a_contact_is_whose_it_is_now_and_else_whose_it_was() -> None:
    known = KnownContacts.of([row(1, BEA, is_former=True), row(1, ADA), row(2, BEA, is_former=True)])
    assert known.owner_of(1) == owner(ADA)
    assert known.owner_of(2) == owner(BEA)
    assert known.owner_of(3) is None


def test_of_several_with_one_contact_the_first_has_it() -> None:
    assert KnownContacts.of([row(1, ADA), row(1, BEA)]).owner_of(1) == owner(ADA)


def test_a_deletion_counts_once_and_the_contact_stays_its_customers_in_memory() -> None:
    known = KnownContacts.of([row(1, ADA), row(2, BEA, is_former=True)])
    assert [known.delete(contact) for contact in (1, 1, 2, 3)] == [FORGOTTEN, REPEATED, REPEATED, UNKNOWN]
    assert known.owner_of(1) == owner(ADA)


def test_whose_a_contact_was_first_stays_known_when_it_is_deleted_as_anothers() -> None:
    known = KnownContacts.of([row(1, ADA), row(1, BEA, is_former=True)])
    known.delete(1)
    assert known.owner_of(1) == owner(BEA)


def test_everybody_who_had_the_deleted_contact_is_written_once() -> None:
    known = KnownContacts.of([row(1, ADA), row(1, BEA), row(2, ADA)])
    assert list(known.statements()) == []
    for contact in (2, 1, 1):
        known.delete(contact)
    forget, remember, note = (statement.values for statement in known.statements())
    pairs = [{"contact_id": 1, "customer_id": ADA}, {"contact_id": 1, "customer_id": BEA}]
    expected = [*pairs, {"contact_id": 2, "customer_id": ADA}]
    assert forget["contacts"].rows == remember["contacts"].rows == expected  # type: ignore[union-attr]
    assert note["customers"].rows == [{"customer_id": ADA}, {"customer_id": BEA}]  # type: ignore[union-attr]
