"""The organization that init describes, on the real schema."""

from datetime import UTC, datetime

import pytest

from cli.init.organization import OrganizationMade, set_up_organization
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from tests.support.platform.rows import rows_of

NOW = datetime(2026, 12, 1, tzinfo=UTC)
ANSWERS = {
    "ORGANIZATION": "Engines",
    "POSTAL_ADDRESS": "1 Example Street",
    "SENDER_ADDRESS": "ada@engines.example",
    "SENDER_NAME": "Ada",
}


def senders(database: Database) -> list[tuple[str, str, bool]]:
    rows = rows_of(database, "select from_address, from_name, is_default from email_identities order by from_address")
    return [(row["from_address"], row["from_name"], row["is_default"]) for row in rows]


def test_the_first_organization_gets_name_address_and_sender_and_a_repetition_changes_nothing(
    database: Database,
) -> None:
    made = [set_up_organization(database, ANSWERS, NOW) for _ in range(2)]
    assert made == [OrganizationMade("Engines", "ada@engines.example", ())] * 2
    assert rows_of(database, "select name, postal_address from organizations") == [
        {"name": "Engines", "postal_address": "1 Example Street"}
    ]
    assert senders(database) == [("ada@engines.example", "Ada", True)]


def test_another_sender_becomes_the_default_and_what_is_left_out_stays(database: Database) -> None:
    set_up_organization(database, ANSWERS, NOW)
    made = set_up_organization(database, {"SENDER_ADDRESS": "ben@engines.example"}, NOW)
    assert made == OrganizationMade("Engines", "ben@engines.example", ())
    set_up_organization(database, {"SENDER_ADDRESS": "Ada@Engines.example"}, NOW)
    assert senders(database) == [("ada@engines.example", "Ada", True), ("ben@engines.example", None, False)]
    assert set_up_organization(database, {}, NOW) == OrganizationMade("Engines", "ada@engines.example", ())


def test_what_an_organization_still_lacks_is_named(database: Database) -> None:
    assert set_up_organization(database, {}, NOW).lacks == ("a postal address", "a sender")


def test_a_name_that_somebody_gave_is_kept(database: Database) -> None:
    rows_of(database, "update organizations set name = 'Northwind'")
    assert set_up_organization(database, ANSWERS, NOW).organization == "Northwind"


def test_of_several_organizations_one_has_to_be_named(database: Database) -> None:
    rows_of(database, "update organizations set name = 'Northwind'")
    rows_of(database, "insert into organizations (name) values ('Contoso')")
    with pytest.raises(RejectedInput) as raised:
        set_up_organization(database, ANSWERS, NOW)
    assert raised.value.details == ("Northwind", "Contoso")
    assert senders(database) == []
    set_up_organization(database, {**ANSWERS, "ORGANIZATION": "Contoso"}, NOW)
    assert rows_of(database, "select name from organizations where postal_address is not null") == [{"name": "Contoso"}]
