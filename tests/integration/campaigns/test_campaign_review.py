"""What happens to queued messages and replies when something around them goes: people, campaigns, numbers, headers."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest

from crm_relay.campaigns.ab.judge_variants import judge_variants
from crm_relay.campaigns.engine.settle import settle
from crm_relay.campaigns.engine.stop import stop_answered
from crm_relay.campaigns.queued.still_wanted import still_wanted
from crm_relay.campaigns.watch.refused import STEP, SetAside, set_aside_all
from crm_relay.consent.person import Person
from crm_relay.mail.erase import erase_mail
from crm_relay.mail.feedback.read_inbound import read_inbound
from crm_relay.mail.feedback.unsubscribe import UnsubscribeRequest
from crm_relay.mail.senders.watch_senders import watch_senders
from crm_relay.mail.sending.send_batches import SendContext, send_due
from crm_relay.platform.clock import Deadline
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.answers import EmailAnswer, RefusedWhole
from crm_relay.providers.email_events import InboundMail
from crm_relay.providers.resend.client import Resend
from crm_relay.sources.unsubscribe import UNSUBSCRIBE
from crm_relay.webhooks.models import Delivered
from crm_relay.webhooks.receive import apply_once
from crm_relay.webhooks.source import Received
from local.simulators.resend.state import SimulatedMail
from local.simulators.twilio import TwilioSimulator
from tests.support.campaigns.campaign_harness import CampaignHarness, email, step
from tests.support.mail.mail_events import arrive
from tests.support.platform.rows import one, rows_of

NUMBER = "+15550100001"


def waiting_text(campaigns: CampaignHarness, name: str, phone: str = NUMBER) -> UUID:
    """Somebody with a text message that is queued: Twilio wants a rest."""
    campaign = campaigns.campaign(step("sms", 1, body_text="Hello"), name=name)
    return campaigns.enroll(campaign, campaigns.contact(phone=phone))


@pytest.mark.parametrize("gone", ["contacts", "campaigns"])
def test_text_messages_of_who_is_no_longer_there_hold_up_nobody(
    campaigns: CampaignHarness, twilio: TwilioSimulator, gone: str
) -> None:
    people = [waiting_text(campaigns, name) for name in "abcd"]
    twilio.fault("429", retry_after=60)
    campaigns.tick()
    # All but the one whose turn comes last.
    rows = rows_of(campaigns.db, "select contact_id, campaign_id from sms_sends order by not_before, id limit 3")
    column = "contact_id" if gone == "contacts" else "campaign_id"
    for row in rows:
        rows_of(campaigns.db, f"delete from {gone} where id = :id", id=row[column])
    campaigns.wait(minutes=2)
    campaigns.tick()
    left = one(campaigns.db, "select id from campaign_enrollments")["id"]
    assert left in people
    assert campaigns.lines(left) == [(1, "sent", None)]
    assert len(twilio.texts) == 1
    found = rows_of(campaigns.db, "select status, reason from sms_sends where enrollment_id <> :id", id=left)
    assert {(row["status"], row["reason"]) for row in found} == {("refused", "gone")}


def test_an_erased_number_takes_the_message_of_whoever_shares_it_and_holds_up_nobody(
    campaigns: CampaignHarness, twilio: TwilioSimulator
) -> None:
    sharing = waiting_text(campaigns, "a")
    other = waiting_text(campaigns, "b", "+15550100002")
    twilio.fault("429", retry_after=60)
    campaigns.tick()
    erase_mail(campaigns.db, Person(frozenset({"x@example.com"}), frozenset({NUMBER})), campaigns.now)
    campaigns.wait(minutes=2)
    campaigns.tick()
    assert campaigns.lines(sharing) == [(1, "stopped", "erased")]
    assert campaigns.lines(other) == [(1, "sent", None)]
    assert [text.to for text in twilio.texts] == ["+15550100002"]


def test_of_an_erased_message_that_may_have_left_nobody_says_that_it_did_not(
    campaigns: CampaignHarness, twilio: TwilioSimulator
) -> None:
    person = waiting_text(campaigns, "a")
    twilio.fault("cut_after")
    campaigns.tick()
    erase_mail(campaigns.db, Person(frozenset(), frozenset({NUMBER})), campaigns.now)
    campaigns.wait(minutes=5)
    campaigns.tick()
    assert campaigns.lines(person) == [(1, "failed", "unknown")]
    assert len(twilio.texts) == 1


def test_a_text_message_that_waits_stays_here_while_its_campaign_is_paused(
    campaigns: CampaignHarness, twilio: TwilioSimulator
) -> None:
    person = waiting_text(campaigns, "a")
    twilio.fault("429", retry_after=60)
    campaigns.tick()
    rows_of(campaigns.db, "update campaigns set status = 'paused'")
    campaigns.wait(minutes=2)
    campaigns.tick()
    assert twilio.texts == []
    rows_of(campaigns.db, "update campaigns set status = 'active'")
    campaigns.wait(minutes=15)
    campaigns.tick()
    assert campaigns.lines(person) == [(1, "sent", None)]


def test_a_window_that_makes_no_sense_keeps_only_its_own_text_messages(
    campaigns: CampaignHarness, twilio: TwilioSimulator
) -> None:
    people = [waiting_text(campaigns, name) for name in "ab"]
    twilio.fault("429", retry_after=60)
    campaigns.tick()
    first = one(campaigns.db, "select enrollment_id, campaign_id from sms_sends order by not_before, id limit 1")
    rows_of(campaigns.db, "update campaigns set timezone = 'Nowhere' where id = :id", id=first["campaign_id"])
    campaigns.wait(minutes=2)
    campaigns.tick()
    lines = {person: campaigns.lines(person)[0][1] for person in people}
    assert lines.pop(first["enrollment_id"]) == "pending"
    assert list(lines.values()) == ["sent"]


def test_mail_that_comes_back_in_parts_leaves_out_whose_sequence_has_ended(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(1), email(2, delay_days=1))
    stays, ended = (campaigns.enroll(campaign, campaigns.contact(f"{name}@example.com")) for name in ("a", "b"))
    resend = campaigns.resend()

    class Refuses:
        """The reply arrives while the provider looks at the batch and refuses it as a whole."""

        name = "resend"
        largest_batch = 100
        has_idempotency_key = True
        requests = 0

        def send_batch(self, payload: bytes, key: str) -> EmailAnswer:
            self.requests += 1
            if self.requests > 1:
                return resend.send_batch(payload, key)
            rows_of(
                campaigns.db,
                "update campaign_enrollments set status = 'replied', next_step_at = null where id = :id",
                id=ended,
            )
            return RefusedWhole("422 validation_error")

    campaigns.sim.fault("429", retry_after=60)
    campaigns.tick()
    campaigns.wait(minutes=2)
    send_context = SendContext(campaigns.db, Refuses(), campaigns.policy)
    send_due(send_context, clock=campaigns.clock, deadline=Deadline.after(60), settle=settle, still_wanted=still_wanted)
    assert [list(mail.recipients) for mail in campaigns.sim.mails] == [["a@example.com"]]
    assert campaigns.lines(stays) == [(1, "sent", None)]
    assert campaigns.lines(ended) == [(1, "stopped", "replied")]


def test_a_step_that_the_database_refuses_is_set_aside_and_done_once_it_can_be_recorded(
    campaigns: CampaignHarness,
) -> None:
    campaign = campaigns.campaign(step("task", 1))
    person = campaigns.enroll(campaign)
    rows_of(campaigns.db, "alter table activities add constraint none_now check (type <> 'task') not valid")
    for _ in range(5):
        assert campaigns.tick().acts.total() == 0
        campaigns.wait(minutes=20)
    sql = "select subject from incidents where kind = 'step_refused' and closed_at is null"
    assert rows_of(campaigns.db, sql) == [{"subject": str(person)}]
    assert campaigns.enrollment(person)["error_count"] == 0
    rows_of(campaigns.db, "alter table activities drop constraint none_now")
    campaigns.tick()
    assert campaigns.lines(person) == [(1, "sent", None)]
    assert rows_of(campaigns.db, sql) == []


def test_a_step_that_was_set_aside_stays_reported_until_it_was_tried(campaigns: CampaignHarness) -> None:
    """That it is not due, or that somebody has its row, says nothing of it."""
    person = campaigns.enroll(campaigns.campaign(step("task", 1)), due=campaigns.now + timedelta(minutes=30))
    set_aside_all(campaigns.db, [SetAside(STEP, person, why=ValueError())], campaigns.now)
    sql = "select subject from incidents where kind = 'step_refused' and closed_at is null"
    for _ in range(3):
        campaigns.tick()
        assert rows_of(campaigns.db, sql) == [{"subject": str(person)}]
    campaigns.wait(minutes=31)
    campaigns.tick()
    assert (campaigns.lines(person), rows_of(campaigns.db, sql)) == ([(1, "sent", None)], [])


def test_a_person_who_was_set_aside_and_has_no_step_any_more_is_reported_no_more(campaigns: CampaignHarness) -> None:
    person = campaigns.enroll(campaigns.campaign(step("task", 1)), due=campaigns.now + timedelta(minutes=30))
    set_aside_all(campaigns.db, [SetAside(STEP, person, why=ValueError())], campaigns.now)
    rows_of(campaigns.db, "update campaign_enrollments set status = 'replied', next_step_at = null")
    campaigns.tick()
    assert rows_of(campaigns.db, "select from incidents where kind = 'step_refused' and closed_at is null") == []


def delete(table: str) -> Callable[[CampaignHarness], None]:
    def happens(campaigns: CampaignHarness) -> None:
        rows_of(campaigns.db, f"delete from {table}")

    return happens


def hide(campaigns: CampaignHarness) -> None:
    rows_of(campaigns.db, "update contacts set deleted_at = :now", now=campaigns.now)


def end(campaigns: CampaignHarness) -> None:
    """As if a reply had come while the mail was on its way."""
    rows_of(campaigns.db, "update campaign_enrollments set status = 'replied', stopped_reason = 'replied'")


@pytest.mark.parametrize(
    ("happens", "reason"),
    [
        (delete("contacts"), "gone"),
        (delete("campaigns"), "gone"),
        (hide, "contact_deleted"),
        (end, "replied"),
    ],
)
def test_mail_that_waits_stays_here_once_its_person_or_campaign_is_gone(
    campaigns: CampaignHarness, happens: Callable[[CampaignHarness], None], reason: str
) -> None:
    campaigns.enroll(campaigns.campaign(email(1), email(2, delay_days=1)))
    campaigns.sim.fault("429", retry_after=60)
    campaigns.tick()
    happens(campaigns)
    campaigns.wait(minutes=2)
    campaigns.tick()
    assert campaigns.sim.mails == []
    mail = one(campaigns.db, "select status, reason, payload from email_sends")
    assert (mail["status"], mail["reason"], mail["payload"]) == ("refused", reason, None)
    assert rows_of(campaigns.db, "select from campaign_sequence_logs where status = 'pending'") == []


def came_in(campaigns: CampaignHarness, mail: SimulatedMail, **headers: str) -> None:
    """The webhook of a reply: its headers are not known yet."""
    inbound = campaigns.sim.reply(mail, headers=headers)
    event = InboundMail(inbound.id, inbound.sender, inbound.to, inbound.subject, inbound.message_id, campaigns.now)
    assert arrive(campaigns.db, event)


def read(campaigns: CampaignHarness) -> None:
    client = Resend(HttpClient(campaigns.sim.url, timeout=(2, 5), repeats=0), campaigns.sim.api_key)
    read_inbound(campaigns.db, client, clock=campaigns.clock, deadline=Deadline.after(60))


def written_to(campaigns: CampaignHarness) -> UUID:
    """Somebody who has the first mail; the second is due a minute later."""
    person = campaigns.enroll(
        campaigns.campaign(email(1), email(2, delay_minutes=1)), campaigns.contact("a@example.com")
    )
    campaigns.tick()
    campaigns.deliver()
    return person


def test_c8_nothing_is_decided_about_a_reply_whose_headers_are_not_known(campaigns: CampaignHarness) -> None:
    person = written_to(campaigns)
    came_in(campaigns, campaigns.sim.mails[0], **{"Auto-Submitted": "auto-replied"})
    campaigns.wait(minutes=2)
    # Neither the end of the sequence nor its next mail.
    campaigns.tick()
    assert campaigns.enrollment(person)["status"] == "active"
    assert len(campaigns.sim.mails) == 1
    read(campaigns)
    campaigns.tick()
    assert campaigns.enrollment(person)["status"] == "completed"
    assert len(campaigns.sim.mails) == 2


def test_c8_a_reply_whose_headers_nobody_can_read_is_a_persons_after_a_while(campaigns: CampaignHarness) -> None:
    person = written_to(campaigns)
    came_in(campaigns, campaigns.sim.mails[0])
    campaigns.wait(minutes=16)
    campaigns.tick()
    assert campaigns.enrollment(person)["status"] == "replied"
    assert len(campaigns.sim.mails) == 1


def test_c8_who_waits_for_headers_holds_up_nobody_else(campaigns: CampaignHarness) -> None:
    person = written_to(campaigns)
    came_in(campaigns, campaigns.sim.mails[0])
    campaigns.wait(minutes=2)
    other = campaigns.enroll(one(campaigns.db, "select id from campaigns")["id"])
    campaigns.tick()
    assert [campaigns.lines(each) for each in (person, other)] == [[(1, "sent", None)], [(1, "sent", None)]]


def test_c8_an_answer_to_a_mail_whose_fate_is_unknown_proves_that_it_arrived(campaigns: CampaignHarness) -> None:
    person = written_to(campaigns)
    rows_of(campaigns.db, "update campaign_sequence_logs set status = 'failed', reason = 'unknown'")
    campaigns.reply(campaigns.sim.mails[0])
    assert stop_answered(campaigns.db, campaigns.now) == 1
    assert campaigns.enrollment(person)["status"] == "replied"


def test_replies_that_cannot_be_read_keep_no_other_from_being_read(campaigns: CampaignHarness) -> None:
    written_to(campaigns)
    for number in range(25):
        event = InboundMail(f"gone_{number}", "b@example.com", ("x@in.example.com",), "Re:", None, campaigns.now)
        arrive(campaigns.db, event)
    campaigns.wait(minutes=1)
    came_in(campaigns, campaigns.sim.mails[0])
    for _ in range(2):
        read(campaigns)
        campaigns.wait(minutes=1)
    assert one(campaigns.db, "select count(*) as n from inbox_items where headers_read_at is not null")["n"] == 1


def test_who_unsubscribes_by_an_address_that_bounced_is_in_the_ledger_once(campaigns: CampaignHarness) -> None:
    written_to(campaigns)
    token = one(campaigns.db, "select unsubscribe_token from email_sends")["unsubscribe_token"]
    campaigns.suppress("a@example.com", "hard_bounce")
    for _ in range(2):
        campaigns.wait(minutes=1)
        wanted = UnsubscribeRequest(token, only_topic=False, at=campaigns.now)
        delivered = Delivered(UNSUBSCRIBE.name, wanted.to_body(), campaigns.now)
        apply_once(campaigns.db, UNSUBSCRIBE, Received(delivered, wanted))
    kinds = rows_of(campaigns.db, "select kind from consent_events order by occurred_at")
    assert [row["kind"] for row in kinds] == ["hard_bounce", "opt_out"]


def test_a_test_that_waits_for_ages_stops_no_other(campaigns: CampaignHarness) -> None:
    variants = [{"id": "a", "weight": 1}, {"id": "b", "weight": 1}]
    campaigns.enroll(campaigns.campaign(email(1, ab_variants=variants, ab_test={"wait_hours": 1e300})))
    campaigns.tick()
    assert judge_variants(campaigns.db, campaigns.now) == []


def test_a_template_of_another_organization_says_nothing_here(campaigns: CampaignHarness) -> None:
    theirs = one(
        campaigns.db,
        """insert into email_templates (org_id, name, slug, subject, body_html)
           values (:org, 'theirs', 'theirs', 'Secret', '<p>Secret</p>') returning id""",
        org=campaigns.organization(),
    )["id"]
    campaign = campaigns.campaign(step("email", 1, template_id=theirs))
    person = campaigns.enroll(campaign)
    campaigns.tick()
    assert campaigns.sim.mails == []
    assert campaigns.enrollment(person)["held_for"] == "content"


def test_clearing_up_unclear_batches_reads_no_whole_ledger(campaigns: CampaignHarness) -> None:
    campaigns.enroll(campaigns.campaign(email(1)))
    campaigns.tick()
    batch = one(campaigns.db, "select batch_id from email_sends")["batch_id"]
    rows_of(
        campaigns.db,
        """insert into incidents (kind, subject, title, opened_at) values
               ('email_unknown', cast(:batch as text), 'x', :now), ('email_unknown', 'no batch', 'x', :now)""",
        batch=str(batch),
        now=campaigns.now,
    )
    rows_of(campaigns.db, "update email_sends set status = 'unknown'")
    watch_senders(campaigns.db, campaigns.now)
    open_ones = rows_of(campaigns.db, "select subject from incidents where closed_at is null")
    assert [row["subject"] for row in open_ones] == [str(batch)]
    rows_of(campaigns.db, "update email_sends set status = 'delivered'")
    watch_senders(campaigns.db, campaigns.now + timedelta(minutes=1))
    assert rows_of(campaigns.db, "select from incidents where closed_at is null") == []
