"""Campaigns as they run: every step once, to whom it is due, when it may leave."""

import threading
from datetime import timedelta

import pytest

from crm_relay.campaigns.engine import make_steps, store
from crm_relay.campaigns.lifecycle.change_campaign import activate
from crm_relay.mail.compose import compose
from crm_relay.mail.models import Mode, SendPolicy
from crm_relay.platform.database import Database
from crm_relay.platform.sql import Query
from tests.support.campaigns.campaign_harness import BEGIN, CampaignHarness, email, step
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.platform.rows import one, rows_of

HOUR = timedelta(hours=1)


def test_c14_ten_people_go_through_three_steps_by_themselves(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(
        email(1),
        step("linkedin", 2, delay_days=1, task_config={"title": "Say hello"}),
        email(3, delay_hours=2),
        status="draft",
    )
    people = [campaigns.enroll(campaign, next_step_at=None) for _ in range(10)]
    activate(campaigns.db, campaign, campaigns.now)
    for _ in range(3 * 24 * 4):
        campaigns.tick()
        campaigns.wait(minutes=15)
    for person in people:
        assert campaigns.lines(person) == [(1, "sent", None), (2, "sent", None), (3, "sent", None)]
        row = campaigns.enrollment(person)
        assert (row["status"], row["next_step_at"], row["emails_sent"], row["linkedin_sent"]) == (
            "completed",
            None,
            2,
            1,
        )
        assert row["completed_at"] is not None
    assert campaigns.totals(campaign) == (0, 10, 20)
    assert set(campaigns.sim.sends.values()) == {2}
    assert len(rows_of(campaigns.db, "select * from activities")) == 10


def test_c14_three_mails_to_three_contacts_with_their_logs(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(1), email(2, delay_days=1), email(3, delay_days=1))
    people = [campaigns.enroll(campaign) for _ in range(3)]
    for _ in range(3):
        campaigns.tick()
        campaigns.wait(days=1)
    assert len(campaigns.sim.mails) == 9
    assert {mail.payload["subject"] for mail in campaigns.sim.mails_to("person1@example.com")} == {
        f"Step {number} for Person1" for number in (1, 2, 3)
    }
    for person in people:
        assert campaigns.lines(person) == [(1, "sent", None), (2, "sent", None), (3, "sent", None)]
    sends = rows_of(campaigns.db, "select status, resend_id from email_sends")
    assert {row["status"] for row in sends} == {"sent"}
    assert all(row["resend_id"] for row in sends)


def test_c1_everything_due_is_done_in_batches_of_a_hundred(campaigns: CampaignHarness) -> None:
    campaigns.limit(None)
    campaign = campaigns.campaign(email())
    campaigns.enroll_many(campaign, 250)
    later = campaigns.enroll(campaign, due=campaigns.now + HOUR)
    report = campaigns.tick()
    assert (report.batches, report.acts["email"], report.mail.sent, report.mail.requests) == (3, 250, 250, 3)
    assert report.is_finished
    assert campaigns.lines(later) == []


@pytest.mark.parametrize("status", ["paused", "replied", "bounced", "unsubscribed", "stopped", "completed"])
def test_c1_only_who_is_active_or_engaged_is_due(campaigns: CampaignHarness, status: str) -> None:
    campaign = campaigns.campaign(email())
    campaigns.enroll(campaign, status=status)
    engaged = campaigns.enroll(campaign, status="engaged")
    campaigns.tick()
    assert campaigns.lines() == campaigns.lines(engaged) == [(1, "sent", None)]


def test_c1_a_campaign_that_does_not_run_holds_its_people(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(), status="paused")
    person = campaigns.enroll(campaign)
    assert campaigns.tick().claimed == 0
    assert campaigns.enrollment(person)["next_step_at"] == campaigns.now


def test_c2_a_due_step_outside_its_window_is_moved_into_it_and_not_spun_on(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(), send_window_start="12:00", send_window_end="13:00")
    person = campaigns.enroll(campaign)
    report = campaigns.tick()
    assert dict(report.acts) == {"move": 1}
    row = campaigns.enrollment(person)
    # Noon in New York.
    assert row["next_step_at"] == BEGIN + 2 * HOUR
    assert row["held_for"] == "window"
    assert campaigns.lines() == []
    campaigns.wait(hours=2)
    campaigns.tick()
    assert campaigns.lines() == [(1, "sent", None)]


def test_c2_the_recipients_own_clock_decides_where_the_campaign_says_so(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(), use_recipient_timezone=True)
    # 16:00 in Berlin, midnight in Tokyo, and no zone at all: the campaign's.
    for zone in ("Europe/Berlin", "Asia/Tokyo", "Mars/Olympus"):
        campaigns.enroll(campaign, campaigns.contact(timezone=zone))
    report = campaigns.tick()
    assert dict(report.acts) == {"email": 2, "move": 1}
    assert campaigns.sim.mails_to("person2@example.com") == []


def test_c3_each_channel_leaves_what_the_document_says(campaigns: CampaignHarness) -> None:
    described = {"title": "Ada", "description": "About the offer", "priority": "high", "due_hours": 48}
    campaign = campaigns.campaign(
        step("linkedin", 1, task_config={}),
        step("linkedin", 2, task_config=described),
        step("phone", 3, task_config=None),
        step("phone", 4, task_config=described),
        step("task", 5, task_config=None),
        step("task", 6, task_config=described),
        step("wait", 7),
    )
    contact = campaigns.contact()
    person = campaigns.enroll(campaign, contact)
    assert dict(campaigns.tick().acts) == {"work": 6, "wait": 1}
    made = rows_of(
        campaigns.db,
        """select type, subject, description, status, priority, due_date, entity_type, entity_id, secondary_entity_type,
               secondary_entity_id, metadata from activities order by (metadata ->> 'sequence_step')::integer""",
    )
    day, two = campaigns.now + timedelta(hours=24), campaigns.now + timedelta(hours=48)
    assert [tuple(row.values())[:6] for row in made] == [
        ("task", "LinkedIn: Send LinkedIn message", None, "open", "normal", day),
        ("task", "LinkedIn: Ada", "About the offer", "open", "high", day),
        ("call", "Call: Campaign follow-up call", None, "scheduled", "normal", day),
        ("call", "Call: Ada", "About the offer", "scheduled", "high", day),
        ("task", "Campaign task", None, "open", "normal", day),
        ("task", "Ada", "About the offer", "open", "high", two),
    ]
    assert {tuple(row.values())[6:10] for row in made} == {("contact", contact, "campaign", campaign)}
    of_all = {"campaign_id": str(campaign), "enrollment_id": str(person)}
    assert [row["metadata"] for row in made] == [
        {**of_all, "sequence_step": number, **({"channel": channel} if channel else {})}
        for number, channel in enumerate(("linkedin", "linkedin", "phone", "phone", None, None), 1)
    ]
    row = campaigns.enrollment(person)
    assert (row["linkedin_sent"], row["calls_made"], row["sms_sent"], row["emails_sent"]) == (2, 2, 0, 0)
    assert (row["status"], row["current_step"], row["steps_completed"]) == ("completed", 7, 7)
    assert {status for _, status, _ in campaigns.lines(person)} == {"sent"}


def test_c3_the_next_step_is_the_next_active_one(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(step("wait", 1), email(2, is_active=False), email(5, delay_hours=1))
    person = campaigns.enroll(campaign)
    campaigns.tick()
    assert campaigns.enrollment(person)["next_step_at"] == campaigns.now + HOUR
    campaigns.wait(hours=1)
    campaigns.tick()
    assert [number for number, *_ in campaigns.lines(person)] == [1, 5]


def test_c3_who_stands_behind_the_last_step_completes(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(1), email(2, is_active=False))
    person = campaigns.enroll(campaign, current_step=1)
    campaigns.tick()
    assert campaigns.enrollment(person)["status"] == "completed"
    assert campaigns.totals(campaign) == (0, 1, 0)


def test_c4_days_hours_and_minutes_lie_between_two_steps(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(step("wait", 1), email(2, delay_days=1, delay_hours=2, delay_minutes=3))
    person = campaigns.enroll(campaign)
    campaigns.tick()
    assert campaigns.enrollment(person)["next_step_at"] == campaigns.now + timedelta(days=1, hours=2, minutes=3)


def test_c4_the_workers_own_delay_pushes_no_calendar_along(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(step("wait", 1), email(2, delay_hours=1))
    person = campaigns.enroll(campaign)
    campaigns.wait(seconds=59)
    campaigns.tick()
    assert campaigns.enrollment(person)["next_step_at"] == BEGIN + HOUR


def test_c5_a_true_condition_skips_the_step_with_its_reason(campaigns: CampaignHarness) -> None:
    by_contact = {"field": "contact.title", "operator": "contains", "value": "Engineer"}
    by_enrollment = {"field": "emails_sent", "operator": "gte", "value": 1}
    campaign = campaigns.campaign(email(1, skip_conditions=[by_contact]), email(2, skip_conditions=[by_enrollment]))
    engineer = campaigns.enroll(campaign, campaigns.contact(title="Chief Engineer"))
    other = campaigns.enroll(campaign, campaigns.contact(title="Painter"))
    campaigns.tick()
    for person, statuses in ((engineer, ["skipped", "sent"]), (other, ["sent", "skipped"])):
        lines = campaigns.lines(person)
        assert [status for _, status, _ in lines] == statuses
        assert all(reason for _, status, reason in lines if status == "skipped")


def test_c6_the_chosen_variant_is_what_is_sent_and_stays_the_persons(campaigns: CampaignHarness) -> None:
    variants = [
        {"id": name, "weight": 1, "subject": f"Variant {name}", "body_html": f"<p>Body {name}</p>"}
        for name in ("a", "b")
    ]
    campaigns.limit(None)
    campaign = campaigns.campaign(email(1, ab_variants=variants))
    people = campaigns.enroll_many(campaign, 60)
    campaigns.tick()
    rows = rows_of(
        campaigns.db,
        """select line.ab_variant, enrollment.ab_variant as latest, mail.ab_variant as sent, mail.subject
           from campaign_sequence_logs line
           join campaign_enrollments enrollment on enrollment.id = line.enrollment_id
           join email_sends mail on mail.enrollment_id = line.enrollment_id""",
    )
    assert len(rows) == len(people)
    assert all(row["ab_variant"] == row["latest"] == row["sent"] for row in rows)
    assert all(row["subject"] == f"Variant {row['ab_variant']}" for row in rows)
    assert {row["ab_variant"] for row in rows} == {"a", "b"}
    assert all(
        mail.payload["subject"][-1] in mail.payload["html"].partition("Body ")[2][:1] for mail in campaigns.sim.mails
    )


def test_c6_a_winner_gets_whoever_comes_later(campaigns: CampaignHarness) -> None:
    variants = [{"id": name, "weight": 1, "subject": f"Variant {name}"} for name in ("a", "b")]
    campaign = campaigns.campaign(email(1, ab_variants=variants, ab_winner="b"))
    campaigns.enroll_many(campaign, 10)
    campaigns.tick()
    assert {mail.payload["subject"] for mail in campaigns.sim.mails} == {"Variant b"}


def test_c7_values_are_escaped_and_empty_ones_give_way_to_their_default(campaigns: CampaignHarness) -> None:
    body = "<p>{{contact.first_name|friend}} of {{contact.company}}</p>"
    campaign = campaigns.campaign(email(1, body_html=body))
    campaigns.enroll(campaign, campaigns.contact("a@example.com", first_name="", company_name="Böck & Söhne <b>"))
    campaigns.tick()
    (mail,) = campaigns.sim.mails
    assert "friend of Böck &amp; Söhne &lt;b&gt;" in mail.payload["html"]
    assert "friend of Böck & Söhne <b>" in mail.payload["text"]


def test_c7_a_variable_that_nobody_knows_holds_its_campaign_and_no_other(campaigns: CampaignHarness) -> None:
    broken = campaigns.campaign(email(1, body_html="<p>{{contact.shoe_size}}</p>"), name="broken")
    sound = campaigns.campaign(email(1))
    victims, others = [campaigns.enroll(broken) for _ in range(2)], [campaigns.enroll(sound) for _ in range(2)]
    assert campaigns.tick().errors == 0
    assert [campaigns.lines(person) for person in others] == [[(1, "sent", None)]] * 2
    for person in victims:
        row = campaigns.enrollment(person)
        assert (row["status"], row["error_count"], row["held_for"]) == ("active", 0, "content")
        assert row["next_step_at"] > campaigns.now
        assert campaigns.lines(person) == []


def test_c9_three_errors_pause_the_enrollment(campaigns: CampaignHarness) -> None:
    # Somebody without a company would get an empty mail.
    campaign = campaigns.campaign(email(1, body_html=None, body_text="{{contact.company}}"))
    person = campaigns.enroll(campaign)
    for _ in range(4):
        campaigns.tick()
        campaigns.wait(minutes=15)
    row = campaigns.enrollment(person)
    assert (row["status"], row["error_count"], row["next_step_at"]) == ("paused", 3, None)
    assert campaigns.totals(campaign) == (0, 0, 0)


def test_c9_one_invalid_address_fails_alone(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(1), email(2, delay_days=1))
    good = [campaigns.enroll(campaign) for _ in range(3)]
    bad = campaigns.enroll(campaign, campaigns.contact("nobody@-invalid-.example.com,"))
    campaigns.tick()
    assert all(campaigns.lines(person) == [(1, "sent", None)] for person in good)
    assert campaigns.enrollment(bad)["error_count"] == 1


def test_c11_a_line_says_when_it_was_due_and_when_it_was_sent(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(1))
    person = campaigns.enroll(campaign)
    campaigns.wait(seconds=40)
    campaigns.tick()
    row = one(campaigns.db, "select * from campaign_sequence_logs")
    assert (row["enrollment_id"], row["scheduled_at"], row["sent_at"]) == (person, BEGIN, campaigns.now)
    assert campaigns.enrollment(person)["last_step_at"] == campaigns.now


def test_c12_an_organization_sends_a_hundred_a_minute_and_holds_up_nobody(campaigns: CampaignHarness) -> None:
    crowded = campaigns.campaign(email(1), name="crowded")
    campaigns.enroll_many(crowded, 150)
    tasks = campaigns.campaign(step("task", 1), name="tasks")
    campaigns.enroll_many(tasks, 120)
    org = campaigns.organization(emails_per_minute=5)
    small = campaigns.campaign(email(1), org=org, name="small")
    campaigns.enroll_many(small, 8)
    report = campaigns.tick()
    assert dict(report.acts) == {"email": 105, "work": 120}
    assert campaigns.tick().claimed == 0
    campaigns.wait(seconds=61)
    assert dict(campaigns.tick().acts) == {"email": 53}


def test_campaigns_and_organizations_take_turns(campaigns: CampaignHarness) -> None:
    campaigns.limit(None)
    org = campaigns.organization(emails_per_minute=None)
    large = campaigns.campaign(email(1), name="large")
    campaigns.enroll_many(large, 400)
    campaigns.wait(seconds=1)
    late = campaigns.campaign(email(1), org=org, name="late")
    campaigns.enroll_many(late, 20)
    # One batch and no more.
    campaigns.tick(seconds=25.5)
    assert one(campaigns.db, "select count(*) as n from email_sends where campaign_id = :id", id=late)["n"] == 20


def test_nobody_gets_more_than_the_cap_over_all_campaigns(campaigns: CampaignHarness) -> None:
    campaigns.limit(100, cap=(1, 7))
    one_of_two, other = campaigns.campaign(email(1), name="one"), campaigns.campaign(email(1), name="two")
    contact = campaigns.contact("a@example.com")
    both = [campaigns.enroll(one_of_two, contact), campaigns.enroll(other, contact)]
    campaigns.tick()
    assert campaigns.sim.sends["a@example.com"] == 1
    (held,) = [row for row in map(campaigns.enrollment, both) if row["held_for"]]
    assert held["held_for"] == "frequency_cap"
    assert held["next_step_at"] == BEGIN + timedelta(days=7)
    campaigns.wait(days=7)
    campaigns.tick()
    assert campaigns.sim.sends["a@example.com"] == 2


def test_two_ticks_at_once_never_send_twice(campaigns: CampaignHarness) -> None:
    campaigns.limit(None)
    campaign = campaigns.campaign(email(1), step("linkedin", 2), email(3))
    campaigns.enroll_many(campaign, 130)
    failures: list[BaseException] = []

    def work() -> None:
        database = Database(campaigns.url)
        try:
            campaigns.tick(db=database)
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)
        finally:
            database.close()

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == []
    assert set(campaigns.sim.sends.values()) == {2}
    assert len(campaigns.sim.sends) == 130
    assert len(rows_of(campaigns.db, "select * from activities")) == 130
    assert campaigns.totals(campaign) == (0, 130, 260)


def test_a_batch_of_a_hundred_costs_few_statements_and_one_request(campaigns: CampaignHarness) -> None:
    campaigns.limit(None)
    campaign = campaigns.campaign(email(1))
    with CountingProxy(campaigns.url) as proxy:
        database = Database(proxy.url)
        campaigns.tick(db=database)
        proxy.forget()
        campaigns.tick(db=database)
        idle = len(proxy.queries)
        campaigns.enroll_many(campaign, 300)
        proxy.forget()
        report = campaigns.tick(db=database)
        database.close()
    assert report.mail.sent == 300
    assert campaigns.sim.requests["POST /emails/batch"] == 3
    assert (len(proxy.queries) - idle) / 3 <= 12


def test_on_staging_only_the_allow_list_is_written_to(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(1))
    listed = campaigns.enroll(campaign, campaigns.contact("me@staging.example"))
    other = campaigns.enroll(campaign)
    campaigns.policy = SendPolicy(Mode.ALLOW_LIST, frozenset({"@staging.example"}))
    campaigns.tick()
    assert campaigns.lines(listed) == [(1, "sent", None)]
    assert (campaigns.lines(other), campaigns.enrollment(other)["current_step"]) == ([], 0)
    assert set(campaigns.sim.sends) == {"me@staging.example"}


def test_a_campaign_without_sender_or_postal_address_waits_and_loses_nobody(campaigns: CampaignHarness) -> None:
    rows_of(campaigns.db, "update organizations set postal_address = null")
    campaign = campaigns.campaign(email(1))
    person = campaigns.enroll(campaign)
    campaigns.tick()
    row = campaigns.enrollment(person)
    assert (row["held_for"], row["error_count"], row["status"]) == ("no_postal_address", 0, "active")
    rows_of(campaigns.db, "update organizations set postal_address = '1 Example Street'")
    campaigns.wait(minutes=15)
    campaigns.tick()
    assert campaigns.lines(person) == [(1, "sent", None)]


def test_a_paused_sender_holds_its_mail(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(1))
    person = campaigns.enroll(campaign)
    rows_of(campaigns.db, "update email_identities set paused_at = now()")
    campaigns.tick()
    assert campaigns.enrollment(person)["held_for"] == "sender_paused"
    assert campaigns.sim.mails == []


def test_a_campaign_that_cannot_be_read_holds_up_no_other(campaigns: CampaignHarness) -> None:
    unreadable = campaigns.campaign(email(1), timezone="Not/AZone", name="unreadable")
    victim = campaigns.enroll(unreadable)
    person = campaigns.enroll(campaigns.campaign(email(1)))
    for _ in range(4):
        assert campaigns.tick().errors == 0
        campaigns.wait(minutes=15)
    assert campaigns.lines(person) == [(1, "sent", None)]
    held = campaigns.enrollment(victim)
    assert (held["status"], held["held_for"], held["error_count"]) == ("active", "campaign_unreadable", 0)
    rows_of(campaigns.db, "update campaigns set timezone = 'Europe/Paris', send_window_end = '23:00'")
    campaigns.tick()
    assert campaigns.lines(victim) == [(1, "sent", None)]


def test_a_row_that_the_database_refuses_is_found_and_waits_alone(
    campaigns: CampaignHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = campaigns.campaign(email(1))
    people = [campaigns.enroll(campaign) for _ in range(15)]
    composed = compose

    def poison(letter, identity, public_url, link_keys):  # type: ignore[no-untyped-def]
        mail = composed(letter, identity, public_url, link_keys)
        if letter.entity_id == people[7]:
            mail.payload["headers"]["X-Poison"] = "\0"
        return mail

    monkeypatch.setattr(make_steps, "compose", poison)
    report = campaigns.tick()
    assert report.errors == 1
    assert report.mail.sent == 14
    sql = "select kind, subject, details ->> 'campaign' as campaign from incidents where closed_at is null"
    assert [tuple(row.values()) for row in rows_of(campaigns.db, sql)] == [
        ("step_refused", str(people[7]), str(campaign))
    ]
    assert campaigns.tick().claimed == 0
    monkeypatch.setattr(make_steps, "compose", composed)
    assert campaigns.tick().mail.sent == 1
    assert rows_of(campaigns.db, sql) == []


def test_a_step_of_long_ago_is_done_skipped_or_dropped_as_the_campaign_says(campaigns: CampaignHarness) -> None:
    late = campaigns.now - timedelta(minutes=90)
    policies = {"send": "sent", "skip": "skipped", "send_within": "skipped"}
    people = {
        policy: campaigns.enroll(campaigns.campaign(email(1), late_policy=policy, name=policy), due=late)
        for policy in policies
    }
    campaigns.tick()
    assert {policy: campaigns.lines(person)[0][1] for policy, person in people.items()} == policies


def test_a_step_with_zero_delays_is_reached_in_the_same_run(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(*(step("task", number) for number in range(1, 8)))
    person = campaigns.enroll(campaign)
    assert campaigns.tick().acts["work"] == 7
    assert campaigns.enrollment(person)["status"] == "completed"


def test_a_contact_that_was_deleted_ends_its_sequence(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(1))
    contact = campaigns.contact()
    person = campaigns.enroll(campaign, contact)
    rows_of(campaigns.db, "update contacts set deleted_at = now() where id = :id", id=contact)
    campaigns.tick()
    assert campaigns.enrollment(person)["status"] == "stopped"
    assert campaigns.lines(person) == [(1, "stopped", "contact_deleted")]


def test_what_a_step_reached_stays_accounted_for_when_people_are_deleted(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(1), email(2, delay_days=1))
    for _ in range(3):
        campaigns.enroll(campaign)
    campaigns.tick()
    rows_of(campaigns.db, "delete from contacts where email = 'person1@example.com'")
    assert len(campaigns.lines()) == 2
    assert campaigns.totals(campaign) == (2, 0, 3)


def test_the_claim_reads_whoever_is_due_by_the_index(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(1))
    rows_of(
        campaigns.db,
        """with person as (
               insert into contacts (email) select 'p' || n || '@example.com' from generate_series(1, 20000) n
               returning id
           )
           insert into campaign_enrollments (org_id, campaign_id, contact_id, next_step_at)
           select default_org_id(), :campaign, id, cast(:now as timestamptz) + interval '1 day' * random()
           from person""",
        campaign=campaign,
        now=campaigns.now,
    )
    rows_of(campaigns.db, "analyze")
    text = store._SQL["claim_due"].render(
        {"now": campaigns.now, "limit": 100, "with_mail": True, "campaigns": None, "people": None, "allowed": None}
    )
    explain = Query("explain", "shows how it is found", (f"explain {text}",))
    plan = "\n".join(row["QUERY PLAN"] for row in campaigns.db.run(explain))
    assert "idx_campaign_enrollments_due" in plan
    assert "Seq Scan on campaign_enrollments" not in plan
