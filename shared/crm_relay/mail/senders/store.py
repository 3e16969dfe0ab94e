"""Delivery's SQL about senders."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from crm_relay.mail.sending.record_answer import OWN_SENDER
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Json, queries_beside

_SQL = queries_beside(__file__)


def weeks(db: Queryable, *, since: datetime) -> list[Row]:
    """Of senders that are not paused: id (None: EMAIL_FROM), sent, permanent_bounces, complaints, was_taken_again."""
    return db.run(_SQL["sender_weeks"], since=since, own_subject=OWN_SENDER)


def cleared_up(db: Queryable) -> list[str]:
    """Subjects of open incidents about unclear batches that are clear by now."""
    return [row["subject"] for row in db.run(_SQL["batches_cleared_up"])]


def gone(db: Queryable) -> list[Row]:
    """kind and subjects of open incidents about senders who are deleted: at most two rows."""
    return db.run(_SQL["gone_senders"])


def pause(db: Queryable, problems: Mapping[UUID | None, str], now: datetime) -> None:
    """Each for its reason; None: EMAIL_FROM. Safe to call twice."""
    given = [{"id": identity, "reason": reason} for identity, reason in problems.items() if identity is not None]
    if given:
        db.run(_SQL["pause_senders"], problems=Json(given), now=now)
    if None in problems:
        db.run(_SQL["pause_own_sender"], reason=problems[None], now=now)


def resume_own(db: Queryable, now: datetime) -> None:
    """EMAIL_FROM. Safe to call twice."""
    db.run(_SQL["resume_own_sender"], now=now)


def resume(db: Queryable, identity_id: UUID, now: datetime) -> bool:
    """False: there is no such sender."""
    return bool(db.run(_SQL["resume_sender"], id=identity_id, now=now))
