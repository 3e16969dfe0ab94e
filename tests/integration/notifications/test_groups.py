"""Events of one group: all their channels, the newest text, and the way past what waits for the most urgent."""

from typing import Any
from uuid import UUID

import pytest

from crm_relay.notifications.models import Channel, Priority
from tests.support.notifications.notification_harness import NotificationHarness
from tests.support.notifications.phone import Phone, plant_text_template

Crew = NotificationHarness
OWN = "https://hooks.slack.com/services/own"
PLAIN: dict[str, Any] = {"slug": None, "category": "assignment", "title": "Plain", "message": "Words", "variables": {}}
"""A request without a template: nothing of it leaves by e-mail."""


def listener(crew: Crew) -> UUID:
    """Somebody who wants every channel."""
    ada = crew.person(phone="+15550100000")
    crew.prefer(ada, channels=["in_app", "email", "slack", "sms"])
    crew.webhook(OWN, ada)
    return ada


def test_events_of_one_call_leave_on_all_their_channels(crew: Crew) -> None:
    ada = listener(crew)
    crew.notify(
        crew.request(ada, group_key="g", title="One", channels=(Channel.IN_APP, Channel.EMAIL)),
        crew.request(ada, group_key="g", title="Two", channels=(Channel.SLACK,)),
    )
    crew.tick()
    (row,) = crew.rows("select title, group_count, channels from notifications")
    assert row == {"title": "Two", "group_count": 2, "channels": ["in_app", "email", "slack"]}
    assert (crew.got(), len(crew.posted(OWN))) == (1, 1)
    assert crew.states(ada) == crew.states(ada, "slack") == crew.states(ada, "in_app") == [("sent", None)]


def test_a_channel_that_the_newest_event_has_no_text_for_keeps_the_text_before(crew: Crew) -> None:
    ada = listener(crew)
    crew.notify(
        crew.request(ada, group_key="g", channels=(Channel.EMAIL,)),
        crew.request(ada, group_key="g", **PLAIN),
    )
    crew.tick()
    assert crew.states(ada) == [("sent", None)]
    assert "Call Ada" in str(crew.sim.mails[0].payload["text"])


@pytest.mark.parametrize("priority", [Priority.NORMAL, Priority.URGENT])
def test_a_mail_that_waits_is_not_dropped_for_a_newer_event_without_one(crew: Crew, priority: Priority) -> None:
    ada = listener(crew)
    crew.announce(ada, group_key="g", channels=(Channel.EMAIL,))
    crew.announce(ada, group_key="g", channels=(Channel.EMAIL, Channel.IN_APP), priority=priority, **PLAIN)
    (row,) = crew.rows("select title, channels from notifications")
    assert row == {"title": "Plain", "channels": ["email", "in_app"]}
    crew.tick()
    assert (crew.got(), crew.states(ada)) == (1, [("sent", None)])


@pytest.mark.parametrize("is_critical", [False, True])
def test_a_text_message_that_waits_in_the_ledger_does_not_hold_up_what_is_more_urgent(
    crew: Crew, is_critical: bool
) -> None:
    plant_text_template(crew)
    crew.texts = phone = Phone(troubles=["later"])
    ada = listener(crew)
    crew.announce(ada, slug="text", group_key="g", variables={"task": {"title": "one"}})
    crew.tick()
    assert (phone.sent, crew.states(ada, "sms")) == ([], [("queued", None)])
    crew.rows("update sms_sends set not_before = not_before + interval '1 day'")
    crew.rows("update notification_templates set is_critical = :critical where slug = 'text'", critical=is_critical)
    priority = None if is_critical else Priority.URGENT
    crew.announce(ada, slug="text", group_key="g", variables={"task": {"title": "two"}}, priority=priority)
    crew.tick()
    assert (phone.sent, crew.states(ada, "sms")) == ([("+15550100000", "Hello two")], [("sent", None)])
    crew.wait(days=1, minutes=1)
    crew.tick()
    assert len(phone.sent) == 1
    assert sorted(row["reason"] or "" for row in crew.rows("select reason from sms_sends")) == ["", "overtaken"]
    assert crew.states(ada, "sms") == [("sent", None)]


def test_a_mail_that_a_newer_one_of_its_group_overtook_is_not_sent_behind_it(crew: Crew) -> None:
    ada = listener(crew)
    crew.sim.fault("429")
    crew.announce(ada, group_key="g", title="One")
    crew.tick()
    assert crew.states(ada) == [("queued", None)]
    crew.rows("update email_batches set not_before = not_before + interval '1 day'")
    crew.announce(ada, group_key="g", title="Two", priority=Priority.URGENT)
    crew.tick()
    assert (crew.got(), crew.states(ada)) == (1, [("sent", None)])
    crew.wait(days=1, minutes=1)
    crew.tick()
    assert (crew.got(), crew.states(ada)) == (1, [("sent", None)])
    assert sorted(row["reason"] or "" for row in crew.rows("select reason from email_sends")) == ["", "overtaken"]


def test_two_rounds_of_a_group_in_one_batch_are_told_apart(crew: Crew) -> None:
    ada = listener(crew)
    crew.sim.fault("429")
    crew.announce(ada, group_key="g", title="One")
    crew.tick()
    crew.rows("update notification_deliveries set lane = 2")
    crew.announce(ada, group_key="g", title="Two", priority=Priority.URGENT)
    crew.sim.fault("429")
    crew.tick()
    crew.rows("update email_sends set batch_id = (select min(batch_id::text)::uuid from email_sends)")
    crew.wait(hours=1)
    crew.tick()
    assert (crew.got(), crew.states(ada)) == (1, [("sent", None)])
