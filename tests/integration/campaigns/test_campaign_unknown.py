"""Messages of an unknown fate are settled by an operator, and what is wrong with one message stops no other."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID, uuid4

import pytest

from crm_relay.campaigns.lifecycle.settle_unknown import settle_unknown
from crm_relay.mail.models import Identity
from crm_relay.mail.senders.watch_senders import resume_sender, watch_senders
from crm_relay.mail.unknown.settle_unknown import unknown_messages
from crm_relay.platform.errors import RejectedInput
from crm_relay.providers.answers import Taken, TextAnswer
from crm_relay.providers.text import TextMessage
from local.simulators.twilio import TwilioSimulator
from tests.support.campaigns.campaign_harness import CampaignHarness, email, step
from tests.support.platform.rows import one, rows_of

NUMBER = "+15550100001"


def incidents(campaigns: CampaignHarness) -> set[str]:
    return {row["kind"] for row in rows_of(campaigns.db, "select kind from incidents where closed_at is null")}


def parked(campaigns: CampaignHarness) -> UUID:
    """Somebody whose mail is parked: with a key that may only send nobody can ask the provider."""
    person = campaigns.enroll(campaigns.campaign(email(1), email(2, delay_days=1)))
    campaigns.sim.fault("cut_after")
    campaigns.tick()
    campaigns.suppress(one(campaigns.db, "select address from email_sends")["address"], "hard_bounce")
    campaigns.wait(hours=24)
    campaigns.tick()
    assert campaigns.lines(person)[0] == (1, "failed", "unknown")
    assert incidents(campaigns) == {"email_unknown"}
    return person


@pytest.mark.parametrize("by", ["id", "batch_id"])
@pytest.mark.parametrize("was_sent", [True, False])
def test_an_operator_settles_what_is_unknown_and_closes_its_incident(
    campaigns: CampaignHarness, by: str, was_sent: bool
) -> None:
    person = parked(campaigns)
    (message,) = unknown_messages(campaigns.db, limit=10)
    subject = message.id if by == "id" else message.batch_id
    assert subject is not None
    settled = settle_unknown(campaigns.db, subject, campaigns.now, was_sent=was_sent, who="ada")
    assert (settled.messages, unknown_messages(campaigns.db, limit=10), incidents(campaigns)) == (1, [], set())
    line = (1, "sent", None) if was_sent else (1, "failed", "not_sent")
    assert campaigns.lines(person)[0] == line
    assert campaigns.enrollment(person)["emails_sent"] == int(was_sent)
    history = one(campaigns.db, "select metadata from entity_history where change_type like 'settled_as%'")["metadata"]
    assert history == {"by": "ada", "messages": 1}
    with pytest.raises(RejectedInput):
        settle_unknown(campaigns.db, subject, campaigns.now, was_sent=was_sent)
    campaigns.assert_accounts()


def test_an_id_that_nothing_has_is_refused(campaigns: CampaignHarness) -> None:
    with pytest.raises(RejectedInput):
        settle_unknown(campaigns.db, uuid4(), campaigns.now, was_sent=True)


def test_two_people_with_one_number_and_one_text_get_one_each_and_poison_nothing(
    campaigns: CampaignHarness, twilio: TwilioSimulator
) -> None:
    """In two campaigns: of one, the step would go to the number once."""
    both = [campaigns.campaign(step("sms", 1, body_text="Hello"), name=name) for name in ("one", "two")]
    people = [campaigns.enroll(campaign, campaigns.contact(phone=NUMBER)) for campaign in both]
    twilio.fault("cut_after")
    for _ in range(6):
        campaigns.tick()
        campaigns.wait(minutes=3)
    assert len(twilio.texts) == 2
    assert [campaigns.lines(person) for person in people] == [[(1, "sent", None)]] * 2
    assert len({row["twilio_sid"] for row in rows_of(campaigns.db, "select twilio_sid from sms_sends")}) == 2


def test_one_message_that_the_database_refuses_stops_no_other(campaigns: CampaignHarness) -> None:
    class OneIdForAll:
        """Gives every message one id."""

        name = "twilio"

        def send(self, to: str, body: str) -> TextAnswer:
            return Taken("SM1", "queued")

        def find(self, to: str, body: str, since: datetime, known: Collection[str] = ()) -> TextMessage | None:
            return None

    campaigns.texts = OneIdForAll()
    campaign = campaigns.campaign(step("sms", 1, body_text="Hello"))
    people = [campaigns.enroll(campaign, campaigns.contact(phone=f"+1555010000{n}")) for n in range(3)]
    report = campaigns.tick()
    assert (report.texts.sent, report.texts.unknown) == (1, 2)
    assert sorted(campaigns.lines(person)[0][1:] for person in people if campaigns.lines(person)[0][1] == "failed") == [
        ("failed", "unknown"),
        ("failed", "unknown"),
    ]
    assert incidents(campaigns) == {"sms_unknown"}
    message = unknown_messages(campaigns.db, limit=10)[0]
    settle_unknown(campaigns.db, message.id, campaigns.now, was_sent=True)
    assert len(unknown_messages(campaigns.db, limit=10)) == 1


@pytest.mark.parametrize(
    "rewritten", ['Hello "Ada" - it\'s on', "Sent from your Twilio trial account - Hello “Ada” – it’s on"]
)
def test_a_text_that_twilio_rewrote_is_found_again(
    campaigns: CampaignHarness, twilio: TwilioSimulator, rewritten: str
) -> None:
    campaign = campaigns.campaign(step("sms", 1, body_text="Hello “Ada” – it’s on"))
    person = campaigns.enroll(campaign, campaigns.contact(phone=NUMBER))
    twilio.fault("cut_after")
    campaigns.tick()
    twilio.texts[0].body = rewritten
    campaigns.wait(minutes=5)
    campaigns.tick()
    assert (len(twilio.texts), campaigns.lines(person)) == (1, [(1, "sent", None)])


def test_where_only_another_text_is_shown_nothing_is_sent_again_and_it_is_parked(
    campaigns: CampaignHarness, twilio: TwilioSimulator
) -> None:
    campaign = campaigns.campaign(step("sms", 1, body_text="Hello"))
    campaigns.enroll(campaign, campaigns.contact(phone=NUMBER))
    twilio.fault("cut_after")
    campaigns.tick()
    twilio.texts[0].body = "something else altogether"
    for _ in range(8):
        campaigns.wait(hours=1)
        campaigns.tick()
    assert len(twilio.texts) == 1
    assert incidents(campaigns) == {"sms_unknown"}


def test_a_rest_of_years_that_twilio_asks_for_is_an_hour(campaigns: CampaignHarness, twilio: TwilioSimulator) -> None:
    person = campaigns.enroll(campaigns.campaign(step("sms", 1, body_text="Hello")), campaigns.contact(phone=NUMBER))
    twilio.fault("429", retry_after=999_999_999)
    campaigns.tick()
    assert incidents(campaigns) == {"sms_rest"}
    campaigns.wait(hours=1)
    campaigns.tick()
    assert (campaigns.lines(person), incidents(campaigns)) == ([(1, "sent", None)], set())


def test_email_from_is_paused_for_its_bounces_like_any_other_sender(campaigns: CampaignHarness) -> None:
    rows_of(campaigns.db, "delete from email_identities returning id")
    campaigns.sender = Identity(None, "own@example.com")
    campaign = campaigns.campaign(email(1), email(2, delay_days=1))
    campaigns.enroll_many(campaign, 100)
    campaigns.tick()
    assert len(campaigns.sim.mails) == 100
    rows_of(
        campaigns.db,
        """update email_sends set bounced_at = now(), bounce_type = 'permanent'
           where id in (select id from email_sends order by id limit 50) returning id""",
    )
    assert watch_senders(campaigns.db, campaigns.now) == 1
    trouble = one(campaigns.db, "select kind, subject from incidents where closed_at is null")
    assert (trouble["kind"], trouble["subject"]) == ("sender_paused", "EMAIL_FROM")
    campaigns.wait(days=1)
    campaigns.tick()
    assert len(campaigns.sim.mails) == 100
    assert {
        row["held_for"] for row in rows_of(campaigns.db, "select held_for from email_sends where status = 'queued'")
    } == {"sender_paused"}
    resume_sender(campaigns.db, None, campaigns.now)
    campaigns.wait(minutes=1)
    campaigns.tick()
    assert len(campaigns.sim.mails) == 200
    assert incidents(campaigns) == set()


def test_a_refused_email_from_is_named_by_its_incident(campaigns: CampaignHarness) -> None:
    rows_of(campaigns.db, "delete from email_identities returning id")
    campaigns.sender = Identity(None, "own@example.com")
    campaigns.enroll(campaigns.campaign(email(1)))
    campaigns.sim.account.verified_domains = {"other.example.com"}
    campaigns.tick()
    assert one(campaigns.db, "select subject from incidents")["subject"] == "EMAIL_FROM"
