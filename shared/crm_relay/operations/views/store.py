"""The SQL of single views of the operator's page: reads only, a page at a time."""

from datetime import datetime
from uuid import UUID

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__)


def running_ahead(db: Queryable, now: datetime, *, limit: int) -> list[Row]:
    """id, name, due_now and next_day of campaigns that run; the most due first."""
    return db.run(_SQL["running_ahead"], now=now, limit=limit)


def mails_waiting(db: Queryable) -> list[Row]:
    """held_for and number."""
    return db.run(_SQL["mails_waiting"])


def mail_activity(db: Queryable, *, step: str, zone: str, since: datetime, until: datetime) -> list[Row]:
    """bucket (a local time without a zone), outcome and number."""
    return db.run(_SQL["mail_activity"], step=step, zone=zone, since=since, until=until)


def event_activity(db: Queryable, *, step: str, zone: str, since: datetime, until: datetime) -> list[Row]:
    """As mail_activity."""
    return db.run(_SQL["event_activity"], step=step, zone=zone, since=since, until=until)


def people_found(db: Queryable, begins: str, *, limit: int) -> list[Row]:
    """`begins`: a pattern of LIKE."""
    return db.run(_SQL["people_found"], begins=begins, limit=limit)


def people_of_campaign(
    db: Queryable, campaign_id: UUID, *, status: str | None, after: UUID | None, limit: int
) -> list[Row]:
    """By id."""
    return db.run(_SQL["people_of_campaign"], campaign_id=campaign_id, status=status, after=after, limit=limit)


def campaign_exists(db: Queryable, campaign_id: UUID) -> bool:
    """Whether there is a native one."""
    return bool(db.run(_SQL["campaign_exists"], campaign_id=campaign_id)[0]["known"])


def mail_sent(db: Queryable, mail_id: UUID) -> Row | None:
    """None for no such mail."""
    rows = db.run(_SQL["mail_sent"], id=mail_id)
    return rows[0] if rows else None


def events_of_mail(db: Queryable, mail_id: UUID) -> list[Row]:
    """kind, at and verdict."""
    return db.run(_SQL["events_of_mail"], id=mail_id)


def incidents_page(db: Queryable, *, open_only: bool, before: int | None, limit: int) -> list[Row]:
    """The newest first."""
    return db.run(_SQL["incidents_page"], open_only=open_only, before=before, limit=limit)
