"""When a notification leaves on each of its channels, and why; pure. The cron, the preview and `why` ask this."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

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
from crm_relay.rules.send_windows import DAYS, closes_at, is_open, next_time

MOST_AN_HOUR = 30
"""So many a person gets in an hour outside the application before the rest comes as a digest."""

CONFIGURABLE = ALL_CHANNELS - {Channel.PUSH}
"""Push has an adapter that says that it is not configured."""

LATE_AFTER = timedelta(minutes=15)
"""Who is later than this was held up by us: several leave as one digest."""


def urgency_of(priority: Priority, *, is_critical: bool) -> Urgency:
    """The column of the gate table; `high` is shown as such and leaves like a normal one."""
    if is_critical:
        return Urgency.CRITICAL
    return Urgency.URGENT if priority is Priority.URGENT else Urgency.NORMAL


@dataclass(frozen=True)
class GateAnswer:
    """What one gate says of one channel; `decision` None: it lets it pass."""

    gate: str
    decision: ChannelDecision | None


@dataclass(frozen=True)
class _Case:
    """One channel of one notification before the gates."""

    channel: Channel
    notice: Notice
    preference: Preference
    now: datetime
    left_this_hour: int
    configured: frozenset[Channel]

    @property
    def is_in_app(self) -> bool:
        return self.channel is Channel.IN_APP

    @property
    def urgency(self) -> Urgency:
        return self.notice.urgency

    def skip(self, reason: str) -> ChannelDecision:
        return ChannelDecision(self.channel, Verdict.SKIP, reason, is_silent=self.is_in_app)

    def silent(self, reason: str) -> ChannelDecision:
        """The row is there at once, and nothing announces it."""
        return ChannelDecision(self.channel, Verdict.SEND, reason, is_silent=True)

    def hold(self, reason: str, until: datetime) -> ChannelDecision:
        return ChannelDecision(self.channel, Verdict.HOLD, reason, until)

    def digest(self, reason: str, leaves_at: datetime) -> ChannelDecision:
        if self.channel in self.notice.without_digest:
            return self.skip("no_digest")
        return ChannelDecision(self.channel, Verdict.DIGEST, reason, leaves_at)


def decide(
    notice: Notice,
    preference: Preference,
    now: datetime,
    *,
    left_this_hour: int = 0,
    configured: frozenset[Channel] = CONFIGURABLE,
) -> tuple[ChannelDecision, ...]:
    """One decision a channel that was asked for, in their order: the first gate that does not let it pass.

    `left_this_hour`: how many left to the person in the last hour outside the application. `configured`: the channels
    that this installation can use.
    """
    return tuple(
        _decided(_Case(channel, notice, preference, now, left_this_hour, configured)) for channel in notice.channels
    )


def gates(
    notice: Notice,
    preference: Preference,
    now: datetime,
    *,
    left_this_hour: int = 0,
    configured: frozenset[Channel] = CONFIGURABLE,
) -> dict[Channel, tuple[GateAnswer, ...]]:
    """What every gate says of every channel, also those behind the one that decides."""
    return {
        channel: tuple(
            GateAnswer(name, gate(_Case(channel, notice, preference, now, left_this_hour, configured)))
            for name, gate in _GATES.items()
        )
        for channel in notice.channels
    }


def decide_member(
    notice: Notice,
    preference: Preference,
    channel: Channel,
    now: datetime,
    *,
    configured: frozenset[Channel] = CONFIGURABLE,
) -> ChannelDecision:
    """Whether a member of a digest that leaves now goes with it (SEND), drops out (SKIP) or has to wait (HOLD).

    The gates behind quiet hours were passed when it became a member; asked again, they would keep it here for ever.
    """
    case = _Case(channel, notice, preference, now, 0, configured)
    asked = takewhile(lambda name: name != "frequency", _GATES)
    answers = (_GATES[name](case) for name in asked)
    return next((answer for answer in answers if answer is not None), ChannelDecision(channel, Verdict.SEND))


def next_full_hour(zone: str, after: datetime) -> datetime:
    """The first one behind `after` on the clock of `zone`; in UTC."""
    wall = after.astimezone(ZoneInfo(zone))
    past = timedelta(minutes=wall.minute, seconds=wall.second, microseconds=wall.microsecond)
    return (after - past + _HOUR).astimezone(UTC)


def next_full_minute(after: datetime) -> datetime:
    """The first one behind `after`: what several workers gather within a minute is one digest."""
    return (after + timedelta(minutes=1)).replace(second=0, microsecond=0)


def digest_leaves_at(preference: Preference, after: datetime) -> datetime | None:
    """When the next digest of this preference leaves; None: it has none."""
    match preference.frequency:
        case Frequency.HOURLY_DIGEST:
            return next_full_hour(preference.zone, after)
        case Frequency.DAILY_DIGEST:
            return next_time(DAYS, preference.digest_time, preference.zone, after)
        case Frequency.WEEKLY_DIGEST:
            return next_time({preference.digest_day}, preference.digest_time, preference.zone, after)
        case _:
            return None


_HOUR = timedelta(hours=1)


def _decided(case: _Case) -> ChannelDecision:
    answers = (gate(case) for gate in _GATES.values())
    return next((answer for answer in answers if answer is not None), ChannelDecision(case.channel, Verdict.SEND))


# --- the gates, in their order; None lets it pass -------------------------------------------------------------------


def _gone(case: _Case) -> ChannelDecision | None:
    notice = case.notice
    if notice.expires_at is not None and notice.expires_at <= case.now:
        return case.skip("expired")
    if not notice.is_user_active:
        return case.skip("user_inactive")
    if notice.withdrawn_for is not None:
        return case.skip(notice.withdrawn_for)
    return None


def _seen(case: _Case) -> ChannelDecision | None:
    """What waited and was read meanwhile is not said a second time. A critical one is said all the same."""
    notice = case.notice
    if case.is_in_app or case.urgency is Urgency.CRITICAL or not notice.was_seen:
        return None
    return case.skip("read") if notice.has_waited or notice.unless_read_within is not None else None


def _possible(case: _Case) -> ChannelDecision | None:
    notice = case.notice
    if case.channel not in case.configured:
        return case.skip("not_configured")
    if case.channel not in notice.contents:
        return case.skip("no_template")
    return case.skip("no_address") if case.channel not in notice.reachable else None


def _unsubscribed(case: _Case) -> ChannelDecision | None:
    if case.channel is not Channel.EMAIL or case.urgency is Urgency.CRITICAL:
        return None
    return case.skip("unsubscribed") if case.preference.email_unsubscribed else None


def _muted(case: _Case) -> ChannelDecision | None:
    if case.urgency is Urgency.CRITICAL:
        return None
    wanted = case.channel in case.preference.channels and case.preference.frequency is not Frequency.NEVER
    return None if wanted else case.skip("muted")


def _do_not_disturb(case: _Case) -> ChannelDecision | None:
    until = case.preference.dnd_until
    if case.urgency is Urgency.CRITICAL or not case.preference.dnd_enabled:
        return None
    if until is not None and until <= case.now:
        return None
    if case.is_in_app:
        return case.silent("do_not_disturb")
    return case.skip("do_not_disturb") if until is None else case.hold("do_not_disturb", until)


def _quiet_hours(case: _Case) -> ChannelDecision | None:
    window = case.preference.quiet_hours
    if case.urgency is not Urgency.NORMAL or window is None or not is_open(window, case.now):
        return None
    return case.silent("quiet_hours") if case.is_in_app else case.hold("quiet_hours", closes_at(window, case.now))


def _frequency(case: _Case) -> ChannelDecision | None:
    if case.urgency is not Urgency.NORMAL:
        return None
    leaves_at = digest_leaves_at(case.preference, case.now)
    if leaves_at is None:
        return None
    word = case.preference.frequency.value
    return case.silent(word) if case.is_in_app else case.digest(word, leaves_at)


def _throttle(case: _Case) -> ChannelDecision | None:
    if case.urgency is not Urgency.NORMAL or case.is_in_app or case.left_this_hour < MOST_AN_HOUR:
        return None
    return case.digest("throttled", next_full_hour(case.preference.zone, case.now))


def _unless_read(case: _Case) -> ChannelDecision | None:
    wait = case.notice.unless_read_within
    if case.urgency is Urgency.CRITICAL or case.is_in_app or wait is None:
        return None
    until = case.notice.created_at + wait
    return case.hold("unless_read", until) if case.now < until else None


_GATES: dict[str, Callable[[_Case], ChannelDecision | None]] = {
    "expired": _gone,
    "read": _seen,
    "channel": _possible,
    "unsubscribed": _unsubscribed,
    "muted": _muted,
    "do_not_disturb": _do_not_disturb,
    "quiet_hours": _quiet_hours,
    "frequency": _frequency,
    "throttle": _throttle,
    "unless_read": _unless_read,
}
