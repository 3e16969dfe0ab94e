"""Counts a delivery that came with a good token and says nothing that can be understood."""

from datetime import datetime

from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import FatalError, TransientError
from crm_relay.platform.logging import logger
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__)


def note_unreadable(
    db: Queryable, *, workspace_name: str, problem: str, received_at: datetime, elapsed_ms: int
) -> None:
    """A body that came with a good token and says nothing that can be understood: the workspace's health shows it.

    Where it cannot be noted it is refused all the same: coming again it would say no more.
    """
    try:
        db.run(
            _SQL["log_unreadable"],
            workspace_name=workspace_name,
            reason=problem,
            received_at=received_at,
            elapsed_ms=elapsed_ms,
        )
    except (TransientError, FatalError) as error:
        logger().warning("unreadable delivery not counted", kind=type(error).__name__)
