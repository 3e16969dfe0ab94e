"""What acts for a person and category, of the row that the database has of it."""

from datetime import time
from uuid import UUID

from crm_relay.consent.address import normalise, normalise_phone
from crm_relay.notifications.models import (
    Channel,
    Frequency,
    Preference,
    PreferenceSource,
    ReaderLocale,
    channels_of,
    day_of,
)
from crm_relay.notifications.moments import LATEST, moment_of
from crm_relay.platform.database import Row
from crm_relay.rules.send_windows import DAYS, SendWindow
from crm_relay.rules.zones import zone_meant

DEFAULT_LOCALE = "en-US"


def preference_of(setting: Row) -> Preference:
    """Of a row of `notification_setting`."""
    zone = zone_of_person(setting["zone"])
    built_in = Preference(zone=zone)
    dnd_until = moment_of(setting["dnd_until"])
    return Preference(
        channels=built_in.channels if setting["channels"] is None else frozenset(channels_of(setting["channels"])),
        frequency=frequency_of(setting["frequency"]),
        digest_time=time_of(setting["digest_time"]) or built_in.digest_time,
        digest_day=day_of(setting["digest_day"]),
        quiet_hours=quiet_hours_of(setting, zone),
        dnd_enabled=setting["dnd_enabled"],
        dnd_until=None if dnd_until == LATEST else dnd_until,
        email_unsubscribed=setting["email_unsubscribed"],
        zone=zone,
        source=PreferenceSource(setting["source"]),
    )


def frequency_of(stored: str | None) -> Frequency:
    """At once where nothing is known, and for a word that is none: a table of the application may hold others."""
    return next((each for each in Frequency if each.value == stored), Frequency.IMMEDIATE)


def zone_of_person(stored: str | None) -> str:
    """UTC where nothing is known, and for a name that this installation cannot read: that stops nobody."""
    return zone_meant(stored) or "UTC"


def quiet_hours_of(setting: Row, zone: str) -> SendWindow | None:
    """None: never quiet, also where both ends are the same."""
    if not setting["quiet_hours_enabled"]:
        return None
    start, end = time_of(setting["quiet_hours_start"]) or time(22), time_of(setting["quiet_hours_end"]) or time(8)
    if start == end:
        return None
    return SendWindow(frozenset(DAYS), start, end, zone)


def time_of(stored: str | None) -> time | None:
    """Of `09:00:00`; PostgreSQL's last moment of a day, 24:00, is the next one's first."""
    if stored is None:
        return None
    return time() if stored.startswith("24") else time.fromisoformat(stored)


def locale_of(setting: Row) -> ReaderLocale:
    """How dates and money are written for them."""
    return ReaderLocale(zone_of_person(setting["zone"]), setting["locale"] or DEFAULT_LOCALE)


def reachable(setting: Row) -> frozenset[Channel]:
    """The channels on which the person has an address."""
    addresses = {
        Channel.EMAIL: normalise(setting["email"]) if setting["email"] else None,
        Channel.SMS: normalise_phone(setting["phone"]) if setting["phone"] else None,
        Channel.SLACK: setting["slack_webhook_id"],
    }
    return frozenset(Channel) - {channel for channel, address in addresses.items() if address is None}


def without_digest(setting: Row) -> frozenset[Channel]:
    """A text message gathers nothing, and what is one person's does not belong into the organization's channel."""
    return frozenset({Channel.SMS}) if setting["is_slack_own"] else frozenset({Channel.SMS, Channel.SLACK})


def slack_webhook_of(setting: Row) -> UUID | None:
    """Their own, else the organization's."""
    found: UUID | None = setting["slack_webhook_id"]
    return found
