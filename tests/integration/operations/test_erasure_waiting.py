"""An erasure while something of the person's still waits to leave."""

import pytest

from crm_relay.operations.erase import erase
from crm_relay.platform.aws import queue
from crm_relay.platform.database import Row
from tests.faults.conftest import aws, aws_environment
from tests.support.customers.mautic_harness import MauticHarness
from tests.support.operations.planted_person import ADA, Places, erasure, plant, traces
from tests.support.platform.rows import one, rows_of

__all__ = ["aws", "aws_environment"]


@pytest.fixture
def places(aws_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Places:
    """An empty AWS, of one server that answers at once."""
    monkeypatch.setattr(queue, "_LOOK_SECONDS", 0)
    return Places.fresh(aws_environment)


def enroll(harness: MauticHarness, *, status: str = "active") -> Row:
    """Ada's contact in a campaign, with a pending line for its first step."""
    return one(
        harness.db,
        """with made as (
               insert into campaigns (name, status) values ('Spring', 'active') returning id, default_org_id() as org_id
           ), step as (
               insert into campaign_sequences (campaign_id, step_number, channel, reached)
               select id, 1, 'sms', 1 from made returning id, campaign_id
           ), enrollment as (
               insert into campaign_enrollments (org_id, campaign_id, contact_id, address, status, current_step)
               select made.org_id, made.id, contacts.id, lower(:mail), :status, 1 from made, contacts
               where contacts.first_name = :first returning id, campaign_id, org_id, contact_id
           ), line as (
               insert into campaign_sequence_logs
                   (org_id, campaign_id, enrollment_id, sequence_id, step_number, channel, status)
               select enrollment.org_id, enrollment.campaign_id, enrollment.id, step.id, 1, 'sms', 'pending'
               from enrollment, step
           )
           select enrollment.*, step.id as sequence_id from enrollment, step""",
        mail=ADA.second_address,
        first=ADA.first,
        status=status,
    )


def text(harness: MauticHarness, to: Row, status: str = "queued", attempts: int = 0) -> None:
    harness.sql(
        """insert into sms_sends (org_id, send_key, enrollment_id, campaign_id, sequence_id, contact_id, to_number,
               body, status, attempts, not_before, queued_at)
           values (:org, 'text', :enrollment, :campaign, :step, :contact, :phone, :body, :status, :attempts, now(),
               now())""",
        org=to["org_id"],
        enrollment=to["id"],
        campaign=to["campaign_id"],
        step=to["sequence_id"],
        contact=to["contact_id"],
        phone=ADA.phone,
        body=f"Dear {ADA.first}",
        status=status,
        attempts=attempts,
    )


def test_a_person_with_a_waiting_text_is_erased(harness: MauticHarness, places: Places) -> None:
    plant(harness, places, ADA)
    text(harness, enroll(harness))

    receipt = erase(erasure(harness, places), ADA.address)

    assert receipt.is_complete, (receipt.unreached, receipt.left)
    assert traces(harness, places, ADA) == []
    (row,) = rows_of(harness.db, "select status, reason from sms_sends")
    assert row == {"status": "refused", "reason": "erased"}


@pytest.mark.parametrize("enrolled", ["active", "paused", "replied"])
@pytest.mark.parametrize("status", ["queued", "sending", "unknown"])
def test_no_state_of_a_text_or_of_its_sequence_hinders_an_erasure(
    harness: MauticHarness, places: Places, status: str, enrolled: str
) -> None:
    plant(harness, places, ADA)
    text(harness, enroll(harness, status=enrolled), status, attempts=1)

    receipt = erase(erasure(harness, places), ADA.address)

    assert receipt.is_complete, (receipt.unreached, receipt.left)
    assert traces(harness, places, ADA) == []
