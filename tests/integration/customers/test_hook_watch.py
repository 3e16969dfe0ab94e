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
from crm_relay.webhooks.store import keep_delivery
from local.simulators.mautic import MauticFault
from local.simulators.mautic.state import SimulatedDoNotContact, SimulatedHook
from tests.support.customers.mautic_receiver import Receiver
from tests.support.customers.mautic_world import MauticWorld

URL = "https://relay.example.com/webhooks/mautic"


def watch(world: MauticWorld, *, seconds: float = 600) -> Watched:
    return watch_webhook(world.db, world.mautic(), world.now, Deadline.after(seconds))


def hooked(world: MauticWorld) -> tuple[Receiver, SimulatedHook]:
    """A webhook of ours that is on, seen so by the watch, and a receiver behind it."""
    world.simulator.mautic.now = lambda: world.now
    world.now = world.now.replace(microsecond=0)
    receiver = Receiver(world)
    world.simulator.webhooks.send = receiver.send  # type: ignore[method-assign]
    hook = world.simulator.hook(URL, "secret", HOOK_EVENTS)
    assert watch(world).trouble is None
    return receiver, hook


def contact_of(world: MauticWorld, customer_id: UUID) -> int:
    return int(world.contact(customer_id).id)


def known_events(world: MauticWorld) -> list[dict[str, Any]]:
    return world.sql(
        """select customer_id, event_type, campaign_name, email_subject, link_url, mautic_email_id, occurred_at,
               event_key, is_machine, verdict
           from customer_email_engagement order by event_key"""
    )


def test_a_hook_that_is_on_costs_one_request_and_says_nothing(world: MauticWorld) -> None:
    world.simulator.hook(URL, "secret", ["mautic.email_on_open"])

    watched = watch(world)

    assert (watched.hook.hooks, watched.hook.switched_off, watched.trouble) == (1, 0, None)
    assert world.simulator.count("GET") == 1


def test_a_hook_that_was_switched_off_is_switched_on_and_the_gap_is_filled(world: MauticWorld) -> None:
    ana, eva = world.customer("ana@example.com"), world.customer("eva@example.com")
    world.sync()
    hook = world.simulator.hook(URL, "secret", ["mautic.lead_channel_subscription_changed"])
    triggers, hook.published = list(hook.triggers), False
    world.contact(ana).suppressions["email"] = SimulatedDoNotContact(7, "email", 1, "User unsubscribed.", world.now)
    world.simulator.delete_contact(world.contact(eva).id)

    watched = watch(world)

    assert (watched.hook.hooks, watched.hook.switched_off) == (1, 1)
    assert watched.trouble is not None
    assert hook.published
    assert list(hook.triggers) == triggers
    assert watched.hook.contacts is not None
    assert {each.customer_id for each in watched.hook.contacts.findings} == {ana, eva}
    assert world.sql("select opted_out_at is not null as out from customer_profiles where id = :id", id=ana) == [
        {"out": True}
    ]
    world.sync()
    assert world.disagreements() == []
    assert watch(world).trouble is None


def test_a_mautic_without_our_hook_is_told_and_others_hooks_are_left_alone(world: MauticWorld) -> None:
    other = world.simulator.hook("https://elsewhere.example.com/hook", "secret", ["mautic.email_on_open"])
    other.published = False

    watched = watch(world)

    assert watched.hook.hooks == 0
    assert "crm-relay mautic setup" in (watched.trouble or "")
    assert not other.published


def test_a_gap_stays_open_when_the_watch_dies_right_after_switching_the_hook_on(world: MauticWorld) -> None:
    """Found by the random histories: the next watch saw the hook on and read nothing."""
    ana = world.customer("ana@example.com")
    world.sync()
    _, hook = hooked(world)
    hook.published = False
    world.contact(ana).suppressions["email"] = SimulatedDoNotContact(7, "email", 1, "User unsubscribed.", world.now)
    world.simulator.faults.add(MauticFault("/api/segments", "500_before", times=9))
    with pytest.raises(ServerFailed):
        watch(world)
    assert hook.published
    world.simulator.faults.clear()

    watched = watch(world)

    assert watched.hook.contacts is not None
    assert world.sql("select opted_out_at is not null as out from customer_profiles") == [{"out": True}]
    assert watch(world).trouble is None


def test_who_left_in_the_gap_is_known_even_while_a_change_of_theirs_is_open(world: MauticWorld) -> None:
    """The audit passed over customers with an open change, and after their next run nobody looked again."""
    ana, eva = world.customer("ana@example.com"), world.customer("eva@example.com")
    world.sync()
    world.set_profile(eva, marketing_opt_in=False)
    world.sync()
    world.contact(eva).suppressions["email"] = SimulatedDoNotContact(8, "email", 1, "User unsubscribed.", world.now)
    world.now += timedelta(minutes=5)
    grant_consent(world.db, "eva@example.com", evidence="asked on the phone", granted_by="test", now=world.now)
    _, hook = hooked(world)
    hook.published = False
    world.contact(ana).suppressions["email"] = SimulatedDoNotContact(7, "email", 1, "User unsubscribed.", world.now)
    world.set_profile(ana, last_name="Changed")

    watch(world)
    world.sync()

    rows = world.sql("select id, opted_out_at is not null as out from customer_profiles order by created_at, id")
    assert {row["id"]: row["out"] for row in rows} == {ana: True, eva: False}
    assert world.simulator.mailable(contact_of(world, eva)), "whoever came back is not taken for one who left"
    assert not world.simulator.mailable(contact_of(world, ana))


def test_opens_and_clicks_of_the_gap_are_read_as_the_webhook_would_have_brought_them(world: MauticWorld) -> None:
    ana, eva = world.customer("ana@example.com"), world.customer("eva@example.com")
    world.sync()
    _, hook = hooked(world)
    # By webhook: eva's. While it is off: ana's, the same two things.
    for who, published in ((eva, True), (ana, False)):
        hook.published = published
        world.now += timedelta(hours=2)
        world.simulator.send_email(1, contact_of(world, who))
        world.now += timedelta(minutes=5)
        world.simulator.click(1, contact_of(world, who))

    watched = watch(world)

    assert watched.missed is not None
    assert (watched.missed.added, watched.missed.known) == (2, 2), "the hour before is read along"
    events = known_events(world)
    of_ana = [row for row in events if row["customer_id"] == ana]
    of_eva = [row for row in events if row["customer_id"] == eva]
    assert [row["event_type"] for row in of_ana] == [row["event_type"] for row in of_eva] == ["click", "open"]
    differing = {"customer_id", "event_key", "occurred_at"}
    assert [{key: row[key] for key in row.keys() - differing} for row in of_ana] == [
        {key: row[key] for key in row.keys() - differing} for row in of_eva
    ]
    assert {row["occurred_at"] for row in of_ana} == {world.now}
    assert "2 missed opens and clicks" in (watched.trouble or "")
    assert watch(world).trouble is None


def test_what_came_by_webhook_and_what_is_read_counts_once_in_either_order(world: MauticWorld) -> None:
    ana = world.customer("ana@example.com")
    world.sync()
    receiver, hook = hooked(world)
    there = contact_of(world, ana)
    for _ in range(2):
        world.now += timedelta(seconds=30)
        world.simulator.click(1, there)
    receiver.holds_back = True
    world.simulator.open_email(1, there)
    world.simulator.click(1, there)
    receiver.holds_back = False
    hook.published = False
    world.now += timedelta(seconds=30)
    world.simulator.open_email(1, there)

    watched = watch(world)
    receiver.catch_up()
    receiver.again(0)

    assert watched.missed is not None
    assert watched.missed.added == 3, "what is held back and what was lost"
    assert [row["event_type"] for row in known_events(world)] == ["click"] * 3 + ["open"] * 3
    before = known_events(world)
    hook.published = False
    assert watch(world).missed is not None
    assert known_events(world) == before


def test_the_gap_begins_where_deliveries_were_last_known_to_arrive(world: MauticWorld) -> None:
    ana = world.customer("ana@example.com")
    world.sync()
    receiver, hook = hooked(world)
    there = contact_of(world, ana)
    hook.published = False
    world.simulator.open_email(1, there)  # nobody's: long before
    hook.published = True
    world.now += timedelta(days=10)
    assert watch(world).trouble is None
    keep_delivery(world.db, Delivered("mautic", b"{}", world.now, {}))
    receiver.status, hook.modified = 500, world.now
    for _ in range(2):
        world.now += timedelta(hours=5)
        world.simulator.open_email(1, there)
    assert watch(world).trouble is None, "still on, although every delivery fails"
    hook.published = False
    world.now += timedelta(hours=1)

    watched = watch(world)

    assert watched.hook.gap is not None
    assert watched.hook.gap.gap_from == world.now - timedelta(hours=12)
    assert [row["event_key"][-2:] for row in known_events(world)] == [":2", ":3"]


def test_a_page_costs_a_constant_number_of_statements_and_the_next_watch_goes_on_behind_it(
    world: MauticWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "PAGE", 3)
    people = [world.customer(f"p{number}@example.com") for number in range(7)]
    world.sync()
    _, hook = hooked(world)
    hook.published = False
    for who in people:
        world.simulator.open_email(1, contact_of(world, who))
    world.simulator.faults.add(MauticFault("where%5B0%5D%5Bval%5D=3", "500_before"))

    first = watch(world)
    asked = world.simulator.count("GET", "email_stats")
    second = watch(world)

    assert first.postponed is not None
    assert first.missed is not None
    assert first.missed.added == 3
    assert asked == 2
    assert second.missed is not None
    assert second.missed.added == 4
    assert second.hook.contacts is None, "read by the first one"
    assert len(known_events(world)) == 7
    assert watch(world).trouble is None


def test_without_time_the_rest_is_left_to_the_next_watch(world: MauticWorld) -> None:
    _, hook = hooked(world)
    hook.published = False

    assert watch(world, seconds=1).postponed is not None
    assert watch(world).postponed is None


def test_where_mautic_shows_no_statistics_the_operator_is_told_once_from_when_to_when(world: MauticWorld) -> None:
    _, hook = hooked(world)
    hook.published = False
    world.simulator.mautic.shows_statistics = False

    watched = watch(world)

    assert watched.hook.gap is not None
    told = watched.trouble or ""
    assert f"{watched.hook.gap.gap_from:%Y-%m-%d %H:%M} to {world.now:%Y-%m-%d %H:%M}" in told
    assert "stay unknown" in told
    assert watched.answer()["success"] is False
    assert watch(world).trouble is None


def test_a_hook_that_was_missing_and_comes_back_leaves_a_gap_too(world: MauticWorld) -> None:
    ana = world.customer("ana@example.com")
    world.sync()
    _, hook = hooked(world)
    world.simulator.mautic.hooks.clear()
    assert watch(world).hook.hooks == 0
    world.now += timedelta(hours=3)
    world.simulator.open_email(1, contact_of(world, ana))
    world.simulator.mautic.hooks[hook.id] = hook

    watched = watch(world)

    assert watched.missed is not None
    assert watched.missed.added == 1
    assert watch_hook(world.db, world.mautic(), world.now).gap is None
