"""Which names are time zones, and which zone other names mean; pure."""

from collections.abc import Mapping
from functools import lru_cache
from zoneinfo import ZoneInfo

from crm_relay.rules.windows_zones import WINDOWS_ZONES

# Files beside the zones: with leap seconds, of this machine, or no place at all.
_NOT_A_ZONE = ("right/", "posix/", "posixrules", "localtime", "Factory")

ABBREVIATIONS: Mapping[str, str] = {
    # https://www.rfc-editor.org/rfc/rfc5322#section-4.3: obs-zone
    **dict.fromkeys(("EST", "EDT"), "America/New_York"),
    **dict.fromkeys(("CST", "CDT"), "America/Chicago"),
    **dict.fromkeys(("MST", "MDT"), "America/Denver"),
    **dict.fromkeys(("PST", "PDT"), "America/Los_Angeles"),
    # https://www.timetemperature.com/abbreviations/united_states_time_zone_abbreviations.shtml
    **dict.fromkeys(("AKST", "AKDT"), "America/Anchorage"),
    "HST": "Pacific/Honolulu",
}
"""What people write for a place whose clocks change.

The time zone database has three of them, EST, MST and HST, as fixed offsets: an hour off in summer.
"""


def is_zone(name: str | None) -> bool:
    """Whether `name` is an IANA time zone that this installation knows, and no abbreviation of another one."""
    return bool(name) and name not in ABBREVIATIONS and _load(str(name)) is not None


@lru_cache(maxsize=4096)
def zone_meant(written: str | None) -> str | None:
    """The IANA zone that a name means: its own, that of Windows or of an abbreviation; None: nobody knows.

    >>> zone_meant("Eastern Standard Time"), zone_meant("pst"), zone_meant("Europe/Berlin"), zone_meant("IST")
    ('America/New_York', 'America/Los_Angeles', 'Europe/Berlin', None)
    """
    name = " ".join((written or "").split())
    if is_zone(name):
        return name
    windows = name.lower()
    # Outlook shows the same zone with this word in summer.
    standard = windows.replace(" daylight time", " standard time").replace(" summer time", " standard time")
    found = ABBREVIATIONS.get(name.upper()) or WINDOWS_ZONES.get(windows) or WINDOWS_ZONES.get(standard)
    return found if is_zone(found) else None


def zone_named(name: str) -> ZoneInfo | None:
    """The clock of a zone, under whatever name it was stored."""
    meant = zone_meant(name)
    return None if meant is None else _load(meant)


def problem_of_zone(name: str | None) -> str | None:
    """Why a zone cannot be saved, with the name that it may have; None: it can."""
    if is_zone(name):
        return None
    meant = zone_meant(name)
    return "not an IANA time zone" + (f": write {meant}" if meant else "")


@lru_cache(maxsize=2048)
def _load(name: str) -> ZoneInfo | None:
    if name.startswith(_NOT_A_ZONE):
        return None
    try:
        return ZoneInfo(name)
    # Not found; a path that leads out of the database; a folder of it.
    except (KeyError, ValueError, OSError):
        return None
