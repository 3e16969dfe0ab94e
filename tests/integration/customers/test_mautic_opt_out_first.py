"""An opt-out reaches Mautic even where nothing else of the customer can be written."""

from datetime import timedelta

import pytest

from local.simulators.mautic import MauticFault
from tests.support.customers.mautic_harness import MauticHarness


def test_who_moves_to_an_address_that_opted_out_and_collides_gets_it_and_is_muted(harness: MauticHarness) -> None:
    """Found by the random histories: Mautic refused the edit as a whole, do-not-contact included, for good."""
    harness.set_profile(harness.customer("gone@example.com", created_days_ago=5), marketing_opt_in=True)
    ana = harness.customer("ana@example.com", created_days_ago=3)
    harness.sync()
    harness.sql("update customer_profiles set marketing_opt_in = false where id <> :id", id=ana)
    harness.sql("update customer_emails set email = 'gone@example.com' where customer_id = :id", id=ana)

    assert harness.sync().failures == {}
    assert harness.sync().failures == {}, "the person who lost the address is looked at once more"

    assert harness.contact(ana).fields["email"] == "gone@example.com"
    assert not harness.simulator.mailable(harness.contact(ana).id)
    assert harness.disagreements() == []


def test_who_opts_out_with_an_address_that_mautic_cannot_hold_is_muted_all_the_same(harness: MauticHarness) -> None:
    ana = harness.customer("ana@example.com")
    harness.sync()
    harness.sql("update customer_emails set email = 'ána@example.com' where customer_id = :id", id=ana)
    harness.set_profile(ana, marketing_opt_in=False)

    harness.sync()

    assert "characters" in harness.status(ana)["sync_error"]
    assert not harness.simulator.mailable(harness.contact(ana).id)


@pytest.mark.parametrize("kind", ["500_before", "500_after_partial"])
def test_where_mautic_can_take_nothing_of_a_contact_the_others_go_on(harness: MauticHarness, kind: str) -> None:
    ana, eva = harness.customer("ana@example.com"), harness.customer("eva@example.com")
    harness.sync()
    for who in (ana, eva):
        harness.set_profile(who, marketing_opt_in=False)
    there = harness.contact(ana).id
    harness.simulator.faults.add(MauticFault(f"contacts/{there}/dnc", "500_before", times=9))
    harness.simulator.faults.add(MauticFault("batch", kind, times=999, after_items=0, in_body="ana@example.com"))  # type: ignore[arg-type]

    report = harness.sync()
    harness.simulator.faults.clear()

    assert set(report.failures) == {ana}
    assert not harness.simulator.mailable(harness.contact(eva).id)
    harness.now += timedelta(hours=25)
    harness.sync()
    assert not harness.simulator.mailable(harness.contact(ana).id)
    assert harness.disagreements() == []


@pytest.mark.parametrize("is_down", [False, True])
def test_a_contact_that_mautic_fails_on_behind_its_creation_is_known_here(
    harness: MauticHarness, is_down: bool
) -> None:
    """Found by the random histories: made, and nobody knew whose it was once its customer was deleted."""
    ana = harness.customer("ana@example.com", spent="0.5")
    eva = harness.customer("eva@example.com")
    harness.simulator.faults.add(MauticFault("PUT", "500_before", times=9))
    if is_down:
        harness.simulator.faults.add(MauticFault("GET /api/segments", "500_before", times=9))

    report = harness.sync()
    harness.simulator.faults.clear()

    assert set(report.failures) == (set() if is_down else {ana})
    assert harness.status(ana)["mautic_contact_id"] == harness.contact(ana).id
    harness.now += timedelta(hours=25)
    harness.sync()
    assert harness.contact(ana).fields["total_spent"] == 0.5
    assert harness.contact(eva) is not None
    assert harness.disagreements() == []
