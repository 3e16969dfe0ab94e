"""Mautic's webhook is looked after: switched off, it comes back, and what happened meanwhile is read, once."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from crm_relay.consent.grant import grant_consent
from crm_relay.customers.setup.watch_hook import watch_hook
from crm_relay.operations.watch_webhook import Watched, watch_webhook
from crm_relay.platform.clock import Deadline
from crm_relay.platform.errors import ServerFailed
from crm_relay.providers.mautic.statistics import client as statistics
from crm_relay.providers.mautic.vocabulary import HOOK_EVENTS
from crm_relay.webhooks.models import Delivered
from crm_relay.webhooks.store import keep_deliveries
from local.simulators.mautic import MauticFault
from local.simulators.mautic.state import SimulatedDoNotContact, SimulatedHook
from tests.support.customers.mautic_harness import MauticHarness
from tests.support.customers.mautic_receiver import MauticReceiver

URL = "https://relay.example.com/webhooks/mautic"


def watch(harness: MauticHarness, *, seconds: float = 600) -> Watched:
    return watch_webhook(harness.db, harness.mautic(), harness.now, Deadline.after(seconds))


def hooked(harness: MauticHarness) -> tuple[MauticReceiver, SimulatedHook]:
    """A webhook of ours that is on, seen so by the watch, and a receiver behind it."""
    harness.simulator.mautic.now = lambda: harness.now
    harness.now = harness.now.replace(microsecond=0)
    receiver = MauticReceiver(harness)
    harness.simulator.webhooks.send = receiver.send  # type: ignore[method-assign]
    hook = harness.simulator.hook(URL, "secret", HOOK_EVENTS)
    assert watch(harness).trouble is None
    return receiver, hook


def contact_of(harness: MauticHarness, customer_id: UUID) -> int:
    return int(harness.contact(customer_id).id)


def known_events(harness: MauticHarness) -> list[dict[str, Any]]:
    return harness.sql(
        """select customer_id, event_type, campaign_name, email_subject, link_url, mautic_email_id, occurred_at,
               event_key, is_machine, verdict
           from customer_email_engagement order by event_key"""
    )


def test_a_hook_that_is_on_costs_one_request_and_says_nothing(harness: MauticHarness) -> None:
    harness.simulator.hook(URL, "secret", ["mautic.email_on_open"])

    watched = watch(harness)

    assert (watched.hook.hooks, watched.hook.switched_off, watched.trouble) == (1, 0, None)
    assert harness.simulator.count("GET") == 1


def test_a_hook_that_was_switched_off_is_switched_on_and_the_gap_is_filled(harness: MauticHarness) -> None:
    ana, eva = harness.customer("ana@example.com"), harness.customer("eva@example.com")
    harness.sync()
    hook = harness.simulator.hook(URL, "secret", ["mautic.lead_channel_subscription_changed"])
    triggers, hook.published = list(hook.triggers), False
    harness.contact(ana).suppressions["email"] = SimulatedDoNotContact(7, "email", 1, "User unsubscribed.", harness.now)
    harness.simulator.delete_contact(harness.contact(eva).id)

    watched = watch(harness)

    assert (watched.hook.hooks, watched.hook.switched_off) == (1, 1)
    assert watched.trouble is not None
    assert hook.published
    assert list(hook.triggers) == triggers
    assert watched.hook.contacts is not None
    assert {each.customer_id for each in watched.hook.contacts.findings} == {ana, eva}
    assert harness.sql("select opted_out_at is not null as out from customer_profiles where id = :id", id=ana) == [
        {"out": True}
    ]
    harness.sync()
    assert harness.disagreements() == []
    assert watch(harness).trouble is None


def test_a_mautic_without_our_hook_is_told_and_others_hooks_are_left_alone(harness: MauticHarness) -> None:
    other = harness.simulator.hook("https://elsewhere.example.com/hook", "secret", ["mautic.email_on_open"])
    other.published = False

    watched = watch(harness)

    assert watched.hook.hooks == 0
    assert "crm-relay mautic setup" in (watched.trouble or "")
    assert not other.published


def test_a_gap_stays_open_when_the_watch_dies_right_after_switching_the_hook_on(harness: MauticHarness) -> None:
    """Found by the random histories: the next watch saw the hook on and read nothing."""
    ana = harness.customer("ana@example.com")
    harness.sync()
    _, hook = hooked(harness)
    hook.published = False
    harness.contact(ana).suppressions["email"] = SimulatedDoNotContact(7, "email", 1, "User unsubscribed.", harness.now)
    harness.simulator.faults.add(MauticFault("/api/segments", "500_before", times=9))
    with pytest.raises(ServerFailed):
        watch(harness)
    assert hook.published
    harness.simulator.faults.clear()

    watched = watch(harness)

    assert watched.hook.contacts is not None
    assert harness.sql("select opted_out_at is not null as out from customer_profiles") == [{"out": True}]
    assert watch(harness).trouble is None


def test_who_left_in_the_gap_is_known_even_while_a_change_of_theirs_is_open(harness: MauticHarness) -> None:
    """The audit passed over customers with an open change, and after their next run nobody looked again."""
    ana, eva = harness.customer("ana@example.com"), harness.customer("eva@example.com")
    harness.sync()
    harness.set_profile(eva, marketing_opt_in=False)
    harness.sync()
    harness.contact(eva).suppressions["email"] = SimulatedDoNotContact(8, "email", 1, "User unsubscribed.", harness.now)
    harness.now += timedelta(minutes=5)
    grant_consent(harness.db, "eva@example.com", evidence="asked on the phone", granted_by="test", now=harness.now)
    _, hook = hooked(harness)
    hook.published = False
    harness.contact(ana).suppressions["email"] = SimulatedDoNotContact(7, "email", 1, "User unsubscribed.", harness.now)
    harness.set_profile(ana, last_name="Changed")

    watch(harness)
    harness.sync()

    rows = harness.sql("select id, opted_out_at is not null as out from customer_profiles order by created_at, id")
    assert {row["id"]: row["out"] for row in rows} == {ana: True, eva: False}
    assert harness.simulator.mailable(contact_of(harness, eva)), "whoever came back is not taken for one who left"
    assert not harness.simulator.mailable(contact_of(harness, ana))


def test_opens_and_clicks_of_the_gap_are_read_as_the_webhook_would_have_brought_them(harness: MauticHarness) -> None:
    ana, eva = harness.customer("ana@example.com"), harness.customer("eva@example.com")
    harness.sync()
    _, hook = hooked(harness)
    # By webhook: eva's. While it is off: ana's, the same two things.
    for who, published in ((eva, True), (ana, False)):
        hook.published = published
        harness.now += timedelta(hours=2)
        harness.simulator.send_email(1, contact_of(harness, who))
        harness.now += timedelta(minutes=5)
        harness.simulator.click(1, contact_of(harness, who))

    watched = watch(harness)

    assert watched.missed is not None
    assert (watched.missed.added, watched.missed.known) == (2, 2), "the hour before is read along"
    events = known_events(harness)
    of_ana = [row for row in events if row["customer_id"] == ana]
    of_eva = [row for row in events if row["customer_id"] == eva]
    assert [row["event_type"] for row in of_ana] == [row["event_type"] for row in of_eva] == ["click", "open"]
    differing = {"customer_id", "event_key", "occurred_at"}
    assert [{key: row[key] for key in row.keys() - differing} for row in of_ana] == [
        {key: row[key] for key in row.keys() - differing} for row in of_eva
    ]
    assert {row["occurred_at"] for row in of_ana} == {harness.now}
    assert "2 missed opens and clicks" in (watched.trouble or "")
    assert watch(harness).trouble is None


def test_what_came_by_webhook_and_what_is_read_counts_once_in_either_order(harness: MauticHarness) -> None:
    ana = harness.customer("ana@example.com")
    harness.sync()
    receiver, hook = hooked(harness)
    there = contact_of(harness, ana)
    for _ in range(2):
        harness.now += timedelta(seconds=30)
        harness.simulator.click(1, there)
    receiver.holds_back = True
    harness.simulator.open_email(1, there)
    harness.simulator.click(1, there)
    receiver.holds_back = False
    hook.published = False
    harness.now += timedelta(seconds=30)
    harness.simulator.open_email(1, there)

    watched = watch(harness)
    receiver.catch_up()
    receiver.again(0)

    assert watched.missed is not None
    assert watched.missed.added == 3, "what is held back and what was lost"
    assert [row["event_type"] for row in known_events(harness)] == ["click"] * 3 + ["open"] * 3
    before = known_events(harness)
    hook.published = False
    assert watch(harness).missed is not None
    assert known_events(harness) == before


def test_the_gap_begins_where_deliveries_were_last_known_to_arrive(harness: MauticHarness) -> None:
    ana = harness.customer("ana@example.com")
    harness.sync()
    receiver, hook = hooked(harness)
    there = contact_of(harness, ana)
    hook.published = False
    harness.simulator.open_email(1, there)  # nobody's: long before
    hook.published = True
    harness.now += timedelta(days=10)
    assert watch(harness).trouble is None
    kept = Delivered("mautic", b"{}", harness.now, {})
    harness.db.transact(lambda transaction: transaction.finish([keep_deliveries([kept])]))
    receiver.status, hook.modified = 500, harness.now
    for _ in range(2):
        harness.now += timedelta(hours=5)
        harness.simulator.open_email(1, there)
    assert watch(harness).trouble is None, "still on, although every delivery fails"
    hook.published = False
    harness.now += timedelta(hours=1)

    watched = watch(harness)

    assert watched.hook.gap is not None
    assert watched.hook.gap.gap_from == harness.now - timedelta(hours=12)
    assert [row["event_key"][-2:] for row in known_events(harness)] == [":2", ":3"]


def test_a_page_costs_a_constant_number_of_statements_and_the_next_watch_goes_on_behind_it(
    harness: MauticHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "PAGE", 3)
    people = [harness.customer(f"p{number}@example.com") for number in range(7)]
    harness.sync()
    _, hook = hooked(harness)
    hook.published = False
    for who in people:
        harness.simulator.open_email(1, contact_of(harness, who))
    harness.simulator.faults.add(MauticFault("where%5B0%5D%5Bval%5D=3", "500_before"))

    first = watch(harness)
    asked = harness.simulator.count("GET", "email_stats")
    second = watch(harness)

    assert first.postponed is not None
    assert first.missed is not None
    assert first.missed.added == 3
    assert asked == 2
    assert second.missed is not None
    assert second.missed.added == 4
    assert second.hook.contacts is None, "read by the first one"
    assert len(known_events(harness)) == 7
    assert watch(harness).trouble is None


def test_without_time_the_rest_is_left_to_the_next_watch(harness: MauticHarness) -> None:
    _, hook = hooked(harness)
    hook.published = False

    assert watch(harness, seconds=1).postponed is not None
    assert watch(harness).postponed is None


def test_where_mautic_shows_no_statistics_the_operator_is_told_once_from_when_to_when(harness: MauticHarness) -> None:
    _, hook = hooked(harness)
    hook.published = False
    harness.simulator.mautic.shows_statistics = False

    watched = watch(harness)

    assert watched.hook.gap is not None
    sentence = watched.trouble or ""
    assert f"{watched.hook.gap.gap_from:%Y-%m-%d %H:%M} to {harness.now:%Y-%m-%d %H:%M}" in sentence
    assert "stay unknown" in sentence
    assert watched.answer()["success"] is False
    assert watch(harness).trouble is None


def test_a_hook_that_was_missing_and_comes_back_leaves_a_gap_too(harness: MauticHarness) -> None:
    ana = harness.customer("ana@example.com")
    harness.sync()
    _, hook = hooked(harness)
    harness.simulator.mautic.hooks.clear()
    assert watch(harness).hook.hooks == 0
    harness.now += timedelta(hours=3)
    harness.simulator.open_email(1, contact_of(harness, ana))
    harness.simulator.mautic.hooks[hook.id] = hook

    watched = watch(harness)

    assert watched.missed is not None
    assert watched.missed.added == 1
    assert watch_hook(harness.db, harness.mautic(), harness.now).gap is None
