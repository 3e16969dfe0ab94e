"""The SQL of what a run of campaigns looks after."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__)
_LOOKED_AT = 2_000


def fold_totals(db: Queryable, campaigns: Sequence[UUID] | None = None) -> int:
    """How many campaigns had changes that were added now. `campaigns`: only of these."""
    among = None if campaigns is None else list(campaigns)
    return int(db.run(_SQL["fold_totals"], campaigns=among)[0]["campaigns"])


def waits_for_its_turn(db: Queryable, person: UUID) -> bool:
    """Whether the person has a step that is still to be made, or settled."""
    return bool(db.run(_SQL["waits_for_its_turn"], id=person)[0]["waits"])


def changed_campaigns(db: Queryable) -> list[UUID]:
    """Whose changes wait."""
    return [row["campaign_id"] for row in db.run(_SQL["changed_campaigns"])]


def locked_campaigns(db: Queryable, now: datetime, patience: timedelta) -> list[Row]:
    """id and name. To be called in a transaction: it waits for the claimers' turn, and holds it until the end."""
    db.run(_SQL["wait_for_claimers"])
    return db.run(
        _SQL["locked_campaigns"],
        before=now - patience,
        patience=f"{patience.total_seconds():.0f} seconds",
        limit=_LOOKED_AT,
    )


def reported_campaigns(db: Queryable, subjects: Sequence[str] | None) -> list[Row]:
    """subject (the campaign's id), document, and is_open: whether it may still send. `subjects` None: of all."""
    return db.run(_SQL["reported_campaigns"], subjects=None if subjects is None else list(subjects))


def reported_subjects(db: Queryable) -> list[str]:
    """The ids of these campaigns, without a look at them."""
    return [row["subject"] for row in db.run(_SQL["reported_subjects"])]


def set_aside(db: Queryable, *, limit: int) -> list[Row]:
    """kind and id."""
    return db.run(_SQL["set_aside"], limit=limit)


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


def archive_lines(db: Queryable, *, before: datetime, limit: int) -> int:
    """How many lines went."""
    return int(db.run(_SQL["archive_lines"], before=before, limit=limit)[0]["lines"])
