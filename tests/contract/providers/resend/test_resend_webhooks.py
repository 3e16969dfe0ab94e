"""What the simulated Resend tells its webhooks is let in and understood by ours, in any order and any number."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from crm_relay.platform.errors import RejectedInput
from crm_relay.providers.email_events import ContactChanged, Event, InboundMail, MailEvent, SuppressionAdded, Unknown
from crm_relay.providers.resend import webhook
from local.simulators.resend import MovableClock, ResendHook, ResendSimulator
from local.simulators.resend.webhooks.delivery import SCHEDULE
from local.simulators.resend.webhooks.events import SCANNER
from tests.contract.providers.mautic.mautic_receiver import Delivery, HookReceiver, receiver
from tests.support.mail.resend_stage import ResendStage, mail

START = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Scene:
    """A standing clock, a webhook for everything, and three mails that were sent and told."""

    def __init__(self, simulator: ResendSimulator, seen: HookReceiver) -> None:
        self.sim, self.seen = simulator, seen
        self.hook: ResendHook = simulator.hook(seen.url)
        assert ResendStage(simulator).send([mail(number) for number in range(3)]).ok
        self.first, self.second, self.third = simulator.mails

    def received(self, *secrets: str) -> list[tuple[str, Event]]:
        """Each delivery so far by its svix-id, as our side reads it at this moment."""
        now = self.sim.account.clock.now()
        return [
            webhook.receive(each.raw, _headers(each), secrets=secrets or [self.hook.secret], now=now)
            for each in self.seen.deliveries
        ]

    def last(self) -> Event:
        self.sim.flush()
        return self.received()[-1][1]


def _headers(delivery: Delivery) -> dict[str, str]:
    return {name.lower(): value for name, value in delivery.headers}


@pytest.fixture
def scene() -> Iterator[Scene]:
    clock = MovableClock(lambda: START)
    with receiver() as seen, ResendSimulator(clock=clock, requests_per_second=None) as simulator:
        yield Scene(simulator, seen)


def test_every_event_of_a_mail_is_let_in_and_understood(scene: Scene) -> None:
    sim, first = scene.sim, scene.first
    happened = [
        sim.delivered(first),
        sim.delayed(first),
        sim.opened(first),
        sim.clicked(first, "https://acme.example/a"),
        sim.complained(first),
        sim.failed(scene.second),
        sim.was_suppressed(scene.third),
    ]
    sim.advance(60)
    sim.flush()
    received = scene.received()
    assert [kind.kind for _, kind in received if isinstance(kind, MailEvent)] == [
        *("sent", "sent", "sent"),
        *("delivered", "delivery_delayed", "opened", "clicked", "complained", "failed", "suppressed"),
    ]
    of_first = [event for _, event in received if isinstance(event, MailEvent) and event.email_id == first.id]
    assert {event.message_id for event in of_first} == {first.message_id}
    assert {event.recipients for event in of_first} == {("r0@customer.example",)}
    assert {event.tags["send"] for event in of_first} == {"s-0"}
    assert {event.occurred_at for event in of_first} == {START}
    assert {message.svix_id for message in happened} <= {svix_id for svix_id, _ in received}
    assert sim.pending == []


def test_a_click_may_be_a_scanners(scene: Scene) -> None:
    scene.sim.clicked(scene.first, "https://acme.example/a", user_agent=SCANNER)
    event = scene.last()
    assert isinstance(event, MailEvent)
    assert (event.link, event.user_agent) == ("https://acme.example/a", SCANNER)


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize(
    ("kind", "read"), [("Permanent", "permanent"), ("Transient", "transient"), ("Undetermined", "undetermined")]
)
def test_each_bounce_is_understood_and_its_address_is_not_kept(
    scene: Scene, kind: str, read: str, as_text: bool
) -> None:
    message = scene.sim.bounced(scene.first, kind, codes_as_text=as_text)
    scene.sim.deliver([message])
    ((svix_id, event),) = scene.received()
    assert svix_id == message.svix_id
    assert isinstance(event, MailEvent)
    assert event.bounce_type == read
    assert "smtp; " in (event.reason or "")
    assert "customer.example" not in (event.reason or "")


@pytest.mark.parametrize(("befalls", "origin"), [("bounced", "bounce"), ("complained", "complaint")])
def test_who_bounced_or_complained_is_sent_nothing_more(scene: Scene, befalls: str, origin: str) -> None:
    getattr(scene.sim, befalls)(scene.first)
    added = scene.last()
    assert added == SuppressionAdded("r0@customer.example", origin, START, scene.first.id)
    before = scene.sim.sends["r0@customer.example"]
    ResendStage(scene.sim).send([mail(0)])
    event = scene.last()
    assert isinstance(event, MailEvent)
    assert (event.kind, event.is_permanent_bounce, event.is_complaint) == (
        "suppressed",
        origin == "bounce",
        origin == "complaint",
    )
    assert scene.sim.sends["r0@customer.example"] == before


def test_inbound_contacts_topics_and_unknown_events(scene: Scene) -> None:
    reply = scene.sim.reply(scene.first)
    assert scene.last() == InboundMail(
        email_id=reply.id,
        from_address="r0@customer.example",
        to=("hello@acme.example",),
        subject="Re: Hello 0",
        message_id=reply.message_id,
        received_at=START,
    )
    scene.sim.contact_updated("r0@customer.example", unsubscribed=True)
    assert scene.last() == ContactChanged("r0@customer.example", True, START)
    scene.sim.topics_updated("r0@customer.example", [("t-1", False)])
    changed = scene.last()
    assert isinstance(changed, ContactChanged)
    assert [(each.topic_id, each.subscribed) for each in changed.topics] == [("t-1", False)]
    scene.sim.unknown_event()
    assert scene.last() == Unknown("mailbox.teleported")


@pytest.mark.parametrize("seed", range(3))
def test_events_come_in_any_order_and_any_number_with_the_same_id_each(scene: Scene, seed: int) -> None:
    chance = random.Random(seed)
    for each in scene.sim.mails:
        scene.sim.delivered(each)
        scene.sim.opened(each)
    often = [message for message in scene.sim.messages for _ in range(chance.randint(1, 3))]
    chance.shuffle(often)
    scene.sim.deliver(often)
    assert [svix_id for svix_id, _ in scene.received()] == [message.svix_id for message in often]
    assert scene.sim.pending == []
    scene.sim.flush()
    assert len(scene.seen.deliveries) == len(often)


def test_a_replay_has_the_same_id_and_body_and_a_fresh_time(scene: Scene) -> None:
    message = scene.sim.delivered(scene.first)
    scene.sim.deliver([message])
    scene.sim.advance(3 * 86_400)
    scene.sim.deliver([message])
    early, late = scene.seen.deliveries
    assert early.raw == late.raw
    now = scene.sim.account.clock.now()
    with pytest.raises(RejectedInput, match="time is not now"):
        webhook.receive(early.raw, _headers(early), secrets=[scene.hook.secret], now=now)
    svix_id, event = webhook.receive(late.raw, _headers(late), secrets=[scene.hook.secret], now=now)
    assert svix_id == message.svix_id
    assert isinstance(event, MailEvent)
    assert event.occurred_at == START


def test_for_a_day_after_a_rotation_both_secrets_sign(scene: Scene) -> None:
    old = scene.hook.secret
    answered = ResendStage(scene.sim).call("POST", f"/webhooks/{scene.hook.id}/signing-secret/rotate").json()
    new = answered["signing_secret"]
    assert new != old
    scene.sim.flush()
    assert _headers(scene.seen.deliveries[0])["svix-signature"].count("v1,") == 2
    assert scene.received(old) == scene.received(new) == scene.received("", old, new)

    scene.sim.advance(24 * 3600)
    scene.seen.deliveries.clear()
    scene.sim.delivered(scene.first)
    scene.sim.flush()
    assert len(scene.received(new)) == 1
    with pytest.raises(RejectedInput, match="invalid signature"):
        scene.received(old)


@pytest.mark.parametrize("status", [500, 404, 301])
def test_what_is_not_taken_comes_again_on_the_schedule_until_it_is_given_up(scene: Scene, status: int) -> None:
    scene.sim.flush()
    scene.seen.deliveries.clear()
    scene.seen.status = status
    message = scene.sim.delivered(scene.first)
    scene.sim.flush()
    for seconds in SCHEDULE:
        scene.sim.advance(seconds - 1)
        assert scene.sim.flush() == []
        scene.sim.advance(1)
        (attempt,) = scene.sim.flush()
        assert (attempt.svix_id, attempt.status) == (message.svix_id, status)
    assert scene.sim.pending == []
    assert len(scene.seen.deliveries) == 1 + len(SCHEDULE)


def test_what_is_taken_at_last_does_not_come_again(scene: Scene) -> None:
    scene.seen.status = 503
    scene.sim.flush()
    assert len(scene.sim.pending) == 3
    scene.seen.status = 204
    scene.sim.advance(5)
    scene.sim.flush()
    assert scene.sim.pending == []
    scene.sim.advance(timedelta(days=2).total_seconds())
    assert scene.sim.flush() == []
    assert [each.status for each in scene.sim.attempts] == [503] * 3 + [204] * 3


def test_a_receiver_that_has_gone_is_tried_again_and_a_disabled_webhook_is_not(scene: Scene) -> None:
    scene.hook.url = "http://127.0.0.1:9/"
    assert {each.status for each in scene.sim.flush()} == {None}
    scene.hook.status = "disabled"
    scene.sim.advance(3600)
    assert scene.sim.flush() == []
    assert scene.sim.pending == []


def test_a_webhook_is_told_only_what_it_asked_for(scene: Scene) -> None:
    scene.sim.flush()
    scene.seen.deliveries.clear()
    scene.hook.events = ["email.bounced"]
    scene.sim.delivered(scene.first)
    scene.sim.bounced(scene.first, "Transient")
    scene.sim.flush()
    ((_, event),) = scene.received()
    assert isinstance(event, MailEvent)
    assert event.kind == "bounced"
