"""What campaigns say of a mail or text message before it leaves: whether its step is still wanted, and when."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from crm_relay.campaigns.load_campaign import window_in
from crm_relay.campaigns.models import ENROLLMENT, LatePolicy
from crm_relay.campaigns.settling import QueuedStep, standing_of
from crm_relay.mail.models import Mode, OwnedMail, Standing
from crm_relay.mail.sending.gate import KEPT_BY
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Rows, SqlValue, queries_beside

_SQL = queries_beside(__file__)
_KEPT_BY_MODES = [KEPT_BY[Mode.DRY_RUN], KEPT_BY[Mode.ALLOW_LIST]]


def still_wanted(db: Queryable, mails: Sequence[OwnedMail], now: datetime) -> Mapping[UUID, Standing]:
    """One statement, whatever their number; mail that no campaign queued is left out."""
    ours = [mail for mail in mails if mail.entity_type == ENROLLMENT]
    gone = {mail.send_id: standing_of(None, now) for mail in ours if mail.entity_id is None}
    rows = _queued_steps(db, ours, now) if len(ours) > len(gone) else []
    steps = {(row["campaign_id"], row["sequence_id"]): row["step"] for row in rows if row["step"] is not None}
    return gone | {row["send_id"]: standing_of(_queued(row, steps), now) for row in rows}


def _queued_steps(db: Queryable, mails: Sequence[OwnedMail], now: datetime) -> list[Row]:
    by_step: dict[UUID | None, dict[UUID, UUID]] = {}
    for mail in mails:
        if mail.entity_id is not None:
            by_step.setdefault(mail.sequence_id, {})[mail.send_id] = mail.entity_id
    rows: list[dict[str, SqlValue]] = [
        {"sequence_id": step, "send_ids": list(theirs), "enrollment_ids": list(theirs.values())}
        for step, theirs in by_step.items()
    ]
    sends = [mail.send_id for mail in mails]
    return db.run(_SQL["queued_steps"], steps=Rows(rows), send_ids=sends, kept_by=_KEPT_BY_MODES, now=now)


def _queued(row: Row, steps: Mapping[tuple[UUID, UUID | None], Row]) -> QueuedStep | None:
    """None where the enrollment is not there any more: deleted with its contact, or with its campaign."""
    if row["status"] is None:
        return None
    step = steps[row["campaign_id"], row["sequence_id"]]
    zone = row["recipient_zone"] if step["use_recipient_timezone"] else None
    return QueuedStep(
        status=row["status"],
        stopped_reason=row["stopped_reason"],
        contact_deleted=row["contact_deleted"],
        campaign_status=step["campaign_status"],
        is_step_active=step["is_step_active"],
        due_at=row["scheduled_at"],
        window=window_in({**step, "recipient_zone": zone}),
        late_policy=_late_policy(step["late_policy"]),
        late_after=timedelta(minutes=step["late_minutes"]),
        has_unread_reply=row["has_unread_reply"],
    )


def _late_policy(word: str) -> LatePolicy:
    try:
        return LatePolicy(word)
    except ValueError:
        return LatePolicy.SEND
