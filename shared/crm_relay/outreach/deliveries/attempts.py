"""Deliveries by which the health of a workspace is judged."""

from dataclasses import dataclass
from datetime import datetime

from crm_relay.platform.sql import SqlValue


@dataclass
class Attempts:
    """Deliveries that came in at about the same time, and how many of them succeeded."""

    last_at: datetime
    deliveries: int = 0
    successes: int = 0


def attempts_row(workspace_name: str, attempts: Attempts) -> dict[str, SqlValue]:
    """What is added to their slot."""
    return {
        "workspace_name": workspace_name,
        "received_at": attempts.last_at,
        "deliveries": attempts.deliveries,
        "successes": attempts.successes,
    }
