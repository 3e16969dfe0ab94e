"""Mautic's webhook is looked after: switched off, it comes back, and nobody who left meanwhile stays mailable."""

from crm_relay.contacts.audit import Audit
from crm_relay.contacts.watch_hook import watch_hook
from local.simulators.mautic.state import DoNotContact
from tests.support.mautic_world import MauticWorld

URL = "https://relay.example.com/webhooks/mautic"


def test_a_hook_that_is_on_costs_one_request_and_says_nothing(world: MauticWorld) -> None:
    world.simulator.hook(URL, "secret", ["mautic.email_on_open"])
    mautic = world.mautic()

    watched = watch_hook(world.db, mautic, world.now)

    assert (watched.hooks, watched.switched_off, watched.trouble) == (1, 0, None)
    assert world.simulator.count("GET") == 1


def test_a_hook_that_was_switched_off_is_switched_on_and_the_gap_is_filled(world: MauticWorld) -> None:
    ana, eva = world.customer("ana@example.com"), world.customer("eva@example.com")
    world.sync()
    hook = world.simulator.hook(URL, "secret", ["mautic.lead_channel_subscription_changed"])
    triggers, hook.published = list(hook.triggers), False
    world.contact(ana).suppressions["email"] = DoNotContact(7, "email", 1, "User unsubscribed.", world.now)
    world.simulator.delete_contact(world.contact(eva).id)

    watched = watch_hook(world.db, world.mautic(), world.now)

    assert (watched.hooks, watched.switched_off) == (1, 1)
    assert watched.trouble is not None
    assert hook.published
    assert list(hook.triggers) == triggers
    assert isinstance(watched.gap, Audit)
    assert {each.customer_id for each in watched.gap.findings} == {ana, eva}
    assert world.sql("select opted_out_at is not null as out from customer_profiles where id = :id", id=ana) == [
        {"out": True}
    ]
    world.sync()
    assert world.disagreements() == []
    assert watch_hook(world.db, world.mautic(), world.now).trouble is None


def test_a_mautic_without_our_hook_is_told_and_others_hooks_are_left_alone(world: MauticWorld) -> None:
    other = world.simulator.hook("https://elsewhere.example.com/hook", "secret", ["mautic.email_on_open"])
    other.published = False

    watched = watch_hook(world.db, world.mautic(), world.now)

    assert watched.hooks == 0
    assert "crm-relay mautic setup" in (watched.trouble or "")
    assert not other.published
