"""A person's settings as they act, and what the last week would have been with others."""

from datetime import timedelta
from uuid import uuid4

import pytest

from crm_relay.notifications.models import Channel, Frequency
from crm_relay.notifications.people.settings_of_person import find_colleague, settings_of_person
from crm_relay.notifications.people.simulate_week import ChannelWeek, SettingsChange, simulate_week
from crm_relay.platform.errors import RejectedInput
from tests.support.notifications.notification_harness import WEDNESDAY, NotificationHarness
from tests.support.platform.counting_queries import CountingQueries
from tests.support.platform.rows import rows_of


def week(stage: NotificationHarness, **change: object) -> dict[str, ChannelWeek]:
    found = simulate_week(
        stage.db,
        find_colleague(stage.db, "ada@example.com"),
        SettingsChange(**change),  # type: ignore[arg-type]
        stage.now,
    )
    return {each.channel: each for each in found.then}


@pytest.fixture
def lived(crew: NotificationHarness) -> NotificationHarness:
    """A week of Ada: six mails at once in the day, two at night, one of them read in the application at once."""
    ada = crew.person("ada")
    crew.time[0] = WEDNESDAY - timedelta(days=6)
    for _ in range(6):
        crew.announce(ada)
        crew.tick()
        crew.wait(minutes=10)
    crew.wait(hours=10)
    for _ in range(2):
        crew.announce(ada)
        crew.tick()
        crew.wait(minutes=10)
    rows_of(
        crew.db,
        """update notifications set read_at = created_at + interval '1 minute'
           where id = (select id from notifications order by created_at desc limit 1)""",
    )
    crew.time[0] = WEDNESDAY
    return crew


def test_with_the_settings_of_now_the_week_is_as_it_was(lived: NotificationHarness) -> None:
    found = simulate_week(lived.db, find_colleague(lived.db, "ada@example.com"), SettingsChange(), lived.now)
    assert found.now == found.then
    assert (found.notifications, found.is_complete) == (8, True)
    email = week(lived)["email"]
    assert (email.at_once, email.held, email.digests, email.messages) == (8, 0, 0, lived.got("ada"))


def test_a_daily_digest_would_have_been_two_mails(lived: NotificationHarness) -> None:
    email = week(lived, frequency=Frequency.DAILY_DIGEST)["email"]
    assert (email.at_once, email.in_digests, email.digests, email.messages) == (0, 7, 1, 1)
    assert email.skipped == {"read": 1}
    in_app = week(lived, frequency=Frequency.DAILY_DIGEST)["in_app"]
    assert (in_app.at_once, in_app.silent) == (0, 8)


def test_quiet_hours_would_have_held_two(lived: NotificationHarness) -> None:
    email = week(lived, quiet_hours="22:00-08:00", zone="UTC")["email"]
    assert (email.at_once, email.held, email.skipped) == (6, 1, {"read": 1})
    assert week(lived, quiet_hours="")["email"].at_once == 8


def test_without_the_channel_nothing_would_have_come(lived: NotificationHarness) -> None:
    email = week(lived, channels=(Channel.IN_APP,))["email"]
    assert (email.messages, email.skipped) == (0, {"muted": 8})
    assert week(lived, email_unsubscribed=True)["email"].skipped == {"unsubscribed": 8}


def test_a_change_is_for_the_categories_that_it_names(lived: NotificationHarness) -> None:
    other = week(lived, categories=("deal",), frequency=Frequency.NEVER)["email"]
    assert other.at_once == 8


def test_looking_writes_nothing_and_takes_two_statements(lived: NotificationHarness) -> None:
    counts = "select (select count(*) from notifications), (select count(*) from notification_deliveries)"
    before = lived.rows(counts)
    counting = CountingQueries(lived.db)
    colleague = find_colleague(lived.db, "ada@example.com")
    simulate_week(counting, colleague, SettingsChange(frequency=Frequency.HOURLY_DIGEST), lived.now)
    assert counting.statements == 2
    assert lived.rows(counts) == before


@pytest.mark.parametrize(
    "change",
    [{"zone": "Mars/Olympus"}, {"quiet_hours": "late"}, {"digest_time": "25:00"}, {"digest_day": "someday"}],
)
def test_a_setting_that_is_none_is_refused(lived: NotificationHarness, change: dict[str, str]) -> None:
    with pytest.raises(RejectedInput):
        week(lived, **change)


def test_settings_are_shown_as_they_act(crew: NotificationHarness) -> None:
    ada = crew.person("ada", timezone="Europe/Berlin", locale="de-DE")
    crew.prefer(ada, "assignment", frequency="daily_digest", quiet_hours_enabled=True, quiet_hours_timezone="UTC")
    rows_of(
        crew.db,
        """insert into notification_categories (org_id, category, channels, is_critical)
           values (:org, 'security', '["in_app", "email"]', true)""",
        org=crew.org,
    )
    shown = settings_of_person(crew.db, find_colleague(crew.db, str(ada)), crew.now)
    assert (shown.locale, shown.reachable, shown.is_active) == ("de-DE", ["in_app", "email", "push"], True)
    of = {each.category: each for each in shown.categories}
    assert {"assignment", "deal", "security", "workflow"} <= of.keys()
    own = of["assignment"]
    assert (own.source, own.frequency, own.quiet_hours) == ("person", "daily_digest", "22:00-08:00")
    assert own.next_digest_at is not None
    now = {each.channel: each for each in own.now}
    assert (now["email"].verdict, now["email"].not_before) == ("digest", own.next_digest_at)
    assert (now["in_app"].verdict, now["in_app"].is_silent) == ("send", True)
    assert (now["sms"].verdict, now["sms"].reason) == ("skip", "no_address")
    assert (of["deal"].source, of["security"].source, of["security"].is_critical) == ("built_in", "organization", True)


def test_nobody_several_and_somebody_without_an_organization_are_said_so(crew: NotificationHarness) -> None:
    crew.person("twin")
    crew.person("twin")
    for who, status in (("nobody@example.com", 404), (str(uuid4()), 404), ("twin@example.com", 409), ("", 404)):
        with pytest.raises(RejectedInput) as error:
            find_colleague(crew.db, who)
        assert error.value.status == status
    rows_of(crew.db, "insert into user_profiles (email) values ('lone@example.com')")
    with pytest.raises(RejectedInput) as error:
        find_colleague(crew.db, "lone@example.com")
    assert error.value.status == 409
