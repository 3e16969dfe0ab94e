"""A repetition after an unclear attempt asks the whole gate first: who may not be written to by now gets nothing."""

from uuid import UUID

import pytest

from crm_relay.campaigns.engine.run_due_steps import EngineContext
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.resend.client import Resend
from tests.support.campaigns.campaign_harness import ALWAYS, LIVE, PUBLIC_URL, CampaignHarness, email
from tests.support.platform.rows import one, rows_of

REFUSED = {
    "replied": "update campaign_enrollments set status = 'replied' where id = :id returning id",
    "stopped": "update campaign_enrollments set status = 'stopped' where id = :id returning id",
    "contact_deleted": """update contacts set deleted_at = now()
        where id = (select contact_id from campaign_enrollments where id = :id) returning id""",
    "gone": "delete from campaign_enrollments where id = :id returning id",
}
HELD = {
    "person_paused": "update campaign_enrollments set status = 'paused' where id = :id returning id",
}
OF_ALL = {
    "campaign_paused": "update campaigns set status = 'paused' returning id",
    "campaign_cancelled": "update campaigns set status = 'cancelled' returning id",
    "campaign_archived": "update campaigns set status = 'archived' returning id",
    "campaign_completed": "update campaigns set status = 'completed' returning id",
    "step_inactive": "update campaign_sequences set is_active = false returning id",
    "late": "update campaigns set late_policy = 'skip' returning id",
    "sender_paused": "update email_identities set paused_at = now() returning id",
    "campaign_unreadable": "update campaigns set timezone = 'Nowhere' returning id",
    "window": "update campaigns set send_window_start = '00:00', send_window_end = '00:01' returning id",
}


def tick(campaigns: CampaignHarness, *, key: str | None = None) -> None:
    """With a key of full access, by which the provider can be asked what it has."""
    http = HttpClient(campaigns.sim.url, timeout=(2, 10), repeats=0)
    campaigns.tick(harness=EngineContext(Resend(http, key or campaigns.sim.api_key), LIVE, PUBLIC_URL))


def people(campaigns: CampaignHarness) -> tuple[UUID, UUID]:
    """Ada and Bob, in one batch."""
    campaign = campaigns.campaign(email(1), **ALWAYS)
    ada, bob = (campaigns.enroll(campaign, campaigns.contact(f"{name}@example.com")) for name in ("ada", "bob"))
    return ada, bob


@pytest.mark.parametrize("word", REFUSED | HELD)
def test_who_may_not_be_written_to_by_now_gets_nothing_by_a_repetition_and_costs_nobody_else_their_mail(
    campaigns: CampaignHarness, word: str
) -> None:
    ada, _ = people(campaigns)
    campaigns.sim.fault("cut_before")
    tick(campaigns)
    rows_of(campaigns.db, (REFUSED | HELD)[word], id=ada)
    for _ in range(4):
        campaigns.wait(minutes=6)
        tick(campaigns)
    assert dict(campaigns.sim.sends) == {"bob@example.com": 1}
    row = one(campaigns.db, "select status, reason, held_for from email_sends where address = 'ada@example.com'")
    assert (row["status"], row["reason"], row["held_for"]) == (
        ("queued", None, word) if word in HELD else ("refused", word, None)
    )


@pytest.mark.parametrize("word", OF_ALL)
def test_what_changed_for_all_of_a_batch_keeps_it_from_being_repeated(campaigns: CampaignHarness, word: str) -> None:
    people(campaigns)
    campaigns.sim.fault("cut_before")
    tick(campaigns)
    rows_of(campaigns.db, OF_ALL[word])
    for _ in range(4):
        campaigns.wait(minutes=6)
        tick(campaigns)
    assert campaigns.sim.mails == []
    rows = rows_of(campaigns.db, "select status, reason, held_for from email_sends")
    assert {row["held_for"] or row["reason"] for row in rows} == {word}


@pytest.mark.parametrize("word", REFUSED | HELD | OF_ALL)
def test_what_the_provider_has_counts_as_sent_whatever_changed_since(campaigns: CampaignHarness, word: str) -> None:
    ada, _ = people(campaigns)
    campaigns.sim.fault("cut_after")
    tick(campaigns)
    statement = (REFUSED | HELD | OF_ALL)[word]
    rows_of(campaigns.db, statement, **({"id": ada} if ":id" in statement else {}))
    for _ in range(4):
        campaigns.wait(minutes=6)
        tick(campaigns)
    assert dict(campaigns.sim.sends) == {"ada@example.com": 1, "bob@example.com": 1}
    assert {row["status"] for row in rows_of(campaigns.db, "select status from email_sends")} == {"sent"}
    assert campaigns.sim.requests["POST /emails/batch"] == 1


def test_a_repetition_that_is_asked_about_nobody_is_made_at_once(campaigns: CampaignHarness) -> None:
    people(campaigns)
    campaigns.sim.fault("cut_before")
    tick(campaigns)
    campaigns.wait(minutes=1)
    tick(campaigns)
    assert dict(campaigns.sim.sends) == {"ada@example.com": 1, "bob@example.com": 1}


@pytest.mark.parametrize("word", REFUSED | HELD)
def test_without_a_look_nobody_is_written_to_while_somebody_may_not_be(campaigns: CampaignHarness, word: str) -> None:
    """The key may only send. The batch waits for an event or for a hold to end, and is given up after 23 hours."""
    ada, _ = people(campaigns)
    campaigns.sim.fault("cut_before")
    tick(campaigns, key=campaigns.sim.sending_key)
    rows_of(campaigns.db, (REFUSED | HELD)[word], id=ada)
    for hours in (1, 1, 24, 1):
        campaigns.wait(hours=hours)
        tick(campaigns, key=campaigns.sim.sending_key)
    assert campaigns.sim.mails == []
    assert {row["status"] for row in rows_of(campaigns.db, "select status from email_sends")} == {"unknown"}


def test_without_a_look_a_batch_goes_on_when_the_hold_ends(campaigns: CampaignHarness) -> None:
    ada, _ = people(campaigns)
    campaigns.sim.fault("cut_before")
    tick(campaigns, key=campaigns.sim.sending_key)
    rows_of(campaigns.db, HELD["person_paused"], id=ada)
    campaigns.wait(hours=1)
    tick(campaigns, key=campaigns.sim.sending_key)
    rows_of(campaigns.db, "update campaign_enrollments set status = 'active' returning id")
    campaigns.wait(hours=1)
    tick(campaigns, key=campaigns.sim.sending_key)
    assert dict(campaigns.sim.sends) == {"ada@example.com": 1, "bob@example.com": 1}


def test_without_a_look_a_window_that_closed_since_costs_nobody_their_mail(campaigns: CampaignHarness) -> None:
    people(campaigns)
    campaigns.sim.fault("cut_before")
    tick(campaigns, key=campaigns.sim.sending_key)
    rows_of(campaigns.db, OF_ALL["window"])
    campaigns.wait(minutes=6)
    tick(campaigns, key=campaigns.sim.sending_key)
    assert dict(campaigns.sim.sends) == {"ada@example.com": 1, "bob@example.com": 1}
