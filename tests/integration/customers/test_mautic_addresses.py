"""Mail goes to the address that was meant, and nobody is mailed at one that they have left."""

from datetime import timedelta
from uuid import UUID

import pytest

from local.simulators.mautic import MauticFault
from local.simulators.mautic.state import SimulatedDoNotContact
from tests.support.customers.mautic_harness import MauticHarness

DROPPED = "the address has characters that Mautic drops or refuses"


def move(harness: MauticHarness, who: UUID, email: str) -> None:
    """Another address for a customer."""
    harness.sql("update customer_emails set email = :email where customer_id = :id", email=email, id=who)


def addresses(harness: MauticHarness) -> list[str]:
    """What Mautic would mail to."""
    contacts = harness.simulator.contacts
    return sorted(str(each.fields["email"]) for each in contacts.values() if each.fields.get("email"))


@pytest.mark.parametrize("sign", [*'/ "(),:;<>\\\t%&*^[]', "\u200bé", "é"])
def test_an_address_that_mautic_would_make_anothers_or_refuse_is_refused_as_a_row(
    harness: MauticHarness, sign: str
) -> None:
    bob = harness.customer("bobsmith@example.com", first_name="Bob")
    harness.sync()
    other = harness.customer(f"bob{sign}smith@example.com", first_name="Other")

    report = harness.sync()

    if (
        harness.sql("select address from mautic_sync_source where customer_id = :id", id=other)[0]["address"]
        is not None
    ):
        assert report.failures == {other: DROPPED}
    assert (harness.contact(bob).fields["firstname"], harness.contact(other)) == ("Bob", None)
    assert harness.sync().requests == 0


@pytest.mark.parametrize(
    ("written", "arrives"),
    [
        ("Ana Silva <ana@example.com>", "ana@example.com"),
        (" Ana@Example.com ", "Ana@Example.com"),
        ("mailto:ana@example.com,", "ana@example.com"),
        ("ana@exämple.com", "ana@xn--exmple-cua.com"),
        ("ana+x_y.z=1@example.com", "ana+x_y.z=1@example.com"),
    ],
)
def test_an_address_that_is_harmlessly_written_arrives(harness: MauticHarness, written: str, arrives: str) -> None:
    ana = harness.customer(written)

    assert harness.sync().failures == {}

    assert harness.contact(ana).fields["email"] == arrives
    assert harness.disagreements() == []


def test_an_address_that_mautic_changes_all_the_same_is_taken_away_again(harness: MauticHarness) -> None:
    ana = harness.customer("ana@example.com")
    harness.sync()
    stored = harness.simulator.mautic.set_value
    harness.simulator.mautic.set_value = lambda contact, alias, value: stored(  # type: ignore[method-assign]
        contact, alias, value.replace("!", "") if alias == "email" and value else value
    )
    move(harness, ana, "a!na@example.net")

    report = harness.sync()

    assert report.failures == {ana: "Mautic has changed the address"}
    assert addresses(harness) == []


@pytest.mark.parametrize("pairs", [1, 5])
def test_customers_who_exchange_their_addresses_have_each_others(harness: MauticHarness, pairs: int) -> None:
    people = [harness.customer(f"p{number}@example.com") for number in range(2 * pairs)]
    harness.sync()
    before = {who: harness.contact(who).id for who in people}
    harness.simulator.forget_requests()

    for number, who in enumerate(people):
        move(harness, who, f"p{number ^ 1}@example.com")
    report = harness.sync()

    assert report.failures == {}
    assert {who: harness.contact(who).fields["email"] for who in people} == {
        who: f"p{number ^ 1}@example.com" for number, who in enumerate(people)
    }
    assert {who: harness.contact(who).id for who in people} == before, "everybody keeps their history"
    assert harness.simulator.count("PATCH", "batch/edit") == 3, "refused, freed, written: however many they are"
    assert harness.disagreements() == []


def test_addresses_that_go_round_in_a_ring_arrive(harness: MauticHarness) -> None:
    ring = [harness.customer(f"p{number}@example.com") for number in range(4)]
    harness.sync()

    for number, who in enumerate(ring):
        move(harness, who, f"p{(number + 1) % 4}@example.com")

    assert harness.sync().failures == {}
    assert harness.disagreements() == []


def test_an_address_that_a_customer_elsewhere_still_has_in_mautic_goes_to_its_owner(harness: MauticHarness) -> None:
    """The older customer keeps the address here too, so that its row is a conflict and is not written."""
    older, younger = harness.customer("a@example.com", created_days_ago=9), harness.customer("b@example.com")
    harness.sql("update customer_profiles set created_at = now() where id = :id", id=younger)
    harness.sync()

    move(harness, younger, "a@example.com")
    report = harness.sync()

    assert report.failures == {}
    assert harness.contact(younger).fields["email"] == "a@example.com"
    assert addresses(harness) == ["a@example.com"]
    assert harness.status(older)["conflict_owner_id"] == younger


def test_who_takes_the_address_of_a_deleted_customer_gets_it(harness: MauticHarness) -> None:
    gone, ana = harness.customer("gone@example.com"), harness.customer("ana@example.com")
    harness.sync()
    harness.sql("delete from customer_profiles where id = :id", id=gone)
    harness.sync()

    move(harness, ana, "gone@example.com")

    assert harness.sync().failures == {}
    assert (harness.contact(ana).fields["email"], addresses(harness)) == ("gone@example.com", ["gone@example.com"])


def test_the_opt_out_of_a_stranger_moves_along_with_the_address(harness: MauticHarness) -> None:
    ana = harness.customer("ana@example.com")
    harness.sync()
    body = [{"email": "reader@example.com", "doNotContact": [{"channel": "email", "reason": 1, "comments": "self"}]}]
    harness.mautic().create_contacts(body)

    move(harness, ana, "reader@example.com")

    assert harness.sync().failures == {}
    assert harness.contact(ana).fields["email"] == "reader@example.com"
    assert not harness.simulator.mailable(harness.contact(ana).id)
    rows = harness.sql("select kind from consent_events where address = 'reader@example.com'")
    assert [row["kind"] for row in rows] == ["opt_out"]
    assert harness.sync(full=True).failures == {}
    assert not harness.simulator.mailable(harness.contact(ana).id)


@pytest.mark.parametrize("is_deleted", [False, True])
def test_the_opt_out_of_a_former_holder_that_nobody_knows_here_stays_with_the_address(
    harness: MauticHarness, is_deleted: bool
) -> None:
    """Mautic's webhook did not bring it; the mark belongs to the mailbox, also under its new owner."""
    left, ana = harness.customer("left@example.com"), harness.customer("ana@example.com")
    harness.sync()
    entry = SimulatedDoNotContact(9, "email", 1, "User unsubscribed.", harness.now)
    harness.contact(left).suppressions["email"] = entry
    if is_deleted:
        harness.sql("delete from customer_profiles where id = :id", id=left)
    else:
        move(harness, left, "ana@example.com")
    move(harness, ana, "left@example.com")

    assert harness.sync().failures == {}

    assert harness.contact(ana).fields["email"] == "left@example.com"
    assert not harness.simulator.mailable(harness.contact(ana).id)
    rows = harness.sql("select kind from consent_events where address = 'left@example.com'")
    assert "opt_out" in {row["kind"] for row in rows}


def test_a_contact_of_another_installation_keeps_its_address(harness: MauticHarness) -> None:
    ana = harness.customer("ana@example.com")
    harness.sync()
    harness.mautic().create_contacts([{"email": "taken@example.com", "supabase_id": "crm-of-somebody-else-17"}])

    move(harness, ana, "taken@example.com")
    report = harness.sync()

    assert list(report.failures) == [ana]
    assert "another installation" in report.failures[ana]
    assert addresses(harness) == ["taken@example.com"], "the one that she left is not mailed"


def test_a_contact_that_is_known_by_its_id_alone_gets_the_address_of_another_one(harness: MauticHarness) -> None:
    """Mautic answers 422 to a create of which the address means one contact and the id another one."""
    ana, eva = harness.customer("ana@example.com"), harness.customer("eva@example.com")
    harness.sync()
    contact_id = harness.contact(ana).id
    harness.sql(
        "update mautic_sync_status set mautic_contact_id = null, sync_hash = null where customer_id = :i", i=ana
    )
    move(harness, eva, "new@example.com")
    harness.simulator.mautic.set_value(harness.simulator.contacts[contact_id], "email", "old@example.com")
    move(harness, ana, "eva@example.com")

    assert harness.sync().failures == {}
    assert harness.contact(ana).id == contact_id
    assert harness.disagreements() == []


def test_who_moves_to_an_address_that_cannot_be_written_is_not_mailed_at_the_old_one(harness: MauticHarness) -> None:
    ana = harness.customer("ana@example.com")
    harness.sync()
    move(harness, ana, "josé@example.com")
    harness.set_profile(ana, first_name="Anna")

    report = harness.sync()

    assert report.failures == {ana: DROPPED}
    assert addresses(harness) == []
    assert harness.contact(ana).fields["firstname"] == "Anna", "the rest of the row is written"
    harness.now += timedelta(hours=25)
    assert harness.sync().requests == 0, "and not again with every attempt"

    move(harness, ana, "jose@example.com")
    assert harness.sync().failures == {}
    assert addresses(harness) == ["jose@example.com"]
    assert harness.disagreements() == []


def test_who_moves_to_an_address_that_mautic_refuses_is_not_mailed_at_the_old_one(harness: MauticHarness) -> None:
    ana = harness.customer("ana@example.com")
    harness.sync()

    move(harness, ana, "ana@localhost")
    report = harness.sync()

    assert report.failures == {ana: "Mautic refused it with status 400 (email)"}
    assert addresses(harness) == []
    assert harness.status(ana)["mautic_contact_id"] == harness.contact(ana).id


@pytest.mark.parametrize("fault", ["where", '"email": null'])
def test_an_address_that_cannot_be_freed_stops_nobody_else(harness: MauticHarness, fault: str) -> None:
    ana, eva = harness.customer("ana@example.com"), harness.customer("eva@example.com")
    gone = harness.customer("gone@example.com")
    harness.sync()
    harness.sql("delete from customer_profiles where id = :id", id=gone)
    harness.sync()
    move(harness, ana, "gone@example.com")
    harness.set_profile(eva, first_name="Eva")
    match, body = ("where", "") if fault == "where" else ("batch/edit", fault)
    harness.simulator.faults.add(MauticFault(match, "500_before", times=99, in_body=body))

    report = harness.sync()
    harness.simulator.faults.clear()

    assert set(report.failures) == {ana}
    assert harness.contact(eva).fields["firstname"] == "Eva"
    harness.now += timedelta(minutes=16)
    assert harness.sync().failures == {}
    assert harness.contact(ana).fields["email"] == "gone@example.com"
