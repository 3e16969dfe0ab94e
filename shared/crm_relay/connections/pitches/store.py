"""The SQL of pitches that leave."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from crm_relay.connections.pitches.letter import message_id_of
from crm_relay.connections.pitches.models import ClaimedPitch, MailboxSender, PitchRecord
from crm_relay.mail.purposes import PITCH
from crm_relay.platform.database import Queryable, Row, Transaction
from crm_relay.platform.sql import Statement, queries_beside

_SQL = queries_beside(__file__)


def due_pitches(
    db: Queryable,
    sender: MailboxSender,
    now: datetime,
    *,
    limit: int,
    chosen: Sequence[UUID] | None = None,
    tried: Sequence[UUID] = (),
) -> list[UUID]:
    """The one that waits longest first, without those in `tried`; `chosen`: of these alone."""
    rows = db.run(
        _SQL["due_pitches"],
        workspace=sender.workspace_id,
        connection=sender.connection_id,
        integration=sender.integration,
        chosen=None if chosen is None else list(chosen),
        tried=list(tried),
        now=now,
        limit=limit,
    )
    return [row["id"] for row in rows]


def claim_pitch(
    tx: Transaction, pitch_id: UUID, sender: MailboxSender, lease: UUID, *, now: datetime, until: datetime
) -> ClaimedPitch | None:
    """None where somebody else has it, or it is not due any more. One message."""
    claiming = _SQL["claim_pitch"].bind(
        id=pitch_id,
        lease=lease,
        until=until,
        connection=sender.connection_id,
        sender=sender.address,
        org=sender.org_id,
        message_id=message_id_of(pitch_id, sender.address),
        now=now,
    )
    return _claimed(tx, claiming, pitch_id, sender, lease, now)


def claimed_again(
    tx: Transaction, pitch_id: UUID, sender: MailboxSender, lease: UUID, now: datetime
) -> ClaimedPitch | None:
    """The same pitch with what is known of it now, locked; None where it is not ours any more. One message."""
    return _claimed(tx, _SQL["lock_claimed"].bind(id=pitch_id, lease=lease), pitch_id, sender, lease, now)


def _claimed(
    tx: Transaction, first: Statement, pitch_id: UUID, sender: MailboxSender, lease: UUID, now: datetime
) -> ClaimedPitch | None:
    facts = _SQL["facts_of_pitch"].bind(
        id=pitch_id, lease=lease, org=sender.org_id, purpose=PITCH, daily=sender.daily, now=now
    )
    *_, rows = tx.send_all([_SQL["take_turn"].bind(address=sender.address), first, facts])
    return ClaimedPitch.of(rows[0]) if rows else None


def recording(pitch_id: UUID, lease: UUID, record: PitchRecord, now: datetime) -> Statement:
    """Its rows are empty where the pitch is not ours any more."""
    return _SQL["record_pitch"].bind(
        id=pitch_id,
        lease=lease,
        status=record.status,
        reason=record.reason,
        held_for=record.held_for,
        not_before=record.not_before,
        more_attempts=record.more_attempts,
        left_at=record.left_at,
        draft_id=record.draft.id if record.draft else None,
        thread_id=record.draft.thread_id or None if record.draft else None,
        external_id=record.external_id,
        sent_at=record.sent_at,
        keeps=record.keeps,
        now=now,
    )


def strand_pitches(db: Queryable, now: datetime, limit: int) -> list[Row]:
    """Those of mailboxes that are disconnected; each: id, status."""
    return db.run(_SQL["strand_pitches"], now=now, limit=limit)
