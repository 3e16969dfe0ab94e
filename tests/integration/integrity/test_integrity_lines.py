"""Steps that wait for a message whose fate is known: found, settled by the engine's rules, and taken back."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from cli.doctor.campaigns import examine_lines
from crm_relay.integrity.look import STRANDED
from crm_relay.providers.answers import Taken
from tests.integration.campaigns.test_campaign_text_attempts import Scripted
from tests.support.campaigns.campaign_harness import CampaignHarness, email, step
from tests.support.integrity.integrity_harness import IntegrityHarness, result
from tests.support.platform.rows import rows_of

ALWAYS: dict[str, Any] = {
    "send_days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
    "send_window_start": "00:00",
    "send_window_end": "23:59",
    "timezone": "UTC",
}
REFUSES = """
    create function refuse_lines() returns trigger language plpgsql as $$ begin
        raise exception 'no' using errcode = 'check_violation';
    end $$;
    create trigger refuse_lines before update on campaign_sequence_logs
        for each row when (old.status = 'pending') execute function refuse_lines()
"""


@pytest.fixture
def harness(campaigns: CampaignHarness) -> IntegrityHarness:
    """Looks much later."""
    return IntegrityHarness(campaigns.db, now=campaigns.now + timedelta(days=400))


def stranded(campaigns: CampaignHarness, channel: str) -> UUID:
    """Somebody whose first message left, while the database refused every change of their step's line."""
    first = email(1) if channel == "email" else step("sms", 1, body_text="Hello")
    campaigns.texts = Scripted(campaigns, Taken("SM1", "queued"))
    campaign = campaigns.campaign(first, email(2, delay_days=1), **ALWAYS)
    person = campaigns.enroll(campaign, campaigns.contact("ada@example.com", phone="+15550100001"))
    campaigns.db.run_script(REFUSES)
    campaigns.tick()
    campaigns.db.run_script("drop trigger refuse_lines on campaign_sequence_logs; drop function refuse_lines()")
    assert campaigns.lines(person) == [(1, "pending", None)]
    assert campaigns.enrollment(person)["next_step_at"] is None
    rows_of(campaigns.db, "update campaign_sequence_logs set updated_at = '2020-01-01' returning id")
    return person


@pytest.mark.parametrize("channel", ["email", "sms"])
@pytest.mark.parametrize(
    ("status", "line"), [("unknown", ("failed", "unknown")), ("sent", ("sent", None)), ("gone", ("failed", "unknown"))]
)
def test_a_step_whose_fate_could_not_be_recorded_is_found_settled_and_taken_back(
    campaigns: CampaignHarness, harness: IntegrityHarness, channel: str, status: str, line: tuple[str, str | None]
) -> None:
    person = stranded(campaigns, channel)
    table = "email_sends" if channel == "email" else "sms_sends"
    if status == "gone":
        rows_of(campaigns.db, f"delete from {table} returning id")
    else:
        rows_of(campaigns.db, f"update {table} set status = :status returning id", status=status)
    before = campaigns.enrollment(person)
    (check,) = examine_lines(campaigns.db)
    assert (check.verdict, check.found.split()[0]) == ("wrong", "1")
    looked = result(harness.check(), "invalid_state")
    assert [(each["entity"], each["what"]) for each in looked.findings if each["what"] == STRANDED] == [
        ("campaign_sequence_logs", STRANDED)
    ]
    done = harness.check(fix=True)
    assert result(done, "invalid_state").fixed == 1
    assert campaigns.lines(person) == [(1, *line)]
    assert campaigns.enrollment(person)["next_step_at"] is not None
    assert campaigns.enrollment(person)["emails_sent" if channel == "email" else "sms_sent"] == (line[0] == "sent")
    assert harness.check().found == 0
    assert harness.revert(f"run-{done.run_id}").left == ()
    assert campaigns.lines(person) == [(1, "pending", None)]
    put_back = campaigns.enrollment(person)
    assert {name: value for name, value in put_back.items() if name != "updated_at"} == {
        name: value for name, value in before.items() if name != "updated_at"
    }
    # What somebody took back is not done again unasked.
    assert result(harness.check(fix=True), "invalid_state").fixed == 0
    campaigns.assert_accounts()


def test_after_the_fix_the_sequence_goes_on(campaigns: CampaignHarness, harness: IntegrityHarness) -> None:
    person = stranded(campaigns, "email")
    harness.check(fix=True)
    campaigns.time[0] = harness.now + timedelta(days=2)
    campaigns.tick()
    assert campaigns.lines(person) == [(1, "sent", None), (2, "sent", None)]
    campaigns.assert_accounts()


def test_what_is_on_its_way_is_no_finding(campaigns: CampaignHarness, harness: IntegrityHarness) -> None:
    campaign = campaigns.campaign(email(1), **ALWAYS)
    campaigns.enroll(campaign)
    campaigns.sim.fault("cut_after")
    campaigns.tick()
    held = campaigns.campaign(email(1), name="held", **ALWAYS)
    campaigns.enroll(held)
    campaigns.sim.fault("429", retry_after=3600, times=3)
    campaigns.tick()
    assert harness.check().found == 0
    assert [check.verdict for check in examine_lines(campaigns.db)] == ["good"]


def test_more_than_the_cap_asks_first(campaigns: CampaignHarness, harness: IntegrityHarness) -> None:
    stranded(campaigns, "email")
    looked = result(harness.check(fix=True, cap=0), "invalid_state")
    assert (looked.fixed, looked.asks) == (0, True)
    assert result(harness.check(fix=True, cap=0, approved=frozenset({"invalid_state"})), "invalid_state").fixed == 1


def test_a_line_that_the_database_still_refuses_costs_no_other_its_fix(
    campaigns: CampaignHarness, harness: IntegrityHarness
) -> None:
    campaign = campaigns.campaign(email(1), email(2, delay_days=1), **ALWAYS)
    people = campaigns.enroll_many(campaign, 5)
    campaigns.db.run_script(REFUSES)
    campaigns.tick()
    campaigns.db.run_script("drop trigger refuse_lines on campaign_sequence_logs")
    campaigns.db.run_script(
        f"""create trigger refuse_lines before update on campaign_sequence_logs
            for each row when (old.status = 'pending' and old.enrollment_id = '{people[2]}')
            execute function refuse_lines()"""
    )
    assert result(harness.check(fix=True), "invalid_state").fixed == 4
    statuses = [campaigns.lines(person)[0][1] for person in people]
    assert statuses == ["sent", "sent", "pending", "sent", "sent"]
    assert [status for *_, status in harness.findings() if status != "fixed"] == ["needs_approval"]
