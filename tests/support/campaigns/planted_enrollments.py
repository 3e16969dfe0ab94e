"""Somebody in a campaign, with a line in its log for each step that they are said to have done."""

from datetime import timedelta
from uuid import UUID, uuid4

from crm_relay.platform.sql import SqlValue
from tests.support.integrity.integrity_harness import IntegrityHarness


def add_campaign(harness: IntegrityHarness, *, steps: int = 3, channel: str = "task", status: str = "active") -> UUID:
    """Nobody is in it yet."""
    found: UUID = harness.one(
        "insert into campaigns (name, status) values ('Spring', :status) returning id", status=status
    )["id"]
    harness.rows(
        "insert into campaign_sequences (campaign_id, step_number, channel) "
        "select :campaign, n, :channel from generate_series(1, :steps) n",
        campaign=found,
        channel=channel,
        steps=steps,
    )
    return found


def add_enrollment(harness: IntegrityHarness, campaign: UUID, *, done: int = 1, **columns: SqlValue) -> UUID:
    """On the way behind step `done`, but for what `columns` say; the step's account and the totals hold."""
    contact = harness.one(
        "insert into contacts (email) values (:email) returning id", email=f"{uuid4().hex[:12]}@example.com"
    )["id"]
    given: dict[str, SqlValue] = {
        "campaign_id": campaign,
        "contact_id": contact,
        "current_step": done,
        "next_step_at": harness.now + timedelta(days=1),
        **columns,
    }
    found: UUID = harness.one(
        f"insert into campaign_enrollments (org_id, {', '.join(given)}) "
        f"values (default_org_id(), {', '.join(f':{name}' for name in given)}) returning id",
        **given,
    )["id"]
    harness.rows(
        "insert into campaign_sequence_logs "
        "(org_id, campaign_id, enrollment_id, sequence_id, step_number, channel, status) "
        "select default_org_id(), :campaign, :enrollment, id, step_number, channel, 'sent' from campaign_sequences "
        "where campaign_id = :campaign and step_number <= :done",
        campaign=campaign,
        enrollment=found,
        done=done,
    )
    harness.rows(
        "update campaign_sequences set reached = reached + 1 where campaign_id = :campaign and step_number <= :done",
        campaign=campaign,
        done=done,
    )
    return found


def enrollment_of(harness: IntegrityHarness, row_id: UUID) -> dict[str, object]:
    """Everything of it."""
    return harness.one("select * from campaign_enrollments where id = :id", id=row_id)
