"""The audit finds every difference between the two sides, and repair mends what may be mended."""

from collections.abc import Callable
from uuid import UUID

import pytest

from crm_relay.customers.audit import Audit, audit_everybody, repair
from crm_relay.customers.models import AuditFinding, Drift, SyncOptions
from local.simulators.mautic.state import SimulatedContact, SimulatedDoNotContact
from tests.support.customers.mautic_harness import MauticHarness
from tests.support.platform.rows import rows_of


def audited(harness: MauticHarness) -> Audit:
    """A whole audit."""
    return audit_everybody(harness.db, harness.mautic(), harness.now)


def with_customers(harness: MauticHarness) -> UUID:
    """Enough for two pages in one place, and one to plant differences at; in agreement."""
    for number in range(5):
        harness.customer(f"c{number}@example.com", segments=("vip",) if number % 2 else ("new", "newsletter"))
    harness.set_profile(harness.customer("out@example.com"), marketing_opt_in=False)
    harness.customer("fraction@example.com", spent="0.75", orders=0)
    chosen = harness.customer("ana@example.com", segments=("vip",))
    harness.sync()
    return chosen


def test_after_a_clean_run_the_audit_finds_nothing(harness: MauticHarness) -> None:
    with_customers(harness)

    audit = audited(harness)

    assert (audit.contacts, audit.checked, audit.pending, audit.findings) == (8, 8, 0, [])


def foreign_contact(harness: MauticHarness, **fields: str) -> None:
    """A contact that somebody else made in Mautic."""
    mautic = harness.simulator.mautic
    mautic.store(SimulatedContact(max(mautic.contacts) + 1, harness.now, fields=dict(fields)))


def edit_field(harness: MauticHarness, who: UUID) -> None:
    harness.simulator.mautic.set_value(harness.contact(who), "lastname", "Edited")


def remove_membership(harness: MauticHarness, who: UUID) -> None:
    harness.contact(who).segments.clear()


def add_membership(harness: MauticHarness, who: UUID) -> None:
    segment = next(each for each in harness.simulator.mautic.segments.values() if each.name == "New Customers")
    harness.contact(who).segments.add(segment.id)


def delete_contact(harness: MauticHarness, who: UUID) -> None:
    harness.simulator.delete_contact(harness.contact(who).id)


def unsubscribe_unseen(harness: MauticHarness, who: UUID) -> None:
    harness.contact(who).suppressions["email"] = SimulatedDoNotContact(
        99, "email", 1, "User unsubscribed.", harness.now
    )


PLANTED: dict[Drift, list[Callable[[MauticHarness, UUID], None]]] = {
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
    harness: MauticHarness, kind: Drift, plant: Callable[[MauticHarness, UUID], None]
) -> None:
    who = with_customers(harness)
    plant(harness, who)

    audit = audited(harness)
    assert [(each.drift, each.customer_id) for each in audit.findings] == [(kind, who)]

    repair(harness.db, audit, harness.now)
    harness.sync()
    assert harness.disagreements() == []
    assert audited(harness).findings == []
    if kind is Drift.OPTED_OUT_THERE:
        assert not harness.simulator.mailable(harness.contact(who).id), "an opt-out on either side wins"


def test_an_opt_out_there_of_a_customer_without_an_address_waits_for_the_first_one(harness: MauticHarness) -> None:
    who = with_customers(harness)
    unsubscribe_unseen(harness, who)
    rows_of(harness.db, "delete from customer_emails where customer_id = :id", id=who)
    finding = AuditFinding(Drift.OPTED_OUT_THERE, who, harness.contact(who).id)
    repair(harness.db, Audit(findings=[finding]), harness.now)
    rows_of(harness.db, "insert into customer_emails (customer_id, email) values (:id, 'new@example.com')", id=who)
    rows = rows_of(harness.db, "select kind from consent_events where address = 'new@example.com'")
    assert [row["kind"] for row in rows] == ["opt_out"]


def test_a_missing_do_not_contact_is_found_and_put_back(harness: MauticHarness) -> None:
    who = with_customers(harness)
    harness.set_profile(who, marketing_opt_in=False)
    harness.sync()
    harness.contact(who).suppressions.clear()

    audit = audited(harness)
    assert [(each.drift, each.customer_id) for each in audit.findings] == [(Drift.DNC_MISSING, who)]

    repair(harness.db, audit, harness.now)
    harness.sync()
    assert harness.disagreements() == []


def test_a_duplicated_contact_is_named_with_the_command_that_merges_it(harness: MauticHarness) -> None:
    who = with_customers(harness)
    original = harness.contact(who)
    foreign_contact(harness, email="twin@example.com", supabase_id=str(who))

    audit = audited(harness)

    duplicate = next(each for each in audit.findings if each.drift is Drift.DUPLICATE)
    assert duplicate.customer_id == who
    assert "mautic:contacts:deduplicate" in duplicate.detail
    assert original.id in harness.simulator.contacts


def test_a_contact_whose_customer_is_gone_without_a_trace_is_muted(harness: MauticHarness) -> None:
    who = with_customers(harness)
    contact_id = harness.contact(who).id
    harness.sql("delete from customer_profiles where id = :id", id=who)
    harness.sql("delete from mautic_removals")
    harness.sql("delete from mautic_dirty")

    audit = audited(harness)
    assert [(each.drift, each.contact_id) for each in audit.findings] == [(Drift.STRANGER, contact_id)]

    repair(harness.db, audit, harness.now)
    harness.sync()
    assert not harness.simulator.mailable(contact_id)


def test_a_change_that_has_not_gone_out_yet_is_no_difference(harness: MauticHarness) -> None:
    who = with_customers(harness)
    harness.set_profile(who, first_name="Changed")

    audit = audited(harness)

    assert (audit.pending, audit.findings) == (1, [])


def test_contacts_that_others_made_in_mautic_are_left_alone(harness: MauticHarness) -> None:
    with_customers(harness)
    foreign_contact(harness, email="newsletter-reader@example.com", supabase_id="crm-of-somebody-else-17")

    assert audited(harness).findings == []


def test_each_run_looks_at_a_sample_of_what_it_wrote(harness: MauticHarness) -> None:
    with_customers(harness)
    who = harness.customer("new@example.com")

    report = harness.sync(options=SyncOptions(pause_seconds=0, audit_sample=5))

    assert report.audit is not None
    assert (report.audit["customers_checked"], report.audit["findings"]) == (1, [])
    assert harness.contact(who) is not None
