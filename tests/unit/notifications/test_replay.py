"""Past notifications under other settings: by the same gates, in the order of time."""

from datetime import UTC, datetime, time, timedelta
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from crm_relay.notifications.models import ALL_CHANNELS, Channel, Frequency, Preference, Urgency
from crm_relay.notifications.people.replay import PastNotification, ReplayedDelivery, ReplayedPerson, replay
from crm_relay.rules.send_windows import DAYS, SendWindow

MONDAY = datetime(2026, 11, 16, 10, tzinfo=UTC)
UNTIL = MONDAY + timedelta(days=7)
BOTH = (Channel.IN_APP, Channel.EMAIL)
NIGHT = SendWindow(frozenset(DAYS), time(22), time(8), "UTC")


def past(at: datetime = MONDAY, **details: object) -> PastNotification:
    given: dict[str, object] = {"channels": (Channel.EMAIL,), "urgency": Urgency.NORMAL} | details
    return PastNotification(uuid4(), "deal", created_at=at, **given)  # type: ignore[arg-type]


def outcomes(
    notifications: list[PastNotification], preference: Preference, **person: object
) -> list[tuple[str, str | None, datetime | None]]:
    replayed = replay(notifications, ReplayedPerson(lambda _category: preference, **person), UNTIL)  # type: ignore[arg-type]
    return [(line.outcome, line.reason, line.at) for line in replayed]


def test_at_once_is_at_once() -> None:
    assert outcomes([past()], Preference()) == [("sent", None, MONDAY)]


def test_what_comes_at_night_leaves_in_the_morning() -> None:
    late = MONDAY.replace(hour=23)
    morning = MONDAY.replace(day=17, hour=8)
    assert outcomes([past(late)], Preference(quiet_hours=NIGHT)) == [("sent", "quiet_hours", morning)]
    read = past(late, read_at=late + timedelta(hours=1))
    assert outcomes([read], Preference(quiet_hours=NIGHT)) == [("skipped", "read", morning)]
    urgent = past(late, urgency=Urgency.URGENT)
    assert outcomes([urgent], Preference(quiet_hours=NIGHT)) == [("sent", None, late)]


def test_a_day_is_one_digest_and_what_was_read_before_it_drops_out() -> None:
    nine = MONDAY.replace(day=17, hour=9)
    daily = Preference(frequency=Frequency.DAILY_DIGEST)
    three = [past(MONDAY + timedelta(hours=hour)) for hour in range(2)]
    three.append(past(MONDAY, read_at=MONDAY + timedelta(hours=5)))
    assert sorted(outcomes(three, daily)) == [
        ("digest", "daily_digest", nine),
        ("digest", "daily_digest", nine),
        ("skipped", "read", nine),
    ]


def test_more_than_thirty_an_hour_come_as_a_digest() -> None:
    burst = [past(MONDAY + timedelta(minutes=minute)) for minute in range(40)]
    found = [outcome for outcome, _, _ in outcomes(burst, Preference())]
    assert (found.count("sent"), found.count("digest")) == (30, 10)


def test_in_the_application_it_is_there_at_once_and_silent_where_it_would_disturb() -> None:
    person = ReplayedPerson(lambda _category: Preference(quiet_hours=NIGHT))
    late = MONDAY.replace(hour=23)
    (line,) = replay([past(late, channels=(Channel.IN_APP,))], person, UNTIL)
    assert (line.outcome, line.reason, line.at, line.is_silent) == ("sent", "quiet_hours", late, True)


def test_a_digest_that_would_leave_at_night_waits_for_the_morning() -> None:
    midnight = Preference(frequency=Frequency.DAILY_DIGEST, digest_time=time(0), quiet_hours=NIGHT)
    assert outcomes([past()], midnight) == [("digest", "daily_digest", MONDAY.replace(day=17, hour=8))]


def test_what_would_not_have_left_yet_waits() -> None:
    weekly = Preference(frequency=Frequency.WEEKLY_DIGEST, digest_day="mon", digest_time=time(11))
    late = UNTIL + timedelta(hours=1)
    assert outcomes([past(MONDAY + timedelta(days=3))], weekly) == [("waiting", "weekly_digest", late)]


def test_do_not_disturb_without_an_end_drops_and_with_one_holds() -> None:
    tomorrow = MONDAY + timedelta(days=1)
    assert outcomes([past()], Preference(dnd_enabled=True)) == [("skipped", "do_not_disturb", MONDAY)]
    held = Preference(dnd_enabled=True, dnd_until=tomorrow)
    assert outcomes([past()], held) == [("sent", "do_not_disturb", tomorrow)]


def test_what_is_not_wanted_possible_or_needed_any_more_is_skipped() -> None:
    hour = MONDAY + timedelta(hours=1)
    reasons = [
        outcomes([past()], Preference(channels=frozenset({Channel.IN_APP})))[0][1],
        outcomes([past()], Preference(email_unsubscribed=True))[0][1],
        outcomes([past(contents=ALL_CHANNELS - {Channel.EMAIL})], Preference())[0][1],
        outcomes([past()], Preference(), reachable=frozenset({Channel.IN_APP}))[0][1],
        outcomes([past()], Preference(), configured=frozenset({Channel.IN_APP}))[0][1],
        outcomes([past()], Preference(), is_active=False)[0][1],
        outcomes([past(expires_at=MONDAY)], Preference())[0][1],
        outcomes([past(unless_read_within=timedelta(hours=2), read_at=hour)], Preference())[0][1],
        outcomes(
            [past(unless_read_within=timedelta(hours=2), archived_at=hour, withdrawn_for="decided")], Preference()
        )[0][1],
        outcomes([past(channels=(Channel.SMS,))], Preference(frozenset(Channel), Frequency.HOURLY_DIGEST))[0][1],
    ]
    assert reasons == [
        "muted", "unsubscribed", "no_template", "no_address", "not_configured", "user_inactive", "expired", "read",
        "decided", "no_digest",
    ]  # fmt: skip


PREFERENCES = st.builds(
    Preference,
    channels=st.frozensets(st.sampled_from(Channel)),
    frequency=st.sampled_from(Frequency),
    digest_time=st.times().map(lambda clock: clock.replace(second=0, microsecond=0)),
    digest_day=st.sampled_from(DAYS),
    quiet_hours=st.sampled_from([None, NIGHT, SendWindow(frozenset(DAYS), time(7, 59), time(7, 58), "Asia/Kathmandu")]),
    dnd_enabled=st.booleans(),
    dnd_until=st.none() | st.integers(0, 200).map(lambda hours: MONDAY + timedelta(hours=hours)),
    zone=st.sampled_from(["UTC", "America/New_York", "Asia/Kathmandu"]),
)
PAST = st.builds(
    lambda minutes, channels, urgency, read, wait: past(
        MONDAY + timedelta(minutes=minutes),
        channels=tuple(channels),
        urgency=urgency,
        read_at=None if read is None else MONDAY + timedelta(minutes=read),
        unless_read_within=wait,
    ),
    st.integers(0, 7 * 24 * 60),
    st.lists(st.sampled_from(Channel), min_size=1, unique=True),
    st.sampled_from(Urgency),
    st.none() | st.integers(0, 7 * 24 * 60),
    st.none() | st.just(timedelta(minutes=30)),
)


@given(notifications=st.lists(PAST, max_size=40), preference=PREFERENCES)
def test_each_notification_ends_once_on_each_channel_and_never_before_it_was_written(
    notifications: list[PastNotification], preference: Preference
) -> None:
    lines = replay(notifications, ReplayedPerson(lambda _category: preference), UNTIL)
    wanted = sorted((str(each.id), channel.value) for each in notifications for channel in each.channels)
    assert sorted((str(line.notification_id), line.channel.value) for line in lines) == wanted
    assert all(line.at is not None and line.at >= line.created_at for line in lines)
    assert {line.outcome for line in lines} <= {"sent", "digest", "skipped", "waiting"}
    assert all(line.reason for line in lines if line.outcome in {"skipped", "waiting"})
    assert all(ended(line) for line in lines)


def ended(line: ReplayedDelivery) -> bool:
    """What left did so within the week."""
    return line.outcome == "waiting" or (line.at is not None and line.at <= UNTIL)
