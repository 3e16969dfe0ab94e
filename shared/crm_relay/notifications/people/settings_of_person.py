"""What acts for a person in each category, and what a notification of this moment would come to."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from crm_relay.notifications.decisions import CONFIGURABLE, decide, digest_leaves_at
from crm_relay.notifications.models import Channel, Notice, Preference, Urgency
from crm_relay.notifications.people import store
from crm_relay.notifications.preferences import locale_of, preference_of, reachable, without_digest
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.errors import RejectedInput

WEEK = timedelta(days=7)
_SHOWN = (Channel.IN_APP, Channel.EMAIL, Channel.SLACK, Channel.SMS)


@dataclass(frozen=True)
class ChannelNow:
    """What becomes of a normal notification that is written now; `not_before`: when it leaves, or its digest."""

    channel: str
    verdict: str
    reason: str | None
    not_before: datetime | None
    is_silent: bool


@dataclass(frozen=True)
class CategorySetting:
    """One category. `source`: whose choice it is (`person`, `organization`, `built_in`).

    `quiet_hours`: `22:00-08:00`, None: never. `next_digest_at` None: there is none.
    """

    category: str
    source: str
    channels: list[str]
    frequency: str
    quiet_hours: str | None
    dnd_enabled: bool
    dnd_until: datetime | None
    email_unsubscribed: bool
    is_critical: bool
    next_digest_at: datetime | None
    now: list[ChannelNow]


@dataclass(frozen=True)
class PersonSettings:
    """`zone` and `locale` as they act, also where the stored ones are unknown."""

    user_id: UUID
    org_id: UUID
    is_active: bool
    zone: str
    locale: str
    reachable: list[str]
    categories: list[CategorySetting]


@dataclass(frozen=True)
class Colleague:
    """One person, by the id of their row in `user_profiles`."""

    user_id: UUID
    org_id: UUID


def configured_channels(*, has_email: bool, has_texts: bool) -> frozenset[Channel]:
    """The channels that an installation with a sender of e-mail and one of text messages can use."""
    missing = {Channel.EMAIL: has_email, Channel.SMS: has_texts}
    return CONFIGURABLE - {channel for channel, is_there in missing.items() if not is_there}


def find_colleague(db: Queryable, who: str) -> Colleague:
    """`who`: an id or an address. RejectedInput with 404 where there is nobody, with 409 where there are several."""
    found = store.find_colleagues(db, who)
    if not found:
        raise RejectedInput("there is no such user", status=404)
    if len(found) > 1:
        raise RejectedInput("several users have this address: name one by the id", status=409)
    if found[0]["org_id"] is None:
        raise RejectedInput("the user belongs to no organization", status=409)
    return Colleague(found[0]["id"], found[0]["org_id"])


def settings_of_person(
    db: Queryable, colleague: Colleague, now: datetime, *, configured: frozenset[Channel] = CONFIGURABLE
) -> PersonSettings:
    """One statement."""
    rows = store.settings_of_person(db, colleague.user_id, colleague.org_id, since=now - WEEK)
    return PersonSettings(
        user_id=colleague.user_id,
        org_id=colleague.org_id,
        is_active=all(row["is_user_active"] for row in rows),
        zone=locale_of(rows[0]).zone if rows else "UTC",
        locale=locale_of(rows[0]).locale if rows else "en-US",
        reachable=_words(reachable(rows[0])) if rows else [],
        categories=[_category(row, now, configured) for row in rows],
    )


def _category(row: Row, now: datetime, configured: frozenset[Channel]) -> CategorySetting:
    preference = preference_of(row)
    return CategorySetting(
        category=row["category"],
        source=preference.source.value,
        channels=_words(preference.channels),
        frequency=preference.frequency.value,
        quiet_hours=quiet_hours_shown(preference),
        dnd_enabled=preference.dnd_enabled,
        dnd_until=preference.dnd_until,
        email_unsubscribed=preference.email_unsubscribed,
        is_critical=row["is_critical"],
        next_digest_at=digest_leaves_at(preference, now),
        now=_now(row, preference, now, configured),
    )


def _now(row: Row, preference: Preference, now: datetime, configured: frozenset[Channel]) -> list[ChannelNow]:
    notice = Notice(
        channels=_SHOWN,
        urgency=Urgency.CRITICAL if row["is_critical"] else Urgency.NORMAL,
        created_at=now,
        reachable=reachable(row),
        without_digest=without_digest(row),
        is_user_active=row["is_user_active"],
    )
    return [
        ChannelNow(each.channel.value, each.verdict.value, each.reason, each.not_before, each.is_silent)
        for each in decide(notice, preference, now, configured=configured)
    ]


def quiet_hours_shown(preference: Preference) -> str | None:
    """`22:00-08:00`; None: never quiet."""
    window = preference.quiet_hours
    return None if window is None else f"{window.start:%H:%M}-{window.end:%H:%M}"


def _words(channels: frozenset[Channel]) -> list[str]:
    return [channel.value for channel in Channel if channel in channels]
