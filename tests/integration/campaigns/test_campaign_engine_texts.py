"""Text messages of campaigns: one by one, since nothing tells the provider that two requests are the same."""

from datetime import timedelta
from uuid import UUID

import pytest

from crm_relay.consent.address import end_of_number
from crm_relay.consent.models import ConsentChannel, ConsentEvent, ConsentKind
from crm_relay.consent.record import record_events
from crm_relay.consent.waiting.waiting_opt_outs import WaitingOptOut, keeping
from crm_relay.mail.models import Mode, SendPolicy
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.twilio.client import Twilio
from local.simulators.twilio import TwilioSimulator
from tests.support.campaigns.campaign_harness import CampaignHarness, email, step
from tests.support.platform.rows import one, rows_of

NUMBER = "+15550100001"


def texted(
    campaigns: CampaignHarness, phone: str | None = "+1 (555) 010-0001", body: str = "Hi {{contact.first_name}}"
) -> UUID:
    """Somebody whose next step is a text message."""
    campaign = campaigns.campaign(step("sms", 1, body_text=body), email(2, delay_days=1))
    return campaigns.enroll(campaign, campaigns.contact(phone=phone, first_name="Ada"))


def test_c3_a_text_message_is_sent_once_and_only_then_counted(
    campaigns: CampaignHarness, twilio: TwilioSimulator
) -> None:
    person = texted(campaigns)
    report = campaigns.tick()
    campaigns.tick()
    assert report.texts.sent == 1
    assert [(text.to, text.body) for text in twilio.texts] == [(NUMBER, "Hi Ada")]
    assert campaigns.lines(person) == [(1, "sent", None)]
    assert campaigns.enrollment(person)["sms_sent"] == 1
    row = one(campaigns.db, "select status, twilio_sid, body from sms_sends")
    assert (row["status"], row["twilio_sid"], row["body"]) == ("sent", twilio.texts[0].sid, None)


@pytest.mark.parametrize("phone", [None, "0171 5550100", "none", "+1 555 01", "+49 176 11111111 x5"])
def test_c3_without_a_number_the_step_is_skipped(
    campaigns: CampaignHarness, twilio: TwilioSimulator, phone: str | None
) -> None:
    person = texted(campaigns, phone)
    campaigns.tick()
    assert campaigns.lines(person) == [(1, "skipped", "no_phone")]
    assert twilio.texts == []


@pytest.mark.parametrize("fault", ["cut_after", "500_after", "garbled_after"])
def test_a_text_message_whose_answer_was_lost_is_looked_up_and_not_sent_again(
    campaigns: CampaignHarness, twilio: TwilioSimulator, fault: str
) -> None:
    person = texted(campaigns)
    twilio.fault(fault)
    campaigns.tick()
    assert campaigns.lines(person) == [(1, "pending", None)]
    assert campaigns.enrollment(person)["sms_sent"] == 0
    for _ in range(3):
        campaigns.wait(minutes=3)
        campaigns.tick()
    assert len(twilio.texts) == 1
    assert campaigns.lines(person) == [(1, "sent", None)]
    assert campaigns.enrollment(person)["sms_sent"] == 1


@pytest.mark.parametrize("fault", ["cut_before", "500_before", "429", "502_page"])
def test_a_text_message_that_surely_did_not_leave_is_sent_later(
    campaigns: CampaignHarness, twilio: TwilioSimulator, fault: str
) -> None:
    person = texted(campaigns)
    twilio.fault(fault)
    campaigns.tick()
    for _ in range(9):
        campaigns.wait(minutes=3)
        campaigns.tick()
    assert len(twilio.texts) == 1
    assert campaigns.lines(person) == [(1, "sent", None)]


def test_who_answered_stop_gets_none_and_is_in_the_ledger(campaigns: CampaignHarness, twilio: TwilioSimulator) -> None:
    person = texted(campaigns)
    twilio.opted_out.add(NUMBER)
    campaigns.tick()
    assert campaigns.lines(person) == [(1, "stopped", "sms_opt_out")]
    assert campaigns.enrollment(person)["status"] == "active"
    event = one(campaigns.db, "select channel, address, kind from consent_events")
    assert tuple(event.values()) == ("sms", NUMBER, "opt_out")
    other = texted(campaigns)
    campaigns.tick()
    assert campaigns.lines(other) == [(1, "skipped", "sms_opt_out")]


@pytest.mark.parametrize("phone", ["+49 (0)176 11111111", "+49 0176 11111111", "\u202a+49 176\u201111111111\u202c"])
def test_an_opt_out_holds_in_whatever_form_the_contact_has_the_number(
    campaigns: CampaignHarness, twilio: TwilioSimulator, phone: str
) -> None:
    number, org = "+4917611111111", campaigns.org
    opt_out = ConsentEvent(ConsentKind.OPT_OUT, number, "import", campaigns.now, ConsentChannel.SMS, org_id=org)
    record_events(campaigns.db, [opt_out])
    person = texted(campaigns, phone)
    campaigns.tick()
    assert campaigns.lines(person) == [(1, "skipped", "sms_opt_out")]
    assert twilio.texts == []


def test_a_text_goes_to_the_number_without_its_trunk_zero(campaigns: CampaignHarness, twilio: TwilioSimulator) -> None:
    texted(campaigns, "+49 (0)176 11111111")
    campaigns.tick()
    assert [text.to for text in twilio.texts] == ["+4917611111111"]


def test_a_number_that_an_opt_out_without_its_country_may_mean_gets_none_and_is_in_no_ledger(
    campaigns: CampaignHarness, twilio: TwilioSimulator
) -> None:
    queued, other = texted(campaigns), texted(campaigns, "+1 555 020 0002")
    twilio.fault("429")
    campaigns.tick()
    waiting = WaitingOptOut("mautic", "e1", ConsentChannel.SMS, campaigns.now, number_end=end_of_number("555 010-0001"))
    campaigns.db.transact(lambda tx: tx.finish([keeping([waiting])]))
    later = texted(campaigns)
    campaigns.wait(minutes=5)
    campaigns.tick()
    assert campaigns.lines(queued) == [(1, "stopped", "sms_opt_out")]
    assert campaigns.lines(later) == [(1, "skipped", "sms_opt_out")]
    assert campaigns.lines(other) == [(1, "sent", None)]
    assert [text.to for text in twilio.texts] == ["+15550200002"]
    assert rows_of(campaigns.db, "select from consent_events") == []


def test_in_dry_run_no_text_message_leaves(campaigns: CampaignHarness, twilio: TwilioSimulator) -> None:
    people = []
    for policy in (SendPolicy(), SendPolicy(Mode.ALLOW_LIST, frozenset({"+15550100009"}))):
        campaigns.policy = policy
        people.append(texted(campaigns))
        campaigns.tick()
    assert ([campaigns.lines(person) for person in people], twilio.texts) == ([[], []], [])


def test_a_text_message_that_had_to_wait_wakes_nobody(campaigns: CampaignHarness, twilio: TwilioSimulator) -> None:
    person = texted(campaigns)
    twilio.fault("429", retry_after=60)
    campaigns.tick()
    # 20:00 in New York, and tomorrow at nine.
    campaigns.wait(hours=10)
    campaigns.tick()
    assert twilio.texts == []
    campaigns.wait(hours=13)
    campaigns.tick()
    assert len(twilio.texts) == 1
    assert campaigns.lines(person)[0] == (1, "sent", None)


def test_a_reply_takes_back_a_text_message_that_waits(campaigns: CampaignHarness, twilio: TwilioSimulator) -> None:
    campaign = campaigns.campaign(email(1), step("sms", 2, body_text="Hello", delay_hours=1))
    person = campaigns.enroll(campaign, campaigns.contact("a@example.com", phone=NUMBER))
    campaigns.tick()
    campaigns.deliver()
    campaigns.wait(hours=1)
    twilio.fault("429", retry_after=60)
    campaigns.tick()
    campaigns.reply(campaigns.sim.mail_to("a@example.com"))
    campaigns.wait(minutes=5)
    campaigns.tick()
    assert campaigns.lines(person)[1] == (2, "stopped", "replied")
    assert twilio.texts == []


def test_a_wrong_account_is_an_incident_and_loses_no_message(
    campaigns: CampaignHarness, twilio: TwilioSimulator
) -> None:
    person = texted(campaigns)
    right = campaigns.texts
    campaigns.texts = Twilio(HttpClient(twilio.url, repeats=0), twilio.account_sid, "wrong", twilio.number)
    assert campaigns.tick().texts.stopped
    assert len(rows_of(campaigns.db, "select * from incidents where closed_at is null")) == 1
    campaigns.texts = right
    campaigns.wait(minutes=16)
    campaigns.tick()
    assert campaigns.lines(person) == [(1, "sent", None)]
    assert rows_of(campaigns.db, "select * from incidents where closed_at is null") == []


def test_a_text_message_of_which_nothing_can_be_learned_is_given_up_and_never_sent_again(
    campaigns: CampaignHarness, twilio: TwilioSimulator
) -> None:
    person = texted(campaigns)
    twilio.fault("cut_after")
    campaigns.tick()
    twilio.fault("500_before", "GET", times=50)
    for _ in range(8):
        campaigns.wait(hours=1)
        campaigns.tick()
    assert campaigns.lines(person) == [(1, "failed", "unknown")]
    assert len(twilio.texts) == 1
    assert campaigns.enrollment(person)["error_count"] == 0
    (incident,) = rows_of(campaigns.db, "select kind, subject from incidents where closed_at is null")
    assert incident["kind"] == "sms_unknown"
    assert incident["subject"] == str(one(campaigns.db, "select id from sms_sends")["id"])


def test_a_text_message_that_is_too_long_for_everybody_holds_its_campaign(
    campaigns: CampaignHarness, twilio: TwilioSimulator
) -> None:
    person = texted(campaigns, body="x" * 1601)
    campaigns.tick()
    row = campaigns.enrollment(person)
    assert (row["held_for"], row["error_count"]) == ("content", 0)


def test_a_text_message_that_a_name_makes_too_long_is_its_steps_error(
    campaigns: CampaignHarness, twilio: TwilioSimulator
) -> None:
    person = texted(campaigns, body="{{contact.first_name}}" + "x" * 1597)
    rows_of(campaigns.db, "update contacts set first_name = 'Wilhelmina'")
    campaigns.tick()
    assert campaigns.enrollment(person)["error_count"] == 1
    assert campaigns.enrollment(person)["next_step_at"] == campaigns.now + timedelta(minutes=15)


def test_a_text_message_that_comes_back_after_its_sequence_ended_stays_here(
    campaigns: CampaignHarness, twilio: TwilioSimulator
) -> None:
    person = texted(campaigns)
    twilio.fault("429", retry_after=60)
    campaigns.tick()
    # As if it had been on its way at the moment of the reply.
    rows_of(campaigns.db, "update campaign_enrollments set status = 'replied', stopped_reason = 'replied'")
    campaigns.wait(minutes=2)
    campaigns.tick()
    assert campaigns.lines(person) == [(1, "stopped", "replied")]
    assert twilio.texts == []
