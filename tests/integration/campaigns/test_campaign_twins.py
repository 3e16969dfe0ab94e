"""Two people of a campaign who have one address by now: each step goes to it once, whenever that became so."""

from uuid import UUID

import pytest

from crm_relay.platform.database import Database
from tests.support.campaigns.campaign_harness import ALWAYS, CampaignHarness, email
from tests.support.platform.rows import one, rows_of


def correct(campaigns: CampaignHarness, person: UUID, address: str) -> None:
    rows_of(
        campaigns.db,
        """update contacts set email = :address
           where id = (select contact_id from campaign_enrollments where id = :id) returning id""",
        address=address,
        id=person,
    )


def two(campaigns: CampaignHarness) -> tuple[UUID, UUID, UUID]:
    """The campaign, Ada, and Bob who was enrolled after her; step by step with a day between."""
    campaign = campaigns.campaign(email(1), email(2, delay_days=1), email(3, delay_days=1), **ALWAYS)
    ada = campaigns.enroll(campaign, campaigns.contact("old@example.com"))
    campaigns.wait(minutes=1)
    bob = campaigns.enroll(campaign, campaigns.contact("new@example.com"))
    return campaign, ada, bob


def subjects(campaigns: CampaignHarness, address: str) -> list[str]:
    return [mail.payload["subject"] for mail in campaigns.sim.mails_to(address)]


@pytest.mark.parametrize("is_held", [True, False])
def test_a_step_that_was_queued_or_sent_before_the_address_was_corrected_reaches_it_once(
    campaigns: CampaignHarness, is_held: bool
) -> None:
    _, ada, bob = two(campaigns)
    rows_of(campaigns.db, "update campaign_enrollments set next_step_at = null where id = :id returning id", id=ada)
    if is_held:
        campaigns.sim.fault("429", retry_after=60)
    campaigns.tick()
    correct(campaigns, ada, "new@example.com")
    rows_of(
        campaigns.db,
        "update campaign_enrollments set next_step_at = :now where id = :id returning id",
        now=campaigns.now,
        id=ada,
    )
    for _ in range(4):
        campaigns.wait(minutes=2)
        campaigns.tick()
    assert subjects(campaigns, "new@example.com") == ["Step 1 for Person2"]
    assert sorted([campaigns.lines(ada), campaigns.lines(bob)]) == [
        [(1, "sent", None)],
        [(1, "stopped", "duplicate_address")],
    ]
    assert {
        row["reason"] for row in rows_of(campaigns.db, "select reason from email_sends where status = 'refused'")
    } == {"duplicate_address"}
    # The first who was enrolled goes on, and the address gets every step once.
    for _ in range(3):
        campaigns.wait(days=1, minutes=5)
        campaigns.tick()
    assert [subject.split()[1] for subject in subjects(campaigns, "new@example.com")] == ["1", "2", "3"]


def test_the_twin_whose_mail_may_leave_gets_it_where_the_other_is_held(campaigns: CampaignHarness) -> None:
    _, ada, bob = two(campaigns)
    campaigns.sim.fault("429", retry_after=60)
    campaigns.tick()
    rows_of(
        campaigns.db,
        "update email_sends set address = 'new@example.com', recipient_email = 'new@example.com' returning id",
    )
    rows_of(campaigns.db, "update campaign_enrollments set status = 'paused' where id = :id returning id", id=ada)
    campaigns.wait(minutes=2)
    campaigns.tick()
    assert one(campaigns.db, "select status from email_sends where enrollment_id = :id", id=bob)["status"] == "sent"
    rows_of(campaigns.db, "update campaign_enrollments set status = 'active' where id = :id returning id", id=ada)
    campaigns.wait(minutes=2)
    campaigns.tick()
    assert campaigns.lines(ada) == [(1, "stopped", "duplicate_address")]
    assert len(campaigns.sim.mails) == 1


def test_twins_in_two_batches_that_leave_side_by_side_are_one_mail(
    campaigns: CampaignHarness, database_url: str
) -> None:
    """Gates of one organization pass one after the other: the second sees what the first one let pass."""
    two(campaigns)
    campaigns.sim.fault("429", retry_after=60)
    campaigns.tick()
    rows_of(
        campaigns.db,
        "update email_sends set address = 'new@example.com', recipient_email = 'new@example.com' returning id",
    )
    rows_of(
        campaigns.db,
        """with parts as (
               insert into email_batches (org_id, purpose, not_before)
               select org_id, purpose, not_before from email_batches where state = 'queued' returning id
           )
           update email_sends set batch_id = (select id from parts)
           where id = (select id from email_sends where status = 'queued' order by id limit 1) returning id""",
    )
    assert len(rows_of(campaigns.db, "select distinct batch_id from email_sends where status = 'queued'")) == 2
    campaigns.wait(minutes=2)
    other = Database(database_url)
    campaigns.tick(db=other)
    other.close()
    campaigns.tick()
    assert len(campaigns.sim.mails) == 1
