"""How many records a backfill starts now; pure."""

from datetime import datetime, timedelta
from typing import Final

ANOTHER_VERSION: Final = "another_version"
"""Why a backfill stops by itself: the version that was ordered is not active any more, or cannot be read."""

_MINUTE = timedelta(minutes=1)


def room_for(next_free_at: datetime | None, per_minute: int, now: datetime) -> int:
    """Starts that leave half of the bucket to what happens meanwhile; `next_free_at` as in `take_place`.

    >>> from datetime import UTC
    >>> now = datetime(2026, 1, 1, tzinfo=UTC)
    >>> room_for(None, 500, now), room_for(now + timedelta(seconds=20), 500, now), room_for(now + _MINUTE, 500, now)
    (250, 83, 0)
    """
    taken = max((next_free_at or now) - now, timedelta()) / _MINUTE
    most = max(per_minute // 2, 1)
    return max(int(most - taken * per_minute), 0)


def wait_for_room(next_free_at: datetime | None, per_minute: int, now: datetime) -> datetime:
    """When a quarter of the bucket, or a single start, has room again."""
    most, wanted = max(per_minute // 2, 1), max(per_minute // 4, 1)
    at = (next_free_at or now) - _MINUTE * (most - wanted) / max(per_minute, 1)
    return max(at, now + timedelta(seconds=1))
