"""The database names at least those deliveries in which something of the person will be found."""

import json
import re

import pytest

from crm_relay.consent.person import Person
from crm_relay.sources.mautic import redact
from crm_relay.webhooks.people.needles import likely, suspicious
from tests.support.customers.mautic_hooks import all_recorded

RECORDED = [hook.body.decode() for hook in all_recorded()]
FORMS = {"as Mautic writes it": RECORDED, "as redaction leaves it": [json.dumps(json.loads(body)) for body in RECORDED]}


def named(needles: list[str], body: str) -> bool:
    """As the database decides."""
    return any(needle in body.lower() for needle in needles)


def suspected(person: Person, body: str) -> bool:
    """The same for patterns, but for an underscore, which there stands for any letter."""
    return named([each.removeprefix("%").removesuffix("%").replace("\\\\", "\\") for each in suspicious(person)], body)


def contacts_of(body: str) -> list[Person]:
    """Everybody whom the delivery would lose something of, by a number that stands in it."""
    numbers = {int(number) for number in re.findall(r'"id": ?(\d+)', body)}
    people = [Person(contact_ids=frozenset({number})) for number in sorted(numbers)]
    return [person for person in people if redact(body, person) is not None]


@pytest.mark.parametrize("form", FORMS)
def test_whoever_a_recorded_delivery_is_about_is_found_in_it_by_the_contact_id_alone(form: str) -> None:
    found = [(body, person) for body in FORMS[form] for person in contacts_of(body)]
    assert len(found) > 20
    for body, person in found:
        assert named(likely(person), body)
        assert suspected(person, body)


def test_a_number_of_something_else_is_likely_nobodys() -> None:
    others = [
        (body, number)
        for body in RECORDED
        for number in range(1, 10)
        if f'"id":{number},' in body and redact(body, Person(contact_ids=frozenset({number}))) is None
    ]
    assert len(others) > 20
    assert not any(named(likely(Person(contact_ids=frozenset({number}))), body) for body, number in others)


@pytest.mark.parametrize(
    "written",
    ["Jörg/Ö@example.com", r"j\u00f6rg\/\u00f6@example.com", "j%C3%B6rg%2F%C3%B6%40example.com"],
)
def test_an_address_is_named_however_a_delivery_writes_it(written: str) -> None:
    person = Person(addresses=frozenset({"jörg/ö@example.com"}))
    assert named(likely(person), f'{{"email":"{written}"}}')
    assert suspected(person, f'{{"email":"{written}"}}')


def test_of_nobody_nothing_is_looked_for() -> None:
    assert likely(Person()) == suspicious(Person()) == []
