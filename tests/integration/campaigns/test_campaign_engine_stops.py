"""What ends a sequence, what somebody's interest does to it, and what a reply belongs to."""

from datetime import timedelta
from itertools import permutations
from uuid import UUID

import pytest

from crm_relay.campaigns.engine.run_due_steps import EngineReport
from crm_relay.campaigns.engine.stop import stop_answered, stop_for_address
from crm_relay.mail.feedback.read_inbound import read_inbound
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database, Row
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.email_events import InboundMail
from crm_relay.providers.resend.client import Resend
from local.simulators.resend.webhooks.events import SCANNER
from tests.support.campaigns.campaign_harness import CampaignHarness, email, step
from tests.support.mail.mail_events import arrive
from tests.support.platform.rows import one, rows_of
from tests.support.processes.meanwhile import MeanwhileBefore

DAY = timedelta(days=1)


def two_mails(campaigns: CampaignHarness, **columns: object) -> UUID:
    """A campaign with a mail now and another one tomorrow."""
    return campaigns.campaign(email(1, **columns), email(2, delay_days=1))


def sent_to(campaigns: CampaignHarness, campaign: UUID, address: str = "a@example.com") -> UUID:
    """Somebody who has got the first mail, of which an event has told the message id."""
    person = campaigns.enroll(campaign, campaigns.contact(address))
    campaigns.tick()
    campaigns.deliver()
    return person


def test_c8_a_reply_ends_the_sequence_and_keeps_its_thread(campaigns: CampaignHarness) -> None:
    person = sent_to(campaigns, two_mails(campaigns))
    mail = campaigns.sim.mail_to("a@example.com")
    item = campaigns.reply(mail, thread_id="thread-7")
    campaigns.wait(days=1)
    report = campaigns.tick()
    assert report.answered == 1
    row = campaigns.enrollment(person)
    assert (row["status"], row["next_step_at"], row["thread_id"]) == ("replied", None, "thread-7")
    assert row["replied_at"] == campaigns.now - DAY
    kept = one(campaigns.db, "select enrollment_id, followed_at from inbox_items where id = :id", id=item)
    assert (kept["enrollment_id"], kept["followed_at"]) == (person, campaigns.now)
    assert campaigns.sim.sends["a@example.com"] == 1


@pytest.mark.parametrize(
    "found_by",
    [
        {"in_reply_to": None, "reference_ids": ["<other@example.com>", "OURS"]},
        {"in_reply_to": "OURS WITHOUT BRACKETS"},
        {"in_reply_to": "<unknown@example.com>", "to_addresses": ["TOKEN"]},
        {"in_reply_to": None, "to_addresses": ["TOKEN IN CAPITALS"]},
    ],
)
def test_c8_a_reply_is_matched_by_its_headers_else_by_the_plus_address(
    campaigns: CampaignHarness, found_by: dict[str, object]
) -> None:
    person = sent_to(campaigns, two_mails(campaigns))
    mail = campaigns.sim.mail_to("a@example.com")
    token = one(campaigns.db, "select reply_token from email_sends")["reply_token"]
    words = {
        "OURS": mail.message_id,
        "OURS WITHOUT BRACKETS": mail.message_id.strip("<>"),
        "TOKEN": f"reply+{token}@in.example.com",
        "TOKEN IN CAPITALS": f"REPLY+{token.upper()}@IN.EXAMPLE.COM",
    }
    columns = {
        name: [words.get(each, each) for each in value] if isinstance(value, list) else words.get(str(value), value)
        for name, value in found_by.items()
    }
    campaigns.reply(mail, **columns)
    assert stop_answered(campaigns.db, campaigns.now) == 1
    assert campaigns.enrollment(person)["status"] == "replied"


def test_c8_an_automatic_reply_stops_nothing(campaigns: CampaignHarness) -> None:
    person = sent_to(campaigns, two_mails(campaigns))
    item = campaigns.reply(campaigns.sim.mail_to("a@example.com"), is_auto_reply=True)
    campaigns.wait(days=1)
    campaigns.tick()
    assert campaigns.lines(person) == [(1, "sent", None), (2, "sent", None)]
    row = one(campaigns.db, "select enrollment_id, followed_at from inbox_items where id = :id", id=item)
    assert row["enrollment_id"] == person
    assert row["followed_at"] is not None
    assert campaigns.enrollment(person)["replied_at"] is None


def test_c8_a_reply_stops_only_where_an_executed_step_says_so(campaigns: CampaignHarness) -> None:
    person = sent_to(campaigns, two_mails(campaigns, stop_on_reply=False))
    campaigns.reply(campaigns.sim.mail_to("a@example.com"))
    campaigns.tick()
    row = campaigns.enrollment(person)
    assert (row["status"], row["replied_at"]) == ("active", campaigns.now)


def test_c8_a_reply_that_comes_before_its_message_id_waits_for_it(campaigns: CampaignHarness) -> None:
    person = campaigns.enroll(two_mails(campaigns), campaigns.contact("a@example.com"))
    campaigns.tick()
    item = campaigns.reply(campaigns.sim.mail_to("a@example.com"), to_addresses=["somebody@example.com"])
    campaigns.tick()
    assert one(campaigns.db, "select followed_at from inbox_items where id = :id", id=item)["followed_at"] is None
    campaigns.deliver()
    campaigns.tick()
    assert campaigns.enrollment(person)["status"] == "replied"


def test_c8_a_reply_of_nobody_is_looked_at_for_two_days(campaigns: CampaignHarness) -> None:
    rows_of(
        campaigns.db,
        """insert into inbox_items (source, external_id, in_reply_to, received_at)
           values ('resend', 'x', '<n@example.com>', :now)""",
        now=campaigns.now,
    )
    campaigns.tick()
    assert one(campaigns.db, "select followed_at from inbox_items")["followed_at"] is None
    campaigns.wait(days=2, seconds=1)
    campaigns.tick()
    assert one(campaigns.db, "select followed_at from inbox_items")["followed_at"] is not None


def test_c8_a_reply_to_emailbison_stops_whatever_its_sender_is_enrolled_in(campaigns: CampaignHarness) -> None:
    contact = campaigns.contact("a@example.com")
    people = [
        campaigns.enroll(campaigns.campaign(email(1), name=name), contact, due=campaigns.now + DAY)
        for name in ("x", "y")
    ]
    other = campaigns.enroll(two_mails(campaigns), due=campaigns.now + DAY)
    for external, received in (("old", campaigns.now - DAY), ("new", campaigns.now)):
        rows_of(
            campaigns.db,
            """insert into inbox_items (source, external_id, from_address, received_at)
               values ('bison', :external, 'A@Example.com', :received)""",
            external=external,
            received=received,
        )
        assert stop_answered(campaigns.db, campaigns.now) == (2 if external == "new" else 0)
    assert {campaigns.enrollment(person)["status"] for person in people} == {"replied"}
    assert campaigns.enrollment(other)["status"] == "active"


def test_c8_one_answer_stops_the_whole_account_where_the_campaign_says_so(campaigns: CampaignHarness) -> None:
    account = one(campaigns.db, "insert into accounts (name) values ('Example') returning id")["id"]
    campaign = campaigns.campaign(email(1), email(2, delay_days=1), stop_company_on_reply=True)
    people = [
        campaigns.enroll(campaign, campaigns.contact(address, account_id=account))
        for address in ("a@example.com", "b@example.com")
    ]
    stranger = campaigns.enroll(campaign)
    campaigns.tick()
    campaigns.deliver()
    campaigns.reply(campaigns.sim.mail_to("a@example.com"))
    campaigns.tick()
    rows = [campaigns.enrollment(person) for person in (*people, stranger)]
    assert [row["status"] for row in rows] == ["replied", "stopped", "active"]
    assert rows[1]["stopped_reason"] == "company_replied"


def test_a_reply_takes_back_what_is_queued_and_has_not_begun_to_leave(campaigns: CampaignHarness) -> None:
    person = sent_to(campaigns, two_mails(campaigns))
    campaigns.wait(days=1)
    # The provider wants a rest: the second mail is queued.
    campaigns.sim.fault("429", retry_after=60)
    campaigns.tick()
    assert campaigns.lines(person)[1] == (2, "pending", None)
    # On its last step somebody is still on the way: the sequence is complete once the mail is settled.
    assert campaigns.enrollment(person)["status"] == "active"
    campaigns.reply(campaigns.sim.mail_to("a@example.com"))
    campaigns.wait(minutes=5)
    campaigns.tick()
    assert campaigns.lines(person)[1] == (2, "stopped", "replied")
    assert campaigns.enrollment(person)["status"] == "replied"
    assert campaigns.sim.sends["a@example.com"] == 1


def test_a_reply_that_is_committed_just_before_the_claim_is_honoured(campaigns: CampaignHarness) -> None:
    person = sent_to(campaigns, two_mails(campaigns))
    mail = campaigns.sim.mail_to("a@example.com")
    campaigns.wait(days=1)
    replies: list[UUID] = []

    class RepliedBetween(Database):
        """A reply comes in between two statements."""

        def _send(self, sql: str, **more: bool) -> list[list[Row]]:
            rows = super()._send(sql, **more)
            if "as take_turn" in sql and not replies:
                replies.append(campaigns.reply(mail))
            return rows

    database = RepliedBetween(campaigns.url)
    try:
        report = campaigns.tick(db=database)
    finally:
        database.close()
    assert report.acts["stop"] == 1
    assert campaigns.lines(person)[1] == (2, "stopped", "replied")
    assert campaigns.sim.sends["a@example.com"] == 1


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("opt_out", "unsubscribed"),
        ("complaint", "unsubscribed"),
        ("hard_bounce", "bounced"),
        ("erased", "unsubscribed"),
    ],
)
def test_who_is_in_the_ledger_gets_nothing_more(campaigns: CampaignHarness, kind: str, status: str) -> None:
    person = sent_to(campaigns, two_mails(campaigns))
    if kind == "erased":
        rows_of(
            campaigns.db,
            """insert into consent_events (org_id, channel, address, kind, source, occurred_at)
               select :org, 'email', erased_key('a@example.com', value), 'erased', 'test', :now
               from installation_settings where key = 'erasure_salt'""",
            org=campaigns.org,
            now=campaigns.now,
        )
    else:
        campaigns.suppress("a@example.com", kind)
    campaigns.wait(days=1)
    campaigns.tick()
    row = campaigns.enrollment(person)
    assert (row["status"], row["stopped_reason"], row["next_step_at"]) == (status, kind, None)
    assert campaigns.lines(person)[1] == (2, "stopped", kind)
    assert campaigns.sim.sends["a@example.com"] == 1


def test_an_opt_out_between_the_claim_and_the_sending_is_honoured(campaigns: CampaignHarness) -> None:
    campaign = two_mails(campaigns)
    people = [campaigns.enroll(campaign, campaigns.contact(f"{name}@example.com")) for name in "ab"]
    opted_out: list[bool] = []

    class OptedOutBetween(Database):
        """An opt-out comes in when the mail is queued."""

        def _send(self, sql: str, **more: bool) -> list[list[Row]]:
            rows = super()._send(sql, **more)
            if sql.endswith("commit") and not opted_out and rows_of(campaigns.db, "select * from email_sends"):
                opted_out.append(True)
                campaigns.suppress("a@example.com", "opt_out")
            return rows

    database = OptedOutBetween(campaigns.url)
    try:
        campaigns.tick(db=database)
    finally:
        database.close()
    assert opted_out
    assert campaigns.lines(people[0]) == [(1, "stopped", "opt_out")]
    assert campaigns.enrollment(people[0])["status"] == "unsubscribed"
    assert campaigns.lines(people[1]) == [(1, "sent", None)]
    assert set(campaigns.sim.sends) == {"b@example.com"}


def test_who_left_one_topic_stays_in_the_others(campaigns: CampaignHarness) -> None:
    news = campaigns.campaign(email(1), email(2, delay_days=1), topic="news", name="news")
    offers = campaigns.campaign(email(1), email(2, delay_days=1), topic="offers", name="offers")
    contact = campaigns.contact("a@example.com")
    left, kept = campaigns.enroll(news, contact), campaigns.enroll(offers, contact)
    campaigns.tick()
    rows_of(
        campaigns.db,
        """insert into topic_opt_outs (org_id, address, topic, source, occurred_at)
           values (:org, 'a@example.com', 'news', 'x', :now)""",
        org=campaigns.org,
        now=campaigns.now,
    )
    stopped = stop_for_address(campaigns.db, campaigns.org, "a@example.com", "news", "topic_opt_out", campaigns.now)
    assert stopped == 1
    assert campaigns.enrollment(left)["status"] == "unsubscribed"
    campaigns.wait(days=1)
    campaigns.tick()
    assert campaigns.lines(kept) == [(1, "sent", None), (2, "sent", None)]


def test_stopping_an_address_takes_its_queued_mail_back_and_can_be_repeated(campaigns: CampaignHarness) -> None:
    person = campaigns.enroll(two_mails(campaigns), campaigns.contact("a@example.com"))
    campaigns.sim.fault("429", retry_after=60)
    campaigns.tick()
    assert stop_for_address(campaigns.db, None, "a@example.com", None, "complaint", campaigns.now) == 1
    assert stop_for_address(campaigns.db, None, "a@example.com", None, "complaint", campaigns.now) == 0
    campaigns.wait(minutes=5)
    campaigns.tick()
    assert campaigns.lines(person) == [(1, "stopped", "complaint")]
    assert campaigns.sim.mails == []


def test_c9_a_permanent_bounce_ends_every_sequence_of_the_address(campaigns: CampaignHarness) -> None:
    contact = campaigns.contact("a@example.com")
    first, second = (
        campaigns.enroll(campaigns.campaign(email(1), email(2, delay_days=1), name=name), contact) for name in "xy"
    )
    campaigns.tick()
    campaigns.sim.bounced(campaigns.sim.mails[0])
    campaigns.deliver()
    for person in (first, second):
        row = campaigns.enrollment(person)
        assert (row["status"], row["stopped_reason"]) == ("bounced", "hard_bounce")


def test_c9_a_transient_bounce_only_logs(campaigns: CampaignHarness) -> None:
    person = sent_to(campaigns, two_mails(campaigns))
    campaigns.sim.bounced(campaigns.sim.mail_to("a@example.com"), "Transient")
    campaigns.deliver()
    assert campaigns.enrollment(person)["status"] == "active"
    assert one(campaigns.db, "select bounce_type from email_sends")["bounce_type"] == "transient"


def test_a_complaint_ends_every_sequence_of_the_address(campaigns: CampaignHarness) -> None:
    person = sent_to(campaigns, two_mails(campaigns))
    campaigns.sim.complained(campaigns.sim.mail_to("a@example.com"))
    campaigns.deliver()
    row = campaigns.enrollment(person)
    assert (row["status"], row["stopped_reason"]) == ("unsubscribed", "complaint")


def test_c10_interest_is_scored_and_makes_engaged(campaigns: CampaignHarness) -> None:
    person = sent_to(campaigns, two_mails(campaigns))
    mail = campaigns.sim.mail_to("a@example.com")
    campaigns.sim.delivered(mail)
    campaigns.wait(minutes=5)
    opened_at = campaigns.now
    campaigns.sim.opened(mail)
    campaigns.wait(minutes=1)
    campaigns.sim.clicked(mail)
    campaigns.wait(minutes=1)
    campaigns.sim.opened(mail)
    campaigns.deliver()
    row = campaigns.enrollment(person)
    assert (row["status"], row["engagement_score"], row["emails_opened"], row["emails_clicked"]) == (
        "engaged",
        45,
        2,
        1,
    )
    assert (row["first_opened_at"], row["first_clicked_at"]) == (opened_at, opened_at + timedelta(minutes=1))
    for _ in range(9):
        campaigns.wait(minutes=1)
        campaigns.sim.clicked(mail)
    campaigns.deliver()
    assert campaigns.enrollment(person)["engagement_score"] == 100
    # Engaged people go on.
    campaigns.wait(days=1)
    campaigns.tick()
    assert campaigns.lines(person)[1] == (2, "sent", None)


def test_c10_a_scanner_makes_nobody_engaged(campaigns: CampaignHarness) -> None:
    person = sent_to(campaigns, two_mails(campaigns))
    mail = campaigns.sim.mail_to("a@example.com")
    campaigns.sim.delivered(mail)
    campaigns.sim.opened(mail)
    campaigns.wait(minutes=5)
    campaigns.sim.clicked(mail, user_agent=SCANNER)
    campaigns.deliver()
    row = campaigns.enrollment(person)
    assert (row["status"], row["engagement_score"], row["first_opened_at"]) == ("active", 0, None)


def test_c10_who_has_replied_is_not_engaged_afterwards(campaigns: CampaignHarness) -> None:
    person = sent_to(campaigns, two_mails(campaigns))
    mail = campaigns.sim.mail_to("a@example.com")
    campaigns.reply(mail)
    campaigns.tick()
    campaigns.wait(minutes=5)
    campaigns.sim.opened(mail)
    campaigns.deliver()
    row = campaigns.enrollment(person)
    assert (row["status"], row["engagement_score"]) == ("replied", 10)


def test_events_end_in_the_same_state_in_every_order(campaigns: CampaignHarness) -> None:
    campaign = two_mails(campaigns)
    ends = set()
    for number, order in enumerate(permutations(range(4))):
        if number % 3:
            continue
        person = campaigns.enroll(campaign)
        campaigns.tick()
        mail = campaigns.sim.mails[-1]
        begun = campaigns.now
        messages = [campaigns.sim.delivered(mail), campaigns.sim.opened(mail)]
        campaigns.wait(minutes=2)
        messages += [campaigns.sim.clicked(mail), campaigns.sim.opened(mail)]
        campaigns.deliver([messages[place] for place in order])
        row = campaigns.enrollment(person)
        ends.add((row["status"], row["engagement_score"], row["first_opened_at"] - begun, row["emails_clicked"]))
    assert len(ends) == 1


def test_events_that_come_before_the_answer_count_when_it_comes(campaigns: CampaignHarness) -> None:
    person = campaigns.enroll(two_mails(campaigns), campaigns.contact("a@example.com"))
    # Taken, and the answer is lost on its way.
    campaigns.sim.fault("cut_after")
    campaigns.tick()
    assert campaigns.lines(person) == [(1, "pending", None)]
    mail = campaigns.sim.mail_to("a@example.com")
    campaigns.wait(seconds=30)
    campaigns.sim.delivered(mail)
    campaigns.wait(minutes=1)
    campaigns.sim.opened(mail)
    campaigns.deliver()
    row = campaigns.enrollment(person)
    assert campaigns.lines(person) == [(1, "sent", None)]
    assert (row["status"], row["emails_sent"]) == ("engaged", 1)
    campaigns.wait(minutes=20)
    campaigns.tick()
    assert campaigns.enrollment(person)["emails_sent"] == 1
    assert campaigns.sim.sends["a@example.com"] == 1


def test_an_sms_step_without_an_account_is_skipped_and_does_not_count(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(step("sms", 1, body_text="Hello"))
    person = campaigns.enroll(campaign, campaigns.contact(phone="+15550100001"))
    campaigns.tick()
    assert campaigns.lines(person) == [(1, "skipped", "sms_not_configured")]
    assert campaigns.enrollment(person)["sms_sent"] == 0


def test_two_workers_together_keep_to_the_minute_of_an_organization(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(1))
    campaigns.enroll_many(campaign, 250)
    word = "insert into campaign_sequence_logs"
    database = MeanwhileBefore(campaigns.url, word, lambda other: campaigns.tick(db=other))
    campaigns.tick(db=database)
    database.close()
    assert sum(campaigns.sim.sends.values()) == 100


def test_a_second_worker_waits_for_its_turn_and_finds_what_is_left(campaigns: CampaignHarness) -> None:
    campaigns.limit(None)
    campaign = campaigns.campaign(email(1))
    campaigns.enroll_many(campaign, 250)
    reports: list[EngineReport] = []
    word = "insert into campaign_sequence_logs"
    database = MeanwhileBefore(campaigns.url, word, lambda other: reports.append(campaigns.tick(db=other)))
    reports.append(campaigns.tick(db=database))
    database.close()
    assert min(report.claimed for report in reports) > 0
    assert sum(report.claimed for report in reports) == 250


def test_who_is_stopped_between_the_claim_and_the_queue_gets_nothing(campaigns: CampaignHarness) -> None:
    person = campaigns.enroll(two_mails(campaigns), campaigns.contact("a@example.com"))

    def stop(other: Database) -> None:
        stop_for_address(other, campaigns.org, "a@example.com", None, "left", campaigns.now)

    database = MeanwhileBefore(campaigns.url, "insert into email_sends", stop)
    # A provider that wants a rest at first: what is queued is still here when the other one gets through.
    campaigns.sim.fault("429", retry_after=60)
    campaigns.tick(db=database)
    database.close()
    campaigns.wait(minutes=2)
    campaigns.tick()
    row = campaigns.enrollment(person)
    assert (row["status"], row["next_step_at"]) == ("stopped", None)
    assert campaigns.lines(person) == [(1, "stopped", "left")]
    assert campaigns.sim.mails == []


def test_a_mail_that_comes_back_after_its_sequence_ended_stays_here(campaigns: CampaignHarness) -> None:
    person = campaigns.enroll(two_mails(campaigns), campaigns.contact("a@example.com"))
    campaigns.sim.fault("429", retry_after=60)
    campaigns.tick()
    # As if it had been on its way at the moment of the reply.
    rows_of(campaigns.db, "update campaign_enrollments set status = 'replied', stopped_reason = 'replied'")
    campaigns.wait(minutes=2)
    campaigns.tick()
    assert campaigns.lines(person) == [(1, "stopped", "replied")]
    assert campaigns.sim.mails == []


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Auto-Response-Suppress": "DR, RN, NRN, OOF, AutoReply"},
        {"X-Auto-Response-Suppress": "None"},
        {"Auto-Submitted": "no (typed by hand)"},
    ],
)
def test_a_reply_that_a_person_wrote_ends_the_sequence_whatever_their_mail_program_adds(
    campaigns: CampaignHarness, headers: dict[str, str]
) -> None:
    person = sent_to(campaigns, two_mails(campaigns))
    mail = campaigns.sim.mail_to("a@example.com")
    reply = campaigns.sim.reply(mail, headers=headers)
    arrive(campaigns.db, InboundMail(reply.id, reply.sender, reply.to, reply.subject, reply.message_id, campaigns.now))
    inbound = Resend(HttpClient(campaigns.sim.url, timeout=(2, 10), repeats=0), campaigns.sim.api_key)
    assert read_inbound(campaigns.db, inbound, clock=campaigns.clock, deadline=Deadline.after(60)).read == 1
    campaigns.wait(days=1)
    campaigns.tick()
    assert campaigns.enrollment(person)["status"] == "replied"
    assert campaigns.sim.sends["a@example.com"] == 1


def test_two_enrollments_that_were_corrected_to_one_address_get_the_sequence_once(campaigns: CampaignHarness) -> None:
    campaign = two_mails(campaigns)
    first, second = campaigns.contact("a@example.com"), campaigns.contact("b@example.com")
    people = [campaigns.enroll(campaign, each) for each in (first, second)]
    rows_of(campaigns.db, "update contacts set email = 'c@example.com'")
    for _ in range(3):
        campaigns.tick()
        campaigns.wait(days=1)
    assert campaigns.sim.sends == {"c@example.com": 2}
    assert sorted(
        (campaigns.enrollment(each)["status"], campaigns.enrollment(each)["stopped_reason"]) for each in people
    ) == [
        ("completed", None),
        ("stopped", "duplicate_address"),
    ]
