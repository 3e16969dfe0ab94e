"""What waits, was held, left and failed, by channel, and which deliveries they are."""

from datetime import timedelta

from crm_relay.notifications.overview.show_deliveries import list_deliveries, show_channels
from tests.support.notifications.notification_harness import NotificationHarness
from tests.support.platform.counting_queries import CountingQueries
from tests.support.platform.rows import rows_of


def test_every_channel_is_counted_by_what_becomes_of_its_deliveries(crew: NotificationHarness) -> None:
    people = {name: crew.person(name) for name in ("now", "held", "daily", "muted", "failed", "lost")}
    until = crew.now + timedelta(hours=5)
    crew.prefer(people["held"], dnd_enabled=True, dnd_until=until)
    crew.prefer(people["daily"], frequency="daily_digest", digest_time="09:00")
    crew.prefer(people["muted"], channels=["in_app"])
    crew.announce(*people.values())
    crew.tick()
    for name, state in (("failed", "failed"), ("lost", "unknown")):
        rows_of(
            crew.db,
            "update notification_deliveries set state = :state where user_id = :user and channel = 'email'",
            state=state,
            user=people[name],
        )
    crew.announce(people["now"])

    shown = {each.channel: each for each in show_channels(crew.db, crew.now)}

    email = shown["email"]
    assert (email.due, email.held, email.in_digests) == (1, {"do_not_disturb": 1}, 1)
    assert (email.sent, email.skipped, email.failed, email.unknown) == (1, {"muted": 1}, 1, 1)
    assert email.next_at is not None
    assert email.next_at <= crew.now
    assert (shown["in_app"].sent, shown["slack"].sent) == (7, 0)
    assert list(shown) == ["in_app", "email", "slack", "sms", "push"]


def test_single_deliveries_are_listed_without_their_words(crew: NotificationHarness) -> None:
    ada, bob = crew.person("ada"), crew.person("bob")
    crew.announce(ada, bob)
    crew.wait(minutes=1)
    crew.announce(ada)
    everything = list_deliveries(crew.db)
    assert len(everything) == 6
    assert everything[0].created_at > everything[-1].created_at
    assert len(list_deliveries(crew.db, user_id=ada)) == 4
    assert len(list_deliveries(crew.db, channel="email", limit=2)) == 2
    (line, *_) = list_deliveries(crew.db, user_id=ada, channel="email", state="waiting")
    assert (line.template_slug, line.category, line.reason) == ("task_assigned", "assignment", None)


def test_the_counts_take_three_statements(crew: NotificationHarness) -> None:
    counting = CountingQueries(crew.db)
    show_channels(counting, crew.now)
    assert counting.statements == 3
