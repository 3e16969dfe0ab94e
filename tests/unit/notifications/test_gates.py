"""The table of gates, cell by cell: what happens on a channel, and why."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from crm_relay.notifications.decisions import CONFIGURABLE, MOST_AN_HOUR, decide, decide_member, gates, urgency_of
from crm_relay.notifications.models import (
    ALL_CHANNELS,
    Channel,
    ChannelDecision,
    Frequency,
    Notice,
    Preference,
    Priority,
    Urgency,
    Verdict,
)
from crm_relay.rules.send_windows import DAYS, SendWindow

NOW = datetime(2026, 11, 18, 15, 20, tzinfo=UTC)
IN_AN_HOUR = NOW + timedelta(hours=1)
NORMAL, URGENT, CRITICAL = Urgency.NORMAL, Urgency.URGENT, Urgency.CRITICAL
IN_APP, EMAIL, SLACK, SMS, PUSH = Channel
OUTSIDE = (EMAIL, SLACK, SMS)
EVERYTHING = Preference(channels=ALL_CHANNELS)
QUIET = replace(EVERYTHING, quiet_hours=SendWindow(frozenset(DAYS), time(15), time(17), "UTC"))
SEND, HOLD, DIGEST, SKIP = Verdict


def decided(
    channel: Channel,
    urgency: Urgency = NORMAL,
    preference: Preference = EVERYTHING,
    *,
    left: int = 0,
    configured: frozenset[Channel] = CONFIGURABLE,
    **notice: object,
) -> ChannelDecision:
    """About one channel."""
    asked = Notice((channel,), urgency, NOW, **notice)  # type: ignore[arg-type]
    (decision,) = decide(asked, preference, NOW, left_this_hour=left, configured=configured)
    return decision


def skipped(channel: Channel, reason: str) -> ChannelDecision:
    return ChannelDecision(channel, SKIP, reason, is_silent=channel is IN_APP)


def sent(channel: Channel) -> ChannelDecision:
    return ChannelDecision(channel, SEND)


every_urgency = pytest.mark.parametrize("urgency", [NORMAL, URGENT, CRITICAL])
every_channel = pytest.mark.parametrize("channel", [IN_APP, EMAIL, SLACK, SMS])
outside = pytest.mark.parametrize("channel", OUTSIDE)


# --- first row: what nothing passes ---------------------------------------------------------------------------------


@every_urgency
@every_channel
def test_what_is_expired_is_skipped(channel: Channel, urgency: Urgency) -> None:
    assert decided(channel, urgency, expires_at=NOW) == skipped(channel, "expired")
    assert decided(channel, urgency, expires_at=NOW + timedelta(seconds=1)) == sent(channel)


@every_urgency
@every_channel
def test_nothing_goes_to_a_user_who_is_inactive(channel: Channel, urgency: Urgency) -> None:
    assert decided(channel, urgency, is_user_active=False) == skipped(channel, "user_inactive")


@every_urgency
@every_channel
def test_what_was_decided_meanwhile_is_skipped(channel: Channel, urgency: Urgency) -> None:
    assert decided(channel, urgency, withdrawn_for="decided") == skipped(channel, "decided")


@every_urgency
@outside
def test_a_channel_without_a_text_is_skipped(channel: Channel, urgency: Urgency) -> None:
    assert decided(channel, urgency, contents=ALL_CHANNELS - {channel}) == skipped(channel, "no_template")


@every_urgency
@outside
def test_a_channel_without_an_address_is_skipped(channel: Channel, urgency: Urgency) -> None:
    assert decided(channel, urgency, reachable=ALL_CHANNELS - {channel}) == skipped(channel, "no_address")


@every_urgency
@outside
def test_a_channel_that_is_not_configured_is_skipped(channel: Channel, urgency: Urgency) -> None:
    assert decided(channel, urgency, configured=ALL_CHANNELS - {channel}) == skipped(channel, "not_configured")


@every_urgency
def test_push_says_that_it_is_not_configured(urgency: Urgency) -> None:
    assert decided(PUSH, urgency) == skipped(PUSH, "not_configured")


@pytest.mark.parametrize("urgency", [NORMAL, URGENT])
def test_a_category_whose_mail_was_left_sends_no_mail(urgency: Urgency) -> None:
    left = replace(EVERYTHING, email_unsubscribed=True)
    assert decided(EMAIL, urgency, left) == skipped(EMAIL, "unsubscribed")
    assert [decided(channel, urgency, left) for channel in (IN_APP, SLACK, SMS)] == [
        sent(IN_APP),
        sent(SLACK),
        sent(SMS),
    ]


def test_a_critical_mail_leaves_whoever_left_its_category() -> None:
    assert decided(EMAIL, CRITICAL, replace(EVERYTHING, email_unsubscribed=True)) == sent(EMAIL)


# --- muted ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("urgency", [NORMAL, URGENT])
@every_channel
def test_a_channel_that_is_not_wanted_is_muted(channel: Channel, urgency: Urgency) -> None:
    assert decided(channel, urgency, replace(EVERYTHING, channels=ALL_CHANNELS - {channel})) == skipped(
        channel, "muted"
    )


@pytest.mark.parametrize("urgency", [NORMAL, URGENT])
@every_channel
def test_never_mutes_every_channel(channel: Channel, urgency: Urgency) -> None:
    assert decided(channel, urgency, replace(EVERYTHING, frequency=Frequency.NEVER)) == skipped(channel, "muted")


@every_channel
def test_nothing_mutes_what_is_critical(channel: Channel) -> None:
    muted = replace(EVERYTHING, channels=frozenset(), frequency=Frequency.NEVER)
    assert decided(channel, CRITICAL, muted) == sent(channel)


# --- do not disturb -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("urgency", [NORMAL, URGENT])
def test_do_not_disturb_holds_until_its_end_and_lets_the_row_in_silently(urgency: Urgency) -> None:
    away = replace(EVERYTHING, dnd_enabled=True, dnd_until=IN_AN_HOUR)
    assert decided(IN_APP, urgency, away) == ChannelDecision(IN_APP, SEND, "do_not_disturb", is_silent=True)
    assert [decided(channel, urgency, away) for channel in OUTSIDE] == [
        ChannelDecision(channel, HOLD, "do_not_disturb", IN_AN_HOUR) for channel in OUTSIDE
    ]


@pytest.mark.parametrize("urgency", [NORMAL, URGENT])
def test_do_not_disturb_without_an_end_skips(urgency: Urgency) -> None:
    away = replace(EVERYTHING, dnd_enabled=True)
    assert decided(IN_APP, urgency, away).is_silent
    assert [decided(channel, urgency, away) for channel in OUTSIDE] == [
        skipped(channel, "do_not_disturb") for channel in OUTSIDE
    ]


@every_channel
def test_nothing_critical_is_held_by_do_not_disturb(channel: Channel) -> None:
    assert decided(channel, CRITICAL, replace(EVERYTHING, dnd_enabled=True)) == sent(channel)
    assert decided(channel, CRITICAL, replace(EVERYTHING, dnd_enabled=True, dnd_until=IN_AN_HOUR)) == sent(channel)


@every_channel
def test_do_not_disturb_is_over_at_its_end_and_where_it_is_switched_off(channel: Channel) -> None:
    assert decided(channel, NORMAL, replace(EVERYTHING, dnd_enabled=True, dnd_until=NOW)) == sent(channel)
    assert decided(channel, NORMAL, replace(EVERYTHING, dnd_until=IN_AN_HOUR)) == sent(channel)


# --- quiet hours ----------------------------------------------------------------------------------------------------


def test_quiet_hours_hold_until_their_end_and_let_the_row_in_silently() -> None:
    end = NOW.replace(hour=17, minute=0)
    assert decided(IN_APP, NORMAL, QUIET) == ChannelDecision(IN_APP, SEND, "quiet_hours", is_silent=True)
    assert [decided(channel, NORMAL, QUIET) for channel in OUTSIDE] == [
        ChannelDecision(channel, HOLD, "quiet_hours", end) for channel in OUTSIDE
    ]


@pytest.mark.parametrize("urgency", [URGENT, CRITICAL])
@every_channel
def test_what_is_urgent_passes_quiet_hours(channel: Channel, urgency: Urgency) -> None:
    assert decided(channel, urgency, QUIET) == sent(channel)


# --- frequency ------------------------------------------------------------------------------------------------------

DIGESTS = {
    Frequency.HOURLY_DIGEST: datetime(2026, 11, 18, 16, tzinfo=UTC),
    Frequency.DAILY_DIGEST: datetime(2026, 11, 19, 9, tzinfo=UTC),
    Frequency.WEEKLY_DIGEST: datetime(2026, 11, 23, 9, tzinfo=UTC),
}


@pytest.mark.parametrize("frequency", DIGESTS)
def test_a_digest_gathers_what_is_normal(frequency: Frequency) -> None:
    wanted = replace(EVERYTHING, frequency=frequency)
    assert decided(IN_APP, NORMAL, wanted) == ChannelDecision(IN_APP, SEND, frequency.value, is_silent=True)
    for channel in (EMAIL, SLACK):
        assert decided(channel, NORMAL, wanted) == ChannelDecision(channel, DIGEST, frequency.value, DIGESTS[frequency])
    assert decided(SMS, NORMAL, wanted) == skipped(SMS, "no_digest")


@pytest.mark.parametrize("urgency", [URGENT, CRITICAL])
@pytest.mark.parametrize("frequency", DIGESTS)
@every_channel
def test_what_is_urgent_waits_for_no_digest(channel: Channel, frequency: Frequency, urgency: Urgency) -> None:
    assert decided(channel, urgency, replace(EVERYTHING, frequency=frequency)) == sent(channel)


def test_the_shared_channel_of_an_organization_gathers_nothing() -> None:
    wanted = replace(EVERYTHING, frequency=Frequency.DAILY_DIGEST)
    assert decided(SLACK, NORMAL, wanted, without_digest=frozenset({SMS, SLACK})) == skipped(SLACK, "no_digest")


# --- throttle -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", [EMAIL, SLACK])
def test_the_thirty_first_of_an_hour_joins_a_digest(channel: Channel) -> None:
    hour = datetime(2026, 11, 18, 16, tzinfo=UTC)
    assert decided(channel, left=MOST_AN_HOUR - 1) == sent(channel)
    assert decided(channel, left=MOST_AN_HOUR) == ChannelDecision(channel, DIGEST, "throttled", hour)


def test_a_text_message_too_many_is_not_sent() -> None:
    assert decided(SMS, left=MOST_AN_HOUR) == skipped(SMS, "no_digest")


def test_the_application_is_not_throttled() -> None:
    assert decided(IN_APP, left=1000) == sent(IN_APP)


@pytest.mark.parametrize("urgency", [URGENT, CRITICAL])
@outside
def test_nothing_urgent_is_throttled(channel: Channel, urgency: Urgency) -> None:
    assert decided(channel, urgency, left=1000) == sent(channel)


# --- unless it is read ----------------------------------------------------------------------------------------------

TEN = timedelta(minutes=10)


@pytest.mark.parametrize("urgency", [NORMAL, URGENT])
@outside
def test_a_channel_waits_for_the_reader(channel: Channel, urgency: Urgency) -> None:
    decision = ChannelDecision(channel, HOLD, "unless_read", NOW + TEN)
    assert decided(channel, urgency, unless_read_within=TEN) == decision
    assert decided(channel, urgency, unless_read_within=TEN, was_seen=True) == skipped(channel, "read")


@outside
def test_a_channel_that_has_waited_for_the_reader_is_sent(channel: Channel) -> None:
    asked = Notice((channel,), NORMAL, NOW - TEN, unless_read_within=TEN, has_waited=True)
    assert decide(asked, EVERYTHING, NOW) == (sent(channel),)


@every_channel
def test_what_is_critical_waits_for_no_reader(channel: Channel) -> None:
    assert decided(channel, CRITICAL, unless_read_within=TEN) == sent(channel)
    assert decided(channel, CRITICAL, unless_read_within=TEN, was_seen=True) == sent(channel)


def test_the_application_waits_for_no_reader() -> None:
    assert decided(IN_APP, unless_read_within=TEN) == sent(IN_APP)


@pytest.mark.parametrize("urgency", [NORMAL, URGENT])
@outside
def test_what_waited_and_was_read_meanwhile_is_not_said_again(channel: Channel, urgency: Urgency) -> None:
    assert decided(channel, urgency, has_waited=True, was_seen=True) == skipped(channel, "read")
    assert decided(channel, urgency, was_seen=True) == sent(channel)


# --- the table as a whole -------------------------------------------------------------------------------------------


def test_gates_are_asked_in_the_order_of_the_table() -> None:
    """Every gate says no, one after another: each time the next one decides."""
    preference = Preference(
        channels=frozenset(),
        frequency=Frequency.DAILY_DIGEST,
        quiet_hours=QUIET.quiet_hours,
        dnd_enabled=True,
        email_unsubscribed=True,
    )
    asked = Notice(
        (EMAIL,),
        NORMAL,
        NOW,
        contents=frozenset(),
        expires_at=NOW,
        was_seen=True,
        has_waited=True,
        unless_read_within=TEN,
    )
    reasons = []

    def note(asked: Notice, preference: Preference, left: int = MOST_AN_HOUR) -> None:
        reasons.append(decide(asked, preference, NOW, left_this_hour=left)[0].reason)

    note(asked, preference)
    note(asked := replace(asked, expires_at=None), preference)
    note(asked := replace(asked, was_seen=False), preference)
    note(asked := replace(asked, contents=ALL_CHANNELS), preference)
    note(asked, preference := replace(preference, email_unsubscribed=False))
    note(asked, preference := replace(preference, channels=ALL_CHANNELS))
    note(asked, preference := replace(preference, dnd_enabled=False))
    note(asked, preference := replace(preference, quiet_hours=None))
    note(asked, preference := replace(preference, frequency=Frequency.IMMEDIATE))
    note(asked, preference, 0)
    note(replace(asked, unless_read_within=None), preference, 0)
    assert reasons == [
        "expired",
        "read",
        "no_template",
        "unsubscribed",
        "muted",
        "do_not_disturb",
        "quiet_hours",
        "daily_digest",
        "throttled",
        "unless_read",
        None,
    ]


def test_every_gate_answers_also_behind_the_one_that_decides() -> None:
    preference = replace(QUIET, frequency=Frequency.DAILY_DIGEST)
    answers = gates(Notice((EMAIL,), NORMAL, NOW), preference, NOW)[EMAIL]
    assert {answer.gate: answer.decision.reason for answer in answers if answer.decision is not None} == {
        "quiet_hours": "quiet_hours",
        "frequency": "daily_digest",
    }
    assert [answer.gate for answer in answers] == [
        "expired", "read", "channel", "unsubscribed", "muted", "do_not_disturb", "quiet_hours", "frequency", "throttle",
        "unless_read",
    ]  # fmt: skip


def test_each_channel_has_a_decision_of_its_own_in_the_order_asked_for() -> None:
    found = decide(Notice((SMS, IN_APP, EMAIL), NORMAL, NOW), Preference(), NOW)
    assert found == (skipped(SMS, "muted"), sent(IN_APP), sent(EMAIL))


def test_a_member_of_a_digest_is_not_sent_to_the_next_digest() -> None:
    daily = replace(QUIET, frequency=Frequency.DAILY_DIGEST)
    asked = Notice((EMAIL,), NORMAL, NOW, unless_read_within=TEN)
    assert decide_member(asked, replace(daily, quiet_hours=None), EMAIL, NOW) == sent(EMAIL)
    assert decide_member(asked, daily, EMAIL, NOW).verdict is HOLD
    assert decide_member(replace(asked, expires_at=NOW), daily, EMAIL, NOW) == skipped(EMAIL, "expired")


@pytest.mark.parametrize(
    ("priority", "is_critical", "urgency"),
    [
        (Priority.LOW, False, NORMAL),
        (Priority.NORMAL, False, NORMAL),
        (Priority.HIGH, False, NORMAL),
        (Priority.URGENT, False, URGENT),
        (Priority.LOW, True, CRITICAL),
        (Priority.URGENT, True, CRITICAL),
    ],
)
def test_the_column_of_the_table(priority: Priority, is_critical: bool, urgency: Urgency) -> None:
    assert urgency_of(priority, is_critical=is_critical) is urgency
