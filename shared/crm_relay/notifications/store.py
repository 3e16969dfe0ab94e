"""Notifications' SQL for what is asked for: templates, recipients, rows and their deliveries."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.notifications.moments import countable
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Json, Rows, Statement, queries_beside

_SQL = queries_beside(__file__)

Document = Mapping[str, Any]


def templates_of(db: Queryable, slugs: Sequence[str], orgs: Sequence[UUID]) -> list[Row]:
    """Rows of `notification_templates`, each with `troubles`: subjects of open incidents about its slug."""
    return db.run(_SQL["templates_of"], slugs=list(slugs), orgs=list(orgs)) if slugs else []


def recipients_of(db: Queryable, requests: Sequence[Mapping[str, Any]]) -> list[Row]:
    """place and user_id with the columns of `notification_setting`; nothing for a request that reaches nobody."""
    return countable(db.run(_SQL["recipients_of"], requests=Rows(requests))) if requests else []


def claim_keys(db: Queryable, keys: Sequence[tuple[UUID, str]], now: datetime) -> frozenset[tuple[UUID, str]]:
    """Those that were not claimed before."""
    if not keys:
        return frozenset()
    rows = [{"user_id": user, "event_key": key} for user, key in keys]
    return frozenset((row["user_id"], row["event_key"]) for row in db.run(_SQL["claim_keys"], keys=Json(rows), now=now))


def write_notifications(db: Queryable, drafts: Sequence[Document], now: datetime) -> list[Row]:
    """id, user_id and group_key of each: an id that was not given is that of a row of the same group."""
    return db.run(_SQL["write_notifications"], notifications=Json([dict(each) for each in drafts]), now=now)


def join_digests(db: Queryable, digests: Sequence[Document], now: datetime) -> dict[tuple[UUID, str, datetime], UUID]:
    """The open digest of each person, channel and moment."""
    if not digests:
        return {}
    rows = db.run(_SQL["join_digests"], digests=Json([dict(each) for each in digests]), now=now)
    return {(row["user_id"], row["channel"], row["leaves_at"]): row["id"] for row in rows}


def write_deliveries(db: Queryable, deliveries: Sequence[Document], now: datetime) -> None:
    """One row a channel."""
    if deliveries:
        db.run(_SQL["write_deliveries"], deliveries=Json([dict(each) for each in deliveries]), now=now)


def leaving_categories(entities: Sequence[UUID], mails: Sequence[UUID], now: datetime) -> Statement:
    """Of deliveries and digests, and of the mails that they were."""
    return _SQL["leave_categories"].bind(entities=list(entities), mails=list(mails), now=now)


def withdraw(
    db: Queryable, org_id: UUID, entity_type: str, entity_id: UUID, *, slug: str | None, reason: str, now: datetime
) -> None:
    """Of this entity, all or those of one template."""
    given = {"slug": slug, "reason": reason, "now": now}
    db.run(_SQL["withdraw"], org_id=org_id, entity_type=entity_type, entity_ids=[entity_id], **given)


def withdrawing(entity_type: str, entity_ids: Sequence[UUID], *, reason: str, now: datetime) -> Statement:
    """Of all these entities."""
    given = {"slug": None, "reason": reason, "now": now}
    return _SQL["withdraw"].bind(org_id=None, entity_type=entity_type, entity_ids=list(entity_ids), **given)


def erase_colleague(db: Queryable, addresses: Sequence[str]) -> Row:
    """Table -> rows that lost the person; addresses are normalised."""
    return db.run(_SQL["erase_colleague"], addresses=list(addresses))[0]


def count_colleague(db: Queryable, addresses: Sequence[str]) -> Row:
    """Table -> rows that erase_colleague would change."""
    return db.run(_SQL["count_colleague"], addresses=list(addresses))[0]


def notification(db: Queryable, notification_id: UUID) -> Row | None:
    """Without its words; None where there is none."""
    rows = countable(db.run(_SQL["notification"], id=notification_id))
    return rows[0] if rows else None


def deliveries_of(db: Queryable, notification_id: UUID, now: datetime) -> list[Row]:
    """Each channel, with what decided about it."""
    return countable(db.run(_SQL["deliveries_of"], id=notification_id, now=now))
