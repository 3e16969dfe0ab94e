"""One person of a campaign is held and let go on, whatever the campaign itself does."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from crm_relay.campaigns.lifecycle.hold_enrollment import pause_enrollment, resume_enrollment
from crm_relay.platform.errors import RejectedInput
from tests.support.campaigns.campaign_harness import CampaignHarness, email
from tests.support.platform.rows import rows_of


def placed(harness: CampaignHarness, enrollment: UUID, **columns: Any) -> UUID:
    values = ", ".join(f"{name} = :{name}" for name in columns)
    rows_of(harness.db, f"update campaign_enrollments set {values} where id = :id", id=enrollment, **columns)
    return enrollment


def test_one_person_waits_while_the_others_go_on(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email())
    held, other = campaigns.enroll(campaign), campaigns.enroll(campaign)

    first, again = (pause_enrollment(campaigns.db, held, campaigns.now) for _ in range(2))
    campaigns.tick()

    assert (first.changed, again.changed, first.next_step_at) == (True, False, campaigns.now)
    assert campaigns.enrollment(held)["status"] == "paused"
    assert campaigns.enrollment(other)["status"] == "completed"
    gone_on, still = (resume_enrollment(campaigns.db, held, campaigns.now) for _ in range(2))
    campaigns.tick()
    assert (gone_on.changed, still.changed) == (True, False)
    assert campaigns.enrollment(held)["status"] == "completed"
    assert len(campaigns.sim.mails) == 2


def test_whoever_had_engaged_is_engaged_again(campaigns: CampaignHarness) -> None:
    enrollment = campaigns.enroll(campaigns.campaign(email()))
    placed(campaigns, enrollment, status="engaged", engagement_score=35)
    pause_enrollment(campaigns.db, enrollment, campaigns.now)
    assert resume_enrollment(campaigns.db, enrollment, campaigns.now).status == "engaged"


def test_three_errors_are_forgotten_and_the_next_step_is_due_in_the_open_window(campaigns: CampaignHarness) -> None:
    enrollment = campaigns.enroll(campaigns.campaign(email(), email(2)))
    placed(campaigns, enrollment, status="paused", error_count=3, current_step=1)
    rows_of(campaigns.db, "update campaign_enrollments set next_step_at = null")
    campaigns.wait(hours=12)  # at night

    resumed = resume_enrollment(campaigns.db, enrollment, campaigns.now)

    assert resumed.next_step_at == campaigns.now + timedelta(hours=11)
    assert campaigns.enrollment(enrollment)["error_count"] == 0


@pytest.mark.parametrize(("status", "is_timed"), [("active", True), ("draft", False), ("paused", False)])
def test_who_had_no_time_yet_gets_one_when_the_campaign_runs(
    campaigns: CampaignHarness, status: str, is_timed: bool
) -> None:
    enrollment = campaigns.enroll(campaigns.campaign(email(delay_hours=1), status=status))
    placed(campaigns, enrollment, status="paused")
    rows_of(campaigns.db, "update campaign_enrollments set next_step_at = null")

    at = resume_enrollment(campaigns.db, enrollment, campaigns.now).next_step_at

    assert at == (campaigns.now + timedelta(hours=1) if is_timed else None)


@pytest.mark.parametrize("status", ["replied", "bounced", "unsubscribed", "stopped", "completed"])
def test_a_sequence_that_has_ended_stays_ended(campaigns: CampaignHarness, status: str) -> None:
    enrollment = campaigns.enroll(campaigns.campaign(email()))
    placed(campaigns, enrollment, status=status)
    for verb in (pause_enrollment, resume_enrollment):
        with pytest.raises(RejectedInput) as caught:
            verb(campaigns.db, enrollment, campaigns.now)
        assert caught.value.status == 409
        with pytest.raises(RejectedInput) as unknown:
            verb(campaigns.db, uuid4(), campaigns.now)
        assert unknown.value.status == 404
    assert campaigns.enrollment(enrollment)["status"] == status
