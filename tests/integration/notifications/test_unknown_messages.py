"""What nobody knows the fate of stays until somebody settles it, on every channel."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from crm_relay.mail.unknown.settle_unknown import unknown_messages
from crm_relay.notifications.models import Channel
from crm_relay.notifications.release.slack.settle_unknown import settle_unknown, unknown_posts
from crm_relay.notifications.tidy_up import mend_left_behind, remove_old
from crm_relay.platform.clock import Deadline
from crm_relay.platform.errors import NoAnswer, RejectedInput
from tests.support.notifications.notification_harness import NotificationHarness
from tests.support.notifications.phone import Phone, plant_text_template

Crew = NotificationHarness
SHARED = "https://hooks.slack.com/services/shared"


def unknown_mail(crew: Crew) -> UUID:
    ada = crew.person()
    crew.announce(ada)
    crew.tick()
    crew.rows("update email_sends set status = 'unknown'")
    crew.rows("update notification_deliveries set state = 'unknown', reason = 'unclear' where channel = 'email'")
    return ada


def unknown_text(crew: Crew) -> UUID:
    plant_text_template(crew)
    crew.texts = Phone(troubles=["unclear_lost"] * 200)
    ada = crew.person(phone="+15550100000")
    crew.prefer(ada, channels=["sms"])
    crew.announce(ada, slug="text", variables={"task": {"title": "you"}})
    for _ in range(80):
        crew.tick()
        crew.wait(minutes=10)
    return ada


def unknown_post(crew: Crew) -> UUID:
    crew.webhook(SHARED)
    people = [crew.person(name) for name in ("ada", "bob")]
    for person in people:
        crew.prefer(person, channels=["slack"])
    crew.slack_troubles = [NoAnswer("nothing")]
    crew.announce(*people, channels=(Channel.SLACK,))
    crew.tick()
    return people[0]


def unknown_digest(crew: Crew) -> UUID:
    ada = crew.person()
    crew.prefer(ada, channels=["slack"], frequency="hourly_digest")
    crew.webhook(SHARED, ada)
    crew.slack_troubles = [NoAnswer("nothing")]
    crew.announce(ada, channels=(Channel.SLACK,))
    crew.wait(hours=1)
    crew.tick()
    return ada


PLACES = {
    "email": (unknown_mail, "email"),
    "sms": (unknown_text, "sms"),
    "slack": (unknown_post, "slack"),
    "digest": (unknown_digest, "slack"),
}


@pytest.mark.parametrize("was_sent", [True, False])
@pytest.mark.parametrize(("begin", "channel"), PLACES.values(), ids=PLACES)
def test_it_is_not_removed_before_it_is_settled(
    crew: Crew, begin: Callable[[Crew], UUID], channel: str, was_sent: bool
) -> None:
    person = begin(crew)
    everybody = len(crew.deliveries(channel=channel))
    assert {row["state"] for row in crew.deliveries(channel=channel)} == {"unknown"}
    crew.rows("update notifications set read_at = :at", at=crew.now)
    crew.wait(days=200)
    assert remove_old(crew.db, crew.now, days=90, deadline=Deadline.after(60)) == 0

    settled = settle_unknown(
        crew.db, crew.deliveries(person, channel)[0]["id"], crew.now, was_sent=was_sent, who="Grace"
    )
    assert (settled.was_sent, settled.messages) == (was_sent, 1)
    states = {row["state"] for row in crew.deliveries(channel=channel)}
    assert states == ({"sent"} if was_sent else {"failed"} if channel == "slack" else {"skipped"})
    assert crew.incidents() & {"notification_unknown", "mail_unknown", "sms_unknown"} == set()
    (line,) = crew.rows(
        "select change_type, metadata ->> 'by' as who from entity_history where entity_type = 'message'"
    )
    assert line == {"change_type": "settled_as_sent" if was_sent else "settled_as_not_sent", "who": "Grace"}
    assert [*unknown_posts(crew.db, limit=10), *unknown_messages(crew.db, limit=10)] == []
    assert remove_old(crew.db, crew.now, days=90, deadline=Deadline.after(60)) == everybody


def test_a_text_message_that_was_settled_in_the_ledger_settles_its_notification(crew: Crew) -> None:
    person = unknown_text(crew)
    crew.rows("update sms_sends set status = 'sent', reason = null")
    crew.wait(hours=2)
    assert mend_left_behind(crew.db, crew.now) == 1
    assert crew.states(person, "sms") == [("sent", None)]


def test_a_message_that_a_channel_did_not_show_is_posted_for_the_next_person(crew: Crew) -> None:
    crew.webhook(SHARED)
    ada, bob = crew.person("ada"), crew.person("bob")
    crew.prefer(ada, channels=["slack"])
    crew.prefer(bob, channels=["slack"], quiet_hours_enabled=True, quiet_hours_start="15:00", quiet_hours_end="18:00")
    crew.slack_troubles = [NoAnswer("nothing")]
    crew.announce(ada, bob, channels=(Channel.SLACK,))
    crew.tick()
    (post,) = unknown_posts(crew.db, limit=10)
    settle_unknown(crew.db, post.id, crew.now, was_sent=False)
    assert crew.states(ada, "slack") == [("failed", "not_sent")]
    crew.wait(hours=4)
    crew.tick()
    assert crew.states(bob, "slack")[0][0] == "sent"
    assert len(crew.posted(SHARED)) == 2


def test_an_id_of_nothing_unclear_is_refused(crew: Crew) -> None:
    with pytest.raises(RejectedInput) as refused:
        settle_unknown(crew.db, uuid4(), crew.now, was_sent=True)
    assert refused.value.status == 404


def test_what_is_still_on_its_way_is_not_removed(crew: Crew) -> None:
    ada = crew.person()
    crew.prefer(ada, dnd_enabled=True, dnd_until=crew.now + timedelta(days=300))
    crew.announce(ada)
    crew.rows("update notifications set read_at = :at", at=crew.now)
    crew.wait(days=200)
    assert remove_old(crew.db, crew.now, days=90, deadline=Deadline.after(60)) == 0
