"""The audit finds every difference between the two sides, and repair mends what may be mended."""

from collections.abc import Callable
from uuid import UUID

import pytest

from crm_relay.customers.audit import Audit, audit_everybody, repair
from crm_relay.customers.models import Drift, SyncOptions
from local.simulators.mautic.state import SimulatedContact, SimulatedDoNotContact
from tests.support.customers.mautic_world import MauticWorld


def audited(world: MauticWorld) -> Audit:
    """A whole audit."""
    return audit_everybody(world.db, world.mautic(), world.now)


def with_customers(world: MauticWorld) -> UUID:
    """Enough for two pages in one place, and one to plant differences at; in agreement."""
    for number in range(5):
        world.customer(f"c{number}@example.com", segments=("vip",) if number % 2 else ("new", "newsletter"))
    world.set_profile(world.customer("out@example.com"), marketing_opt_in=False)
    world.customer("fraction@example.com", spent="0.75", orders=0)
    chosen = world.customer("ana@example.com", segments=("vip",))
    world.sync()
    return chosen


def test_after_a_clean_run_the_audit_finds_nothing(world: MauticWorld) -> None:
    with_customers(world)

    audit = audited(world)

    assert (audit.contacts, audit.checked, audit.pending, audit.findings) == (8, 8, 0, [])


def foreign_contact(world: MauticWorld, **fields: str) -> None:
    """A contact that somebody else made in Mautic."""
    mautic = world.simulator.mautic
    mautic.store(SimulatedContact(max(mautic.contacts) + 1, world.now, fields=dict(fields)))


def edit_field(world: MauticWorld, who: UUID) -> None:
    world.simulator.mautic.set_value(world.contact(who), "lastname", "Edited")


def remove_membership(world: MauticWorld, who: UUID) -> None:
    world.contact(who).segments.clear()


def add_membership(world: MauticWorld, who: UUID) -> None:
    segment = next(each for each in world.simulator.mautic.segments.values() if each.name == "New Customers")
    world.contact(who).segments.add(segment.id)


def delete_contact(world: MauticWorld, who: UUID) -> None:
    world.simulator.delete_contact(world.contact(who).id)


def unsubscribe_unseen(world: MauticWorld, who: UUID) -> None:
    world.contact(who).suppressions["email"] = SimulatedDoNotContact(99, "email", 1, "User unsubscribed.", world.now)


PLANTED: dict[Drift, list[Callable[[MauticWorld, UUID], None]]] = {
    Drift.FIELD: [edit_field],
    Drift.MEMBERSHIP: [remove_membership, add_membership],
    Drift.DELETED: [delete_contact],
    Drift.OPTED_OUT_THERE: [unsubscribe_unseen],
}


@pytest.mark.parametrize(
    ("kind", "plant"),
    [(kind, plant) for kind, plants in PLANTED.items() for plant in plants],
    ids=lambda value: value.name if isinstance(value, Drift) else value.__name__,
)
def test_a_planted_difference_is_found_and_mended(
    world: MauticWorld, kind: Drift, plant: Callable[[MauticWorld, UUID], None]
) -> None:
    who = with_customers(world)
    plant(world, who)

    audit = audited(world)
    assert [(each.drift, each.customer_id) for each in audit.findings] == [(kind, who)]

    repair(world.db, audit, world.now)
    world.sync()
    assert world.disagreements() == []
    assert audited(world).findings == []
    if kind is Drift.OPTED_OUT_THERE:
        assert not world.simulator.mailable(world.contact(who).id), "an opt-out on either side wins"


def test_a_missing_do_not_contact_is_found_and_put_back(world: MauticWorld) -> None:
    who = with_customers(world)
    world.set_profile(who, marketing_opt_in=False)
    world.sync()
    world.contact(who).suppressions.clear()

    audit = audited(world)
    assert [(each.drift, each.customer_id) for each in audit.findings] == [(Drift.DNC_MISSING, who)]

    repair(world.db, audit, world.now)
    world.sync()
    assert world.disagreements() == []


def test_a_duplicated_contact_is_named_with_the_command_that_merges_it(world: MauticWorld) -> None:
    who = with_customers(world)
    original = world.contact(who)
    foreign_contact(world, email="twin@example.com", supabase_id=str(who))

    audit = audited(world)

    duplicate = next(each for each in audit.findings if each.drift is Drift.DUPLICATE)
    assert duplicate.customer_id == who
    assert "mautic:contacts:deduplicate" in duplicate.detail
    assert original.id in world.simulator.contacts


def test_a_contact_whose_customer_is_gone_without_a_trace_is_muted(world: MauticWorld) -> None:
    who = with_customers(world)
    contact_id = world.contact(who).id
    world.sql("delete from customer_profiles where id = :id", id=who)
    world.sql("delete from mautic_removals")
    world.sql("delete from mautic_dirty")

    audit = audited(world)
    assert [(each.drift, each.contact_id) for each in audit.findings] == [(Drift.STRANGER, contact_id)]

    repair(world.db, audit, world.now)
    world.sync()
    assert not world.simulator.mailable(contact_id)


def test_a_change_that_has_not_gone_out_yet_is_no_difference(world: MauticWorld) -> None:
    who = with_customers(world)
    world.set_profile(who, first_name="Changed")

    audit = audited(world)

    assert (audit.pending, audit.findings) == (1, [])


def test_contacts_that_others_made_in_mautic_are_left_alone(world: MauticWorld) -> None:
    with_customers(world)
    foreign_contact(world, email="newsletter-reader@example.com", supabase_id="crm-of-somebody-else-17")

    assert audited(world).findings == []


def test_each_run_looks_at_a_sample_of_what_it_wrote(world: MauticWorld) -> None:
    with_customers(world)
    who = world.customer("new@example.com")

    report = world.sync(options=SyncOptions(pause_seconds=0, audit_sample=5))

    assert report.audit is not None
    assert (report.audit["customers_checked"], report.audit["findings"]) == (1, [])
    assert world.contact(who) is not None
