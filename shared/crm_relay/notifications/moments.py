"""Moments of rows: PostgreSQL knows some that Python cannot count, and a driver hands those on as text."""

from datetime import UTC, datetime

from crm_relay.platform.database import Row

EARLIEST, LATEST = datetime(1000, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""What lies beyond counts as these: a wait can be added to them, and every zone has a clock for them."""

_TIMES = frozenset(
    {
        "archived_at",
        "at",
        "created_at",
        "digest_leaves_at",
        "digest_left_at",
        "dnd_until",
        "expires_at",
        "left_at",
        "leaves_at",
        "mail_sent_at",
        "newest_at",
        "next_at",
        "not_before",
        "read_at",
        "updated_at",
    }
)


def moment_of(stored: object) -> datetime | None:
    """Of `infinity` and years behind ours the latest, of `-infinity` and years BC the earliest; None for null."""
    if isinstance(stored, datetime):
        return min(max(stored, EARLIEST), LATEST)
    if not isinstance(stored, str):
        return None
    return EARLIEST if stored.startswith("-") or stored.endswith("BC") else LATEST


def countable(rows: list[Row]) -> list[Row]:
    """The same rows, with moments that can be compared and added to."""
    for row in rows:
        for name in _TIMES & row.keys():
            row[name] = moment_of(row[name])
    return rows
