"""The database's time."""

from datetime import datetime

from crm_relay.platform.database import Queryable
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__)


def server_time(db: Queryable) -> datetime:
    """The present, whatever transaction is open."""
    now: datetime = db.run(_SQL["server_time"])[0]["now"]
    return now
