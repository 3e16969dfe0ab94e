"""A run that dies at any of its steps: nobody gets a mail twice, and nobody loses a step."""

from datetime import timedelta

import pytest

from crm_relay.campaigns.engine.run_due_steps import EngineContext, run_due_steps
from crm_relay.platform.clock import Deadline
from crm_relay.providers.resend.client import Resend
from tests.support.campaigns.campaign_harness import LIVE, PUBLIC_URL, CampaignHarness, email, step
from tests.support.campaigns.campaign_steps import NamedDatabase, NamedHttp, Seen
from tests.support.platform.rows import rows_of
from tests.support.processes.sudden_death import Killed, Life

# A run over one mail and one task, from the first look at replies to the last commit.
STEPS_OF_A_RUN = 41


def run(campaigns: CampaignHarness, life: Life) -> Seen:
    seen = Seen()
    http = NamedHttp(campaigns.sim.url, timeout=(2, 10), repeats=0, life=life, seen=seen)
    harness = EngineContext(Resend(http, campaigns.sim.sending_key), LIVE, PUBLIC_URL)
    database = NamedDatabase(campaigns.url, life, seen)
    try:
        run_due_steps(database, harness, campaigns.clock, Deadline.after(600))
    except Killed:
        # What the kernel does to the connections of a process that is gone.
        database.close()
    else:
        database.close()
    return seen


def plant(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(1), step("task", 2))
    for _ in range(2):
        campaigns.enroll(campaign)


def test_a_run_comes_by_every_named_step(campaigns: CampaignHarness) -> None:
    plant(campaigns)
    seen = run(campaigns, Life()).names
    wanted = ["take turn", "claim", "queue", "claim the batch", "read what the ledgers say", "ask the campaign"]
    wanted += ["freeze", "POST /emails/batch", "accept", "lock and read", "settle", "record the mails and commit"]
    place = 0
    for name in wanted:
        assert name in seen[place:], name
        place = seen.index(name, place)
    assert len(seen) <= STEPS_OF_A_RUN


# Before a step is after the one before it.
@pytest.mark.parametrize("last", range(STEPS_OF_A_RUN))
def test_a_run_that_dies_at_a_step_is_carried_on_by_the_next(campaigns: CampaignHarness, last: int) -> None:
    plant(campaigns)
    run(campaigns, Life(last=max(last, 1), before=last == 0))
    for _ in range(4):
        campaigns.wait(minutes=5)
        campaigns.tick()
    assert set(campaigns.sim.sends.values()) == {1}
    assert len(campaigns.sim.sends) == 2
    assert [status for _, status, _ in campaigns.lines()] == ["sent"] * 4
    assert len(rows_of(campaigns.db, "select * from activities")) == 2
    rows = rows_of(campaigns.db, "select status, emails_sent, error_count, last_step_at from campaign_enrollments")
    assert [(row["status"], row["emails_sent"], row["error_count"]) for row in rows] == [("completed", 1, 0)] * 2
    assert all(campaigns.now - row["last_step_at"] <= timedelta(minutes=30) for row in rows)
