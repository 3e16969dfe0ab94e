"""A database with something to show in every part of the operator's page."""

from datetime import datetime
from pathlib import Path

from crm_relay.platform.database import Database
from crm_relay.platform.sql import parse_queries

_ROWS = parse_queries(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))


def plant_board(database: Database, now: datetime) -> None:
    """Rows for every part; the same for the same `now`."""
    for query in _ROWS.values():
        database.run(query, now=now)
