"""What holds mail and text messages, by one mechanism; and that what was held is asked again when the reason goes."""

from datetime import timedelta
from uuid import UUID

import pytest

from crm_relay.mail.holds.holds import waiting_of
from local.simulators.twilio import TwilioSimulator
from tests.support.campaigns.campaign_harness import ALWAYS, CampaignHarness, email, step
from tests.support.platform.rows import one, rows_of

NUMBER = "+15550100001"


CHANGES = {
    "person_paused": "update campaign_enrollments set status = 'paused' returning id",
    "contact_deleted": "update contacts set deleted_at = now() returning id",
    "campaign_archived": "update campaigns set status = 'archived' returning id",
    "campaign_completed": "update campaigns set status = 'completed' returning id",
    "campaign_cancelled": "update campaigns set status = 'cancelled' returning id",
    "campaign_paused": "update campaigns set status = 'draft' returning id",
    "step_inactive": "update campaign_sequences set is_active = false returning id",
    "window": "update campaigns set send_window_start = '00:00', send_window_end = '00:01' returning id",
    "late": "update campaigns set late_policy = 'skip' returning id",
}


@pytest.mark.parametrize("channel", ["email", "sms"])
@pytest.mark.parametrize("word", CHANGES)
def test_a_message_that_waits_is_asked_about_everything_that_changed(
    campaigns: CampaignHarness, twilio: TwilioSimulator, channel: str, word: str
) -> None:
    one_step = email(1) if channel == "email" else step("sms", 1, body_text="Hello")
    campaign = campaigns.campaign(one_step, **ALWAYS)
    person = campaigns.enroll(campaign, campaigns.contact("a@example.com", phone=NUMBER))
    campaigns.sim.fault("429", retry_after=60)
    twilio.fault("429", retry_after=60)
    campaigns.tick()
    assert campaigns.lines(person) == [(1, "pending", None)]
    rows_of(campaigns.db, CHANGES[word])
    campaigns.wait(minutes=20)
    campaigns.tick()
    assert (campaigns.sim.mails, twilio.texts) == ([], [])
    table = "email_sends" if channel == "email" else "sms_sends"
    row = one(campaigns.db, f"select status, reason, held_for, held_until from {table}")
    if campaigns.lines(person)[0][1] == "pending":
        assert (row["status"], row["held_for"], row["held_until"] > campaigns.now) == ("queued", word, True)
        assert [(each.channel, each.held_for) for each in waiting_of(campaigns.db, campaign)] == [(channel, word)]
    else:
        assert (row["status"], row["reason"]) == ("refused", word)
        assert campaigns.lines(person)[0][2] == word


def test_after_an_outage_the_limit_per_minute_is_kept(campaigns: CampaignHarness) -> None:
    campaigns.limit(100)
    campaigns.enroll_many(campaigns.campaign(email(1), **ALWAYS), 700)
    campaigns.sim.account.monthly_quota = 0
    for _ in range(7):
        campaigns.tick()
        campaigns.wait(minutes=1)
    assert one(campaigns.db, "select count(*) as n from email_sends")["n"] == 700
    campaigns.sim.account.monthly_quota = None
    campaigns.wait(hours=2)
    for minute in range(1, 9):
        campaigns.tick()
        assert len(campaigns.sim.mails) <= 100 * minute
        campaigns.wait(minutes=1)
    assert len(campaigns.sim.mails) == 700
    assert set(campaigns.sim.sends.values()) == {1}


def test_the_cap_counts_when_mail_left_and_not_when_it_was_queued(campaigns: CampaignHarness) -> None:
    campaigns.limit(100, cap=(1, 7))
    person = campaigns.contact("a@example.com")
    campaigns.enroll(campaigns.campaign(email(1), name="one", **ALWAYS), person)
    campaigns.sim.account.monthly_quota = 0
    campaigns.tick()
    campaigns.enroll(campaigns.campaign(email(1), name="two", **ALWAYS), person)
    for _ in range(6 * 24):
        campaigns.tick()
        campaigns.wait(hours=1)
    campaigns.sim.account.monthly_quota = None
    for _ in range(10 * 24):
        campaigns.tick()
        campaigns.wait(hours=1)
    first, second = (mail.at for mail in campaigns.sim.mails)
    assert second - first >= timedelta(days=7)


def held_by_a_cap(campaigns: CampaignHarness) -> UUID:
    campaigns.limit(100, cap=(1, 30))
    person = campaigns.contact("a@example.com")
    campaigns.enroll(campaigns.campaign(email(1), name="one", **ALWAYS), person)
    campaigns.tick()
    return campaigns.enroll(campaigns.campaign(email(1), name="two", **ALWAYS), person)


def test_who_is_held_by_a_cap_goes_on_when_the_cap_is_removed(campaigns: CampaignHarness) -> None:
    held = held_by_a_cap(campaigns)
    campaigns.tick()
    assert campaigns.enrollment(held)["held_for"] == "frequency_cap"
    campaigns.limit(100)
    campaigns.wait(minutes=1)
    campaigns.tick()
    assert campaigns.lines(held) == [(1, "sent", None)]
    assert rows_of(campaigns.db, "select * from hold_changes") == []


def test_mail_that_is_held_by_its_window_leaves_when_that_is_widened(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(1))
    person = campaigns.enroll(campaign)
    campaigns.sim.fault("429", retry_after=60)
    campaigns.tick()
    rows_of(campaigns.db, CHANGES["window"])
    campaigns.wait(minutes=2)
    campaigns.tick()
    assert one(campaigns.db, "select held_for from email_sends")["held_for"] == "window"
    rows_of(campaigns.db, "update campaigns set send_window_end = '23:59' returning id")
    campaigns.wait(minutes=1)
    campaigns.tick()
    assert campaigns.lines(person) == [(1, "sent", None)]


def test_a_step_that_was_moved_by_its_window_is_done_when_that_is_widened(campaigns: CampaignHarness) -> None:
    person = campaigns.enroll(campaigns.campaign(email(1), send_window_start="00:00", send_window_end="00:01"))
    campaigns.tick()
    assert campaigns.enrollment(person)["held_for"] == "window"
    rows_of(campaigns.db, "update campaigns set send_window_end = '23:59' returning id")
    campaigns.wait(minutes=1)
    campaigns.tick()
    assert campaigns.lines(person) == [(1, "sent", None)]


def test_a_paused_person_goes_on_at_once_when_resumed(campaigns: CampaignHarness) -> None:
    person = campaigns.enroll(campaigns.campaign(email(1)))
    campaigns.sim.fault("429", retry_after=60)
    campaigns.tick()
    rows_of(campaigns.db, CHANGES["person_paused"])
    campaigns.wait(minutes=2)
    campaigns.tick()
    rows_of(campaigns.db, "update campaign_enrollments set status = 'active' returning id")
    campaigns.wait(minutes=1)
    campaigns.tick()
    assert campaigns.lines(person) == [(1, "sent", None)]
