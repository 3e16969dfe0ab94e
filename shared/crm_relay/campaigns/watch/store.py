"""The SQL of what a run of campaigns looks after."""

from datetime import datetime, timedelta
from uuid import UUID

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__)


def fold_totals(db: Queryable) -> int:
    """How many campaigns had changes that were added now."""
    return int(db.run(_SQL["fold_totals"])[0]["campaigns"])


def locked_campaigns(db: Queryable, now: datetime, patience: timedelta) -> list[Row]:
    """id and name. To be called in a transaction: it waits for the claimers' turn, and holds it until the end."""
    db.run(_SQL["wait_for_claimers"])
    return db.run(_SQL["locked_campaigns"], before=now - patience, patience=f"{patience.total_seconds():.0f} seconds")


def reported_campaigns(db: Queryable) -> list[Row]:
    """subject (the campaign's id), document, and is_open: whether it may still send."""
    return db.run(_SQL["reported_campaigns"])


def release_held(db: Queryable, campaigns: list[str], now: datetime) -> int:
    """How many people were held by a fault of one of these."""
    return int(db.run(_SQL["release_held"], campaigns=campaigns, now=now)[0]["people"])


def forget_errors(db: Queryable, campaign_id: UUID, now: datetime, *, errors_allowed: int) -> int:
    """How many people had been paused by errors."""
    rows = db.run(_SQL["forget_errors"], campaign_id=campaign_id, now=now, errors_allowed=errors_allowed)
    return int(rows[0]["people"])


def campaign_documents(db: Queryable) -> list[Row]:
    """id, name and document of each."""
    return db.run(_SQL["campaign_documents"])
