"""A country or a state that this Mautic spells otherwise costs one request more a run, and empties nothing."""

from uuid import UUID

import pytest

from crm_relay.customers.models import SyncOptions
from local.simulators.mautic.contacts import values
from local.simulators.mautic.contacts.places import COUNTRIES
from tests.support.customers.mautic_harness import MauticHarness


def place(harness: MauticHarness, who: UUID, **columns: str | None) -> None:
    """The primary address of a customer."""
    harness.sql("delete from customer_addresses where customer_id = :id", id=who)
    harness.sql(
        """insert into customer_addresses (customer_id, suburb, state, country, is_primary)
           values (:id, 'Town', :state, :country, true)""",
        id=who,
        state=columns.get("state"),
        country=columns.get("country"),
    )


def test_a_name_of_another_version_gives_way_once_a_run(
    harness: MauticHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "COUNTRIES", COUNTRIES - {"Turkey"} | {"Türkiye"})
    people = [harness.customer(f"c{number}@example.com") for number in range(20)]
    for who in people:
        place(harness, who, country="TUR")

    assert harness.sync().failures == {}

    assert {harness.contact(who).fields["country"] for who in people} == {"Türkiye"}
    assert harness.simulator.count("POST", "batch/new") == 2, "all of the batch together"
    assert harness.disagreements() == []


@pytest.mark.parametrize("unknown", [{"country": "Narnia"}, {"country": "Germany", "state": "Atlantis"}])
def test_an_unknown_spelling_does_not_empty_what_stands_there(harness: MauticHarness, unknown: dict[str, str]) -> None:
    ana = harness.customer("ana@example.com")
    place(harness, ana, country="US", state="TX")
    harness.sync()

    place(harness, ana, **unknown)
    harness.sync()

    fields = harness.contact(ana).fields
    assert (fields["country"], fields["city"]) == ("Germany" if "state" in unknown else "United States", "Town")
    assert fields["state"] is None if "state" not in unknown else fields["state"] == "Texas"
    assert set(harness.status(ana)["left_out"]) == {"state" if "state" in unknown else "country"}

    place(harness, ana)
    harness.sync()
    assert harness.contact(ana).fields["country"] is None, "what the CRM does not name any more is emptied"


def test_states_by_code_cost_no_second_request(harness: MauticHarness) -> None:
    for number, (state, country) in enumerate([("TX", "US"), ("NSW", "Australia"), ("on", "CAN"), ("Ohio", None)] * 5):
        place(harness, harness.customer(f"c{number}@example.com"), state=state, country=country)

    assert harness.sync().failures == {}

    assert harness.simulator.count("POST", "batch/new") == 1
    assert harness.disagreements() == []


def test_a_state_that_was_refused_is_not_sent_again_in_the_run(harness: MauticHarness) -> None:
    for number in range(30):
        place(harness, harness.customer(f"c{number}@example.com"), state="Atlantis", country="DE")

    harness.sync(options=SyncOptions(batch_size=10, pause_seconds=0))

    assert harness.simulator.count("POST", "batch/new") == 4, "the first batch twice"
