"""What campaigns say of a mail or text message before it leaves: whether its step is still wanted, and when."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from crm_relay.campaigns.load_campaign import window_in
from crm_relay.campaigns.models import ENROLLMENT, LatePolicy
from crm_relay.campaigns.settling import QueuedStep, standing_of
from crm_relay.mail.models import OwnedMail, Standing
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Rows, SqlValue, queries_beside

_SQL = queries_beside(__file__)


def still_wanted(db: Queryable, mails: Sequence[OwnedMail], now: datetime) -> Mapping[UUID, Standing]:
    """One statement, whatever their number; mail that no campaign queued is left out."""
    ours = [mail for mail in mails if mail.entity_type == ENROLLMENT]
    if not ours:
        return {}
    return {row["send_id"]: standing_of(_queued(row), now) for row in _queued_steps(db, ours)}


def _queued_steps(db: Queryable, mails: Sequence[OwnedMail]) -> list[Row]:
    rows: list[dict[str, SqlValue]] = [
        {"send_id": mail.send_id, "enrollment_id": mail.entity_id, "sequence_id": mail.sequence_id} for mail in mails
    ]
    return db.run(_SQL["queued_steps"], mails=Rows(rows))


def _queued(row: Row) -> QueuedStep | None:
    """None where the enrollment is not there any more: deleted with its contact, or with its campaign."""
    if row["status"] is None:
        return None
    return QueuedStep(
        status=row["status"],
        stopped_reason=row["stopped_reason"],
        contact_deleted=row["contact_deleted"],
        campaign_status=row["campaign_status"],
        is_step_active=bool(row["is_step_active"]),
        due_at=row["scheduled_at"],
        window=window_in(row),
        late_policy=_late_policy(row["late_policy"]),
        late_after=timedelta(minutes=row["late_minutes"]),
        has_unread_reply=row["has_unread_reply"],
    )


def _late_policy(word: str) -> LatePolicy:
    try:
        return LatePolicy(word)
    except ValueError:
        return LatePolicy.SEND
