"""Delivery's SQL for what comes back: events, replies, and who wants no more."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Json, queries_beside

_SQL = queries_beside(__file__)


def apply_mail_event(db: Queryable, event: Mapping[str, Any]) -> str:
    """'processed', 'duplicate' or 'unmatched'. Safe to call twice."""
    return str(db.run(_SQL["apply_mail_event"], event=Json(dict(event)))[0]["result"])


def keep_inbound_mail(db: Queryable, event: Mapping[str, Any]) -> bool:
    """False where it is here already, or of somebody who was erased."""
    return bool(db.run(_SQL["keep_inbound_mail"], event=Json(dict(event)))[0]["is_new"])


def leave_topics(db: Queryable, address: str, topics: Sequence[str], *, source: str, at: datetime) -> bool:
    """Whether any of them was new; `address` is normalised."""
    return bool(db.run(_SQL["leave_topics"], address=address, topics=list(topics), source=source, at=at))


def headers_to_read(db: Queryable, source: str, *, since: datetime, limit: int) -> list[Row]:
    """id and external_id of replies that came after `since`."""
    return db.run(_SQL["headers_to_read"], source=source, since=since, limit=limit)


def asked_in_vain(db: Queryable, ids: Sequence[UUID]) -> None:
    """Their headers could not be read; the others come first next time."""
    db.run(_SQL["asked_in_vain"], ids=list(ids))


def keep_headers(db: Queryable, read: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Each with id, in_reply_to, reference_ids, thread_id and is_auto_reply."""
    db.run(_SQL["keep_headers"], read=Json([dict(each) for each in read]), now=now)


def give_up_headers(db: Queryable, source: str, *, since: datetime, now: datetime) -> list[UUID]:
    """Those that came before `since` and count as read from here on."""
    return [row["id"] for row in db.run(_SQL["give_up_headers"], source=source, since=since, now=now)]


def reader_of(db: Queryable, token: str) -> Row | None:
    """topic, organization, parts of the address, is_out, is_out_of_topic; None where nobody has that token."""
    rows = db.run(_SQL["reader_of"], token=token)
    return rows[0] if rows else None


def unsubscribe_reader(db: Queryable, token: str, *, only_topic: bool, at: datetime) -> Row | None:
    """org_id, address (None: erased) and the topic that was left; None where nobody has that token."""
    rows = db.run(_SQL["unsubscribe_reader"], token=token, only_topic=only_topic, at=at)
    return rows[0] if rows else None


def refuse_waiting(db: Queryable, org_id: UUID, address: str, topic: str | None) -> None:
    """What is queued and was never tried. Safe to call twice."""
    db.run(_SQL["refuse_waiting"], org_id=org_id, address=address, topic=topic)
