"""An opt-out reaches Mautic even where nothing else of the customer can be written."""

from datetime import timedelta

import pytest

from local.simulators.mautic import MauticFault
from tests.support.customers.mautic_world import MauticWorld


def test_who_moves_to_an_address_that_opted_out_and_collides_is_muted_all_the_same(world: MauticWorld) -> None:
    """Found by the random histories: Mautic refused the edit as a whole, do-not-contact included, for good."""
    world.set_profile(world.customer("gone@example.com", created_days_ago=5), marketing_opt_in=True)
    ana = world.customer("ana@example.com", created_days_ago=3)
    world.sync()
    world.sql("update customer_profiles set marketing_opt_in = false where id <> :id", id=ana)
    world.sql("update customer_emails set email = 'gone@example.com' where customer_id = :id", id=ana)

    for _ in range(2):
        world.sync()
        world.now += timedelta(hours=25)

    assert "deduplicate" in world.status(ana)["sync_error"]
    assert not world.simulator.mailable(world.contact(ana).id)
    assert world.simulator.count("POST", "/dnc/") == 1, "once, not with every attempt"
    assert world.disagreements() == []


def test_who_opts_out_with_an_address_that_mautic_cannot_hold_is_muted_all_the_same(world: MauticWorld) -> None:
    ana = world.customer("ana@example.com")
    world.sync()
    world.sql("update customer_emails set email = 'ána@example.com' where customer_id = :id", id=ana)
    world.set_profile(ana, marketing_opt_in=False)

    world.sync()

    assert "characters" in world.status(ana)["sync_error"]
    assert not world.simulator.mailable(world.contact(ana).id)


@pytest.mark.parametrize("kind", ["500_before", "500_after_partial"])
def test_where_mautic_can_take_nothing_of_a_contact_the_others_go_on(world: MauticWorld, kind: str) -> None:
    ana, eva = world.customer("ana@example.com"), world.customer("eva@example.com")
    world.sync()
    for who in (ana, eva):
        world.set_profile(who, marketing_opt_in=False)
    there = world.contact(ana).id
    world.simulator.faults.add(MauticFault(f"contacts/{there}/dnc", "500_before", times=9))
    world.simulator.faults.add(MauticFault("batch", kind, times=999, after_items=0, in_body="ana@example.com"))  # type: ignore[arg-type]

    report = world.sync()
    world.simulator.faults.clear()

    assert set(report.failures) == {ana}
    assert not world.simulator.mailable(world.contact(eva).id)
    world.now += timedelta(hours=25)
    world.sync()
    assert not world.simulator.mailable(world.contact(ana).id)
    assert world.disagreements() == []
