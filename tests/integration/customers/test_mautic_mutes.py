"""Who is muted in Mautic, who comes back, and what an audit makes of what it finds there."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from crm_relay.customers.audit import Audit, audit_everybody, repair
from crm_relay.customers.models import Drift, SyncOptions
from local.simulators.mautic import MauticFault
from local.simulators.mautic.state import SimulatedContact, SimulatedDoNotContact
from tests.support.customers.mautic_harness import MauticHarness


def audited(harness: MauticHarness) -> Audit:
    """A whole audit."""
    return audit_everybody(harness.db, harness.mautic(), harness.now)


def mute_there(harness: MauticHarness, who: UUID, reason: int, comments: str) -> None:
    """A do-not-contact in Mautic of which no webhook told."""
    harness.contact(who).suppressions["email"] = SimulatedDoNotContact(99, "email", reason, comments, harness.now)


def stranger(harness: MauticHarness, email: str, **fields: str) -> SimulatedContact:
    """A contact that nobody here made."""
    mautic = harness.simulator.mautic
    made = SimulatedContact(max(mautic.contacts, default=0) + 1000, harness.now, fields={"email": email, **fields})
    mautic.store(made)
    mautic.next_id("contact", made.id + 1)
    return made


def events_at(harness: MauticHarness, address: str) -> list[str]:
    """Kinds in the ledger."""
    rows = harness.sql("select kind from consent_events where address = :address order by id", address=address)
    return [row["kind"] for row in rows]


# --- who comes back -------------------------------------------------------------------------------------------------


def deleted_and_made_again(harness: MauticHarness) -> tuple[UUID, Any]:
    """A customer whose contact was muted when the row was deleted, and the row that follows it."""
    gone = harness.customer("ana@example.com")
    harness.customer("other@example.com")
    harness.sync()
    contact_id = harness.contact(gone).id
    harness.sql("delete from customer_profiles where id = :id", id=gone)
    harness.sync()
    assert not harness.simulator.mailable(contact_id)
    return harness.customer("ana@example.com"), contact_id


def test_a_customer_deleted_and_made_again_is_mailable_again(harness: MauticHarness) -> None:
    ana, contact_id = deleted_and_made_again(harness)
    harness.simulator.forget_requests()

    harness.sync()

    assert harness.contact(ana).id == contact_id
    assert harness.simulator.mailable(contact_id)
    assert harness.simulator.count("GET", f"/api/contacts/{contact_id}") <= 3, "the batch answer shows it"
    assert audited(harness).findings == []


@pytest.mark.parametrize("reason", [1, 2, 3])
def test_what_others_muted_meanwhile_stays_muted_and_is_known_here(harness: MauticHarness, reason: int) -> None:
    ana, contact_id = deleted_and_made_again(harness)
    entry = SimulatedDoNotContact(99, "email", reason, "User unsubscribed.", harness.now)
    harness.simulator.contacts[contact_id].suppressions["email"] = entry

    for _ in range(2):
        harness.sync(full=True)

    assert harness.contact(ana).dnc["email"][0] in {reason, 1}
    assert not harness.simulator.mailable(contact_id)
    assert events_at(harness, "ana@example.com") == ["hard_bounce" if reason == 2 else "opt_out"]
    assert audited(harness).findings == []


def test_a_bounce_of_ours_ends_with_the_address_that_bounced(harness: MauticHarness) -> None:
    ana = harness.customer("ana@example.com")
    harness.sql("update customer_emails set is_valid = false where customer_id = :id", id=ana)
    harness.sync()
    assert harness.contact(ana).dnc["email"][0] == 2

    harness.sql("update customer_emails set email = 'new@example.com', is_valid = true where customer_id = :id", id=ana)
    harness.sync()

    assert harness.simulator.mailable(harness.contact(ana).id)


def test_a_mute_of_ours_that_nothing_asks_for_is_found_and_lifted(harness: MauticHarness) -> None:
    ana = harness.customer("ana@example.com")
    harness.sync()
    mute_there(harness, ana, 3, "CRM Relay")

    audit = audited(harness)
    assert [each.drift for each in audit.findings] == [Drift.DNC_LEFT_OVER]
    repair(harness.db, audit, harness.now)
    harness.sync()

    assert harness.simulator.mailable(harness.contact(ana).id)
    assert audited(harness).findings == []


# --- who may not be contacted ---------------------------------------------------------------------------------------


def test_who_may_not_be_contacted_is_muted_where_mautic_had_the_address_before(harness: MauticHarness) -> None:
    reader, twin = stranger(harness, "ANA@example.com"), stranger(harness, "ana@example.com", supabase_id="other-tool")
    bystander = stranger(harness, "bob@example.com")
    harness.customer("ana@example.com", do_not_contact=True)
    harness.customer("unknown@example.com", do_not_contact=True)

    report = harness.sync()

    assert report.suppressed == 2
    assert not harness.simulator.mailable(reader.id)
    assert not harness.simulator.mailable(twin.id)
    assert harness.simulator.mailable(bystander.id)
    assert len(harness.simulator.contacts) == 3, "nothing else of them goes to Mautic"
    harness.simulator.forget_requests()
    assert harness.sync(full=True).requests == 0, "one search each, once"


def test_a_night_finds_who_may_not_be_contacted_and_was_never_looked_for(harness: MauticHarness) -> None:
    """As after an upgrade: nothing of them was ever remembered, and nothing of them changes."""
    reader = stranger(harness, "ana@example.com")
    harness.customer("ana@example.com", do_not_contact=True)
    harness.sql("delete from mautic_dirty")

    harness.sync(full=True)

    assert not harness.simulator.mailable(reader.id)
    harness.simulator.forget_requests()
    assert harness.sync(full=True).requests == 0


def test_a_run_out_of_time_goes_on_with_the_searches(harness: MauticHarness) -> None:
    reader = stranger(harness, "ana@example.com")
    harness.customer("ana@example.com", do_not_contact=True)

    assert harness.sync(seconds=1, options=SyncOptions(pause_seconds=0)).unfinished
    assert harness.simulator.mailable(reader.id)
    harness.sync()
    assert not harness.simulator.mailable(reader.id)


def test_an_opt_out_mutes_duplicates_that_nobody_here_knows(harness: MauticHarness) -> None:
    ana = harness.customer("ana@example.com")
    harness.sync()
    twin = stranger(harness, "ana@example.com")

    harness.set_profile(ana, marketing_opt_in=False)
    harness.sync()

    assert not harness.simulator.mailable(harness.contact(ana).id)
    assert not harness.simulator.mailable(twin.id)


@pytest.mark.parametrize("is_known", [True, False])
def test_an_audit_finds_mailable_duplicates_of_who_is_muted(harness: MauticHarness, is_known: bool) -> None:
    ana = harness.customer("ana@example.com", do_not_contact=not is_known)
    harness.customer("other@example.com")
    harness.sync()
    if is_known:
        harness.set_profile(ana, marketing_opt_in=False)
        harness.sync()
    twin = stranger(harness, "ana@example.com")

    audit = audited(harness)
    assert [(each.drift, each.contact_id) for each in audit.findings] == [(Drift.MAILABLE_DUPLICATE, twin.id)]
    repair(harness.db, audit, harness.now)
    harness.sync()

    assert not harness.simulator.mailable(twin.id)
    assert audited(harness).findings == []


def test_new_customers_who_opted_out_before_cost_no_search(harness: MauticHarness) -> None:
    for number in range(20):
        who = harness.customer(f"c{number}@example.com")
        harness.set_profile(who, marketing_opt_in=False)

    assert harness.sync().requests <= 5
    assert harness.simulator.count("GET", "where") == 0


# --- the reason is kept ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "kind", "opted_in"), [(1, "opt_out", False), (2, "hard_bounce", True), (3, "opt_out", False)]
)
def test_the_reason_is_kept_from_mautic_to_the_ledger(
    harness: MauticHarness, reason: int, kind: str, opted_in: bool
) -> None:
    ana = harness.customer("ana@example.com", opt_in=True)
    harness.sync()
    mute_there(harness, ana, reason, "550 no such user")

    audit = audited(harness)
    assert [each.drift for each in audit.findings] == [Drift.OPTED_OUT_THERE]
    repair(harness.db, audit, harness.now)
    harness.sync()

    assert events_at(harness, "ana@example.com") == [kind], "once, and no second one by the customer's row"
    row = harness.sql("select marketing_opt_in, opted_out_at from customer_profiles where id = :id", id=ana)[0]
    assert (row["marketing_opt_in"], row["opted_out_at"] is None) == (opted_in, opted_in)
    held = harness.contact(ana).suppressions["email"]
    assert held.reason == {1: 1, 2: 2, 3: 1}[reason]
    assert held.comments == "CRM Relay" if reason == 3 else "550 no such user"
    assert audited(harness).findings == []


# --- one row does not stop the others --------------------------------------------------------------------------------


def test_a_search_that_mautic_fails_on_stops_nobody_else_and_is_made_again(harness: MauticHarness) -> None:
    reader, other = stranger(harness, "ana@example.com"), stranger(harness, "eva@example.com")
    ana = harness.customer("ana@example.com", do_not_contact=True)
    harness.customer("eva@example.com", do_not_contact=True)
    harness.simulator.fault("ana%40example.com", "500_before", times=9)

    report = harness.sync()

    assert set(report.failures) == {ana}
    assert (harness.simulator.mailable(reader.id), harness.simulator.mailable(other.id)) == (True, False)
    harness.simulator.faults.clear()
    harness.now += timedelta(minutes=16)
    assert harness.sync().failures == {}
    assert not harness.simulator.mailable(reader.id)


def test_a_lift_that_mautic_fails_on_stops_no_row_and_is_made_up_for(harness: MauticHarness) -> None:
    _, contact_id = deleted_and_made_again(harness)
    harness.simulator.faults.add(MauticFault("batch/edit", "500_before", times=9, in_body='"reason": 0'))

    report = harness.sync()
    harness.simulator.faults.clear()

    assert report.failures == {}
    assert not harness.simulator.mailable(contact_id)
    assert report.audit is not None
    assert report.audit["differences"] == {Drift.DNC_LEFT_OVER.value: 1}, "the run looks at what it wrote"
    harness.sync()
    assert harness.simulator.mailable(contact_id)
