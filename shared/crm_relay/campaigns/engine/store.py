"""The engine's SQL; that of a campaign's life stands in lifecycle_store."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.campaigns.engine.outcomes import StepOutcome
from crm_relay.campaigns.settling import EnrollmentMoved, LineSettled, PendingLine
from crm_relay.mail.models import Settled
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Json, Rows, Statement, queries_beside

_SQL = queries_beside(__file__)

MOST_COUNTED = 100_000
"""People who keep their place are counted in every run of a mode that keeps them."""


def turn() -> Statement:
    """Held until the transaction ends."""
    return _SQL["take_turn"].bind()


def claim_due(
    db: Queryable,
    now: datetime,
    *,
    limit: int,
    with_mail: bool,
    campaigns: Sequence[UUID] | None,
    people: Sequence[UUID] | None,
    allowed: Collection[str] | None,
) -> list[Row]:
    """Locked until the transaction ends; `with_mail` False leaves those out whose next step is an e-mail.

    `allowed`: only who is reached by one of these addresses, domains and numbers; None: everybody. `campaigns`,
    `people`: these alone, although they are set aside; None: everybody who is not.
    """
    return db.run(
        _SQL["claim_due"],
        now=now,
        limit=limit,
        with_mail=with_mail,
        campaigns=None if campaigns is None else list(campaigns),
        people=None if people is None else list(people),
        allowed=None if allowed is None else sorted(allowed),
    )


def kept_due(db: Queryable, now: datetime) -> int:
    """How many are due and keep their place; MOST_COUNTED at most."""
    return int(db.run(_SQL["kept_due"], now=now, limit=MOST_COUNTED)[0]["people"])


def due_campaigns(db: Queryable, now: datetime) -> list[UUID]:
    """Where somebody is due and nothing is set aside; reads nothing but keys and times."""
    return [row["campaign_id"] for row in db.run(_SQL["due_campaigns"], now=now)]


def due_people(db: Queryable, campaign_id: UUID, now: datetime, *, limit: int) -> list[UUID]:
    """Who is due there and not set aside, the longest first."""
    return [row["id"] for row in db.run(_SQL["due_people"], campaign_id=campaign_id, now=now, limit=limit)]


def campaign_document(db: Queryable, campaign_id: UUID) -> None:
    """Raises what keeps the campaign from being read at all."""
    db.run(_SQL["campaign_document"], campaign_id=campaign_id)


def recording(outcomes: Sequence[StepOutcome], now: datetime) -> Statement:
    """One statement; it answers how many new lines there are in the log."""
    return _SQL["record"].bind(outcomes=Json([_row(outcome) for outcome in outcomes]), now=now)


def settling(settled: Sequence[Settled]) -> list[Statement]:
    """The locks of the enrollments and of their lines, and after them the read of both; what is locked is left out.

    The locks answer with one row each: `ids`, None where there is none.
    """
    by_step: dict[UUID | None, set[UUID]] = {}
    for each in settled:
        if each.entity_id is not None:
            by_step.setdefault(each.sequence_id, set()).add(each.entity_id)
    ids = list({each for people in by_step.values() for each in people})
    rows = Rows([{"sequence_id": step, "enrollment_ids": list(people)} for step, people in by_step.items()])
    return [
        _SQL["lock_enrollments"].bind(ids=ids),
        _SQL["lock_lines"].bind(steps=rows),
        _SQL["read_settling"].bind(steps=rows),
    ]


def settled(
    lines: Sequence[tuple[PendingLine, LineSettled]], moved: Mapping[UUID, EnrollmentMoved], now: datetime
) -> list[Statement]:
    """The lines of the log, then the enrollments; those with the same fate in one row."""
    fates: dict[LineSettled, list[UUID]] = {}
    for line, fate in lines:
        if line.id is not None:
            fates.setdefault(fate, []).append(line.id)
    alike: dict[EnrollmentMoved, list[UUID]] = {}
    for enrollment, place in moved.items():
        alike.setdefault(place, []).append(enrollment)
    ends = [{"ids": ids, "status": fate.line, "reason": fate.reason} for fate, ids in fates.items()]
    places = [{"ids": ids, **vars(place)} for place, ids in alike.items()]
    statements = [_SQL["record_settled_lines"].bind(lines=Rows(ends), now=now)] if ends else []
    return statements + ([_SQL["record_settled"].bind(places=Rows(places), now=now)] if places else [])


def _row(outcome: StepOutcome) -> dict[str, Any]:
    """`asdict` copies every value besides."""
    return {**vars(outcome), "activity": None if outcome.activity is None else asdict(outcome.activity)}
