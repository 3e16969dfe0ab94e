"""The SQL about one person's settings and past notifications."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from crm_relay.notifications.moments import countable
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__)


def find_colleagues(db: Queryable, who: str) -> list[Row]:
    """id, org_id, is_active, timezone and locale, of at most two people; `who` is an id or an address."""
    return db.run(_SQL["find_colleagues"], who=who)


def settings_of_person(db: Queryable, user_id: UUID, org_id: UUID, *, since: datetime) -> list[Row]:
    """category with the columns of `notification_setting`."""
    return countable(db.run(_SQL["settings_of_person"], user_id=user_id, org_id=org_id, since=since))


def notifications_since(db: Queryable, user_id: UUID, since: datetime, *, limit: int) -> list[Row]:
    """The newest first."""
    return countable(db.run(_SQL["notifications_since"], user_id=user_id, since=since, limit=limit))


def notifications_of(db: Queryable, *, addresses: Sequence[str], ids: Sequence[UUID], limit: int) -> list[Row]:
    """is_received, id, user_id, category, template, what each is about, its times and deliveries; the newest first."""
    rows = db.run(_SQL["notifications_of"], addresses=list(addresses), ids=list(ids), limit=limit)
    return countable(rows)
