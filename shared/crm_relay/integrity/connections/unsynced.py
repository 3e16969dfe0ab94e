"""What of connected accounts is synced by nothing any more, without waiting for anybody."""

from datetime import datetime, timedelta

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__, "unsynced.sql")

REFUSED_FOR = timedelta(hours=24)
"""A record that one side refuses for longer is somebody's to mend: by then it was tried several times."""

PASS_OPEN_FOR = timedelta(days=7)
"""The longest time between two complete passes: one that began before that should have ended."""


def contradicting_connections(db: Queryable, *, now: datetime, settled_before: datetime, limit: int) -> list[Row]:
    """entity, id, what, state, other, total; of what has not moved since `settled_before`."""
    return db.run(
        _SQL["contradicting_connections"],
        settled_before=settled_before,
        refused_before=now - REFUSED_FOR,
        begun_before=now - PASS_OPEN_FOR,
        limit=limit,
    )
