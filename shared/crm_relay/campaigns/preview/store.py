"""The SQL of looking ahead: reads only."""

from datetime import datetime
from uuid import UUID

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__)


def read_only(db: Queryable) -> None:
    """The first statement of a transaction that sees one moment and changes nothing."""
    db.run(_SQL["read_only"])


def limits_of(db: Queryable, org_id: UUID) -> Row:
    """emails_per_minute, cap_emails, cap_days."""
    return db.run(_SQL["limits_of"], org_id=org_id)[0]


def people_ahead(
    db: Queryable, campaign_id: UUID, cap_emails: int | None, cap_days: int | None, now: datetime, *, limit: int
) -> list[Row]:
    """The columns of an Enrolled (due_at None: no time yet) and mails_before, for the organization's cap."""
    return db.run(
        _SQL["people_ahead"],
        campaign_id=campaign_id,
        cap_emails=cap_emails,
        cap_days=cap_days,
        now=now,
        limit=limit,
    )


def contact_called(db: Queryable, org_id: UUID, called: str) -> Row | None:
    """id, email, phone, names, company and zone of the contact with this id or address; None for none."""
    rows = db.run(_SQL["contact_called"], org_id=org_id, called=called)
    return rows[0] if rows else None
