"""The SQL of what a run of campaigns looks after."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from crm_relay.platform.database import Queryable, Row, Transaction
from crm_relay.platform.sql import Rows, queries_beside

_SQL = queries_beside(__file__)
_LOOKED_AT = 2_000
_GIVEN_TIMES = 10_000
"""Of one campaign in one look."""


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


def release_unreported(db: Queryable, now: datetime) -> int:
    """How many people were held by a fault of their campaign that no incident reports."""
    return int(db.run(_SQL["release_unreported"], now=now)[0]["people"])


def without_a_time(db: Queryable, before: datetime) -> dict[UUID, list[UUID]]:
    """Campaign -> some of its people whose next step nothing brings, unchanged since `before`."""
    found: dict[UUID, list[UUID]] = {}
    for row in db.run(_SQL["without_a_time"], before=before, people=None, limit=_GIVEN_TIMES):
        found.setdefault(row["campaign_id"], []).extend(row["people"])
    return found


def lock_people(tx: Transaction, people: Sequence[UUID]) -> list[UUID]:
    """Those of these that no other transaction has locked."""
    return tx.run(_SQL["lock_people"], people=list(people))[0]["ids"] or []


def locked_without_a_time(tx: Transaction, before: datetime, people: Sequence[UUID]) -> list[Row]:
    """campaign_id, has_begun, zone ('': the campaign's), people; document in the first row of each campaign."""
    return tx.run(_SQL["without_a_time"], before=before, people=list(people), limit=_GIVEN_TIMES)


def give_times(tx: Transaction, dues: Sequence[tuple[datetime, Sequence[UUID]]], now: datetime) -> int:
    """How many people have a time now."""
    rows = Rows([{"at": at, "people": list(people)} for at, people in dues])
    tx.run(_SQL["give_times"], dues=rows, now=now)
    return sum(len(people) for _, people in dues)


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
