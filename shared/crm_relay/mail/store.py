"""Delivery's SQL about one person; addresses are normalised."""

from collections.abc import Sequence
from datetime import datetime

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__)


def erase(db: Queryable, addresses: Sequence[str], phones: Sequence[str], now: datetime) -> dict[str, int]:
    """email_sends, email_logs, topic_opt_outs, sms_sends, and on_its_way: mails whose request is being made."""
    return db.run(_SQL["erase_mail"], addresses=list(addresses), phones=list(phones), now=now)[0]


def count(db: Queryable, addresses: Sequence[str], phones: Sequence[str]) -> Row:
    """email_sends, email_logs, topic_opt_outs, sms_sends."""
    return db.run(_SQL["count_mail"], addresses=list(addresses), phones=list(phones))[0]


def mails(db: Queryable, addresses: Sequence[str], *, limit: int) -> list[Row]:
    """Status, reason and times, newest first."""
    return db.run(_SQL["mails_of"], addresses=list(addresses), limit=limit)


def texts(db: Queryable, numbers: Sequence[str], addresses: Sequence[str], *, limit: int) -> list[Row]:
    """Status, reason and times, newest first; to these numbers, and to those of contacts with these addresses."""
    return db.run(_SQL["texts_of"], numbers=list(numbers), addresses=list(addresses), limit=limit)


def topics_left(db: Queryable, addresses: Sequence[str]) -> list[Row]:
    """org_id, topic, source, occurred_at."""
    return db.run(_SQL["topics_left"], addresses=list(addresses))
