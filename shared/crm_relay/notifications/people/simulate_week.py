"""The simulated week: what a person would have got of the last seven days with other settings."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from uuid import UUID

from crm_relay.notifications.decisions import CONFIGURABLE, urgency_of
from crm_relay.notifications.models import (
    ALL_CHANNELS,
    Channel,
    Frequency,
    Preference,
    Priority,
    channels_of,
)
from crm_relay.notifications.people import store
from crm_relay.notifications.people.replay import PastNotification, ReplayedDelivery, ReplayedPerson, replay
from crm_relay.notifications.people.settings_of_person import WEEK, Colleague
from crm_relay.notifications.preferences import preference_of, reachable, without_digest
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.send_windows import DAYS, SendWindow
from crm_relay.rules.zones import problem_of_zone

MOST_NOTIFICATIONS = 5_000
"""So many of the newest are looked at."""


@dataclass(frozen=True)
class SettingsChange:
    """Settings that a person thinks of; None: as it is. `categories` empty: all of them.

    `quiet_hours` and `digest_time` as `22:00-08:00` and `09:00`; `quiet_hours` empty: never quiet.
    """

    categories: tuple[str, ...] = ()
    channels: tuple[Channel, ...] | None = None
    frequency: Frequency | None = None
    digest_time: str | None = None
    digest_day: str | None = None
    quiet_hours: str | None = None
    zone: str | None = None
    email_unsubscribed: bool | None = None

    def applied(self, preference: Preference) -> Preference:
        """RejectedInput for a time or a zone that is none."""
        zone = preference.zone if self.zone is None else self.zone
        if problem := problem_of_zone(zone):
            raise RejectedInput(f"zone: {problem}")
        changes = {
            "channels": None if self.channels is None else frozenset(self.channels),
            "frequency": self.frequency,
            "digest_time": None if self.digest_time is None else _time(self.digest_time),
            "digest_day": self._day(),
            "email_unsubscribed": self.email_unsubscribed,
        }
        changed = {name: value for name, value in changes.items() if value is not None}
        return replace(preference, zone=zone, quiet_hours=self._quiet_hours(preference, zone), **changed)  # type: ignore[arg-type]

    def _day(self) -> str | None:
        if self.digest_day is None:
            return None
        day = self.digest_day[:3].lower()
        if day not in DAYS:
            raise RejectedInput("digest_day: not a weekday")
        return day

    def _quiet_hours(self, preference: Preference, zone: str) -> SendWindow | None:
        if self.quiet_hours is None:
            return None if preference.quiet_hours is None else preference.quiet_hours.in_zone(zone)
        start, _, end = self.quiet_hours.partition("-")
        if not self.quiet_hours.strip() or _time(start) == _time(end):
            return None
        return SendWindow(frozenset(DAYS), _time(start), _time(end), zone)


@dataclass(frozen=True)
class ChannelWeek:
    """One channel: `at_once` and `held` left alone, `in_digests` in so many `digests`; `silent`: nothing announced it.

    `skipped`: by reason. `waiting`: would not have left until now.
    """

    channel: str
    at_once: int
    held: int
    in_digests: int
    digests: int
    silent: int
    skipped: dict[str, int]
    waiting: int

    @property
    def messages(self) -> int:
        """How often the person would have heard from this channel."""
        return self.at_once + self.held + self.digests


@dataclass(frozen=True)
class SimulatedWeek:
    """`now`: with the settings as they are; `then`: with the change. `is_complete` False: there were more."""

    user_id: UUID
    since: datetime
    until: datetime
    notifications: int
    is_complete: bool
    now: list[ChannelWeek]
    then: list[ChannelWeek]
    lines: list[ReplayedDelivery]


def simulate_week(
    db: Queryable,
    colleague: Colleague,
    change: SettingsChange,
    now: datetime,
    *,
    configured: frozenset[Channel] = CONFIGURABLE,
) -> SimulatedWeek:
    """Two statements; nothing is written. Both weeks are replayed by the rules, so that only the settings differ."""
    since = now - WEEK
    settings = store.settings_of_person(db, colleague.user_id, colleague.org_id, since=since)
    rows = store.notifications_since(db, colleague.user_id, since, limit=MOST_NOTIFICATIONS + 1)
    past = [_past(row) for row in reversed(rows[:MOST_NOTIFICATIONS])]
    as_now = {row["category"]: preference_of(row) for row in settings}
    changed = {
        category: change.applied(preference) if _is_meant(change, category) else preference
        for category, preference in as_now.items()
    }
    before = replay(past, _person(settings, as_now.__getitem__, configured), now)
    after = replay(past, _person(settings, changed.__getitem__, configured), now)
    return SimulatedWeek(
        user_id=colleague.user_id,
        since=since,
        until=now,
        notifications=len(past),
        is_complete=len(rows) <= MOST_NOTIFICATIONS,
        now=weeks_of(before),
        then=weeks_of(after),
        lines=after,
    )


def weeks_of(lines: Sequence[ReplayedDelivery]) -> list[ChannelWeek]:
    """By channel, in their usual order; those that nothing was asked of are left out."""
    by_channel = {channel: [line for line in lines if line.channel is channel] for channel in Channel}
    return [_week(channel, own) for channel, own in by_channel.items() if own]


def _week(channel: Channel, lines: Sequence[ReplayedDelivery]) -> ChannelWeek:
    sent = [line for line in lines if line.outcome == "sent"]
    digests = [line for line in lines if line.outcome == "digest"]
    return ChannelWeek(
        channel=channel.value,
        at_once=sum(line.at == line.created_at and not line.is_silent for line in sent),
        held=sum(line.at != line.created_at and not line.is_silent for line in sent),
        in_digests=len(digests),
        digests=len({line.at for line in digests}),
        silent=sum(line.is_silent for line in lines),
        skipped=dict(Counter(line.reason or "" for line in lines if line.outcome == "skipped" and not line.is_silent)),
        waiting=sum(line.outcome == "waiting" for line in lines),
    )


def _is_meant(change: SettingsChange, category: str) -> bool:
    return not change.categories or category in change.categories


def _person(
    settings: Sequence[Row], preference_of_category: Callable[[str], Preference], configured: frozenset[Channel]
) -> ReplayedPerson:
    if not settings:
        return ReplayedPerson(preference_of_category, configured=configured)
    setting = settings[0]
    return ReplayedPerson(
        preference_of_category, reachable(setting), without_digest(setting), setting["is_user_active"], configured
    )


def _past(row: Row) -> PastNotification:
    wait = row["unless_read_within"]
    known = {priority.value for priority in Priority}
    priority = Priority(row["priority"]) if row["priority"] in known else Priority.NORMAL
    return PastNotification(
        id=row["id"],
        category=row["category"],
        channels=channels_of(row["channels"]),
        urgency=urgency_of(priority, is_critical=row["is_critical"]),
        created_at=row["created_at"],
        contents=ALL_CHANNELS - set(channels_of(row["without_text"])),
        read_at=row["read_at"],
        archived_at=row["archived_at"],
        withdrawn_for=row["withdrawn_for"],
        expires_at=row["expires_at"],
        unless_read_within=None if wait is None else timedelta(minutes=wait),
    )


def _time(written: str) -> time:
    try:
        return time.fromisoformat(written.strip()).replace(tzinfo=None)
    except ValueError:
        raise RejectedInput("times are written as HH:MM") from None
