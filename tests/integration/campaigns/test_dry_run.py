"""In dry-run nobody leaves their place; once mail may leave, each person gets it exactly once."""

from datetime import timedelta
from uuid import UUID

import pytest

from crm_relay.campaigns.engine.run_due_steps import EngineContext, run_due_steps
from crm_relay.campaigns.lifecycle.funnels import show_campaign
from crm_relay.campaigns.preview.look_ahead import look_ahead
from crm_relay.campaigns.why import enrollments_of
from crm_relay.consent.models import ConsentChannel, ConsentEvent, ConsentKind
from crm_relay.consent.person import Person
from crm_relay.consent.record import record_events
from crm_relay.mail.models import Mode, SendPolicy
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database
from crm_relay.providers.resend.client import Resend
from local.simulators.twilio import TwilioSimulator
from tests.support.campaigns.campaign_harness import ALWAYS, LIVE, PUBLIC_URL, CampaignHarness, email, step
from tests.support.campaigns.campaign_steps import NamedDatabase, NamedHttp, Seen
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.platform.rows import one, rows_of
from tests.support.processes.sudden_death import Killed, Life

DRY = SendPolicy()
VARIANTS = [{"id": "a"}, {"id": "b", "subject": "Other"}]


def requests(campaigns: CampaignHarness) -> int:
    return campaigns.sim.requests["POST /emails/batch"]


def mails(campaigns: CampaignHarness) -> list[int]:
    """How many mails each person got."""
    return sorted(campaigns.sim.sends.values())


def statements(campaigns: CampaignHarness) -> int:
    with CountingProxy(campaigns.url) as proxy:
        database = Database(proxy.url)
        campaigns.tick(db=database)
        proxy.forget()
        campaigns.tick(db=database)
        database.close()
        return len(proxy.queries)


@pytest.mark.parametrize(
    "first", [email(1, ab_variants=VARIANTS), step("task", 1), step("wait", 1)], ids=lambda first: first["channel"]
)
def test_days_of_dry_run_move_nobody_and_leave_no_trace(campaigns: CampaignHarness, first: dict[str, object]) -> None:
    campaigns.policy = DRY
    campaign = campaigns.campaign(first, email(2, delay_days=1))
    person = campaigns.enroll(campaign)
    before = campaigns.enrollment(person)
    for _ in range(4):
        report = campaigns.tick()
        assert (report.kept, report.claimed, report.is_finished) == (1, 0, True)
        campaigns.wait(hours=20)
    assert campaigns.enrollment(person) == before
    for table in ("campaign_sequence_logs", "activities", "email_sends", "email_batches"):
        assert rows_of(campaigns.db, f"select * from {table}") == [], table
    assert one(campaigns.db, "select sum(reached)::integer as n from campaign_sequences")["n"] == 0
    assert (requests(campaigns), campaigns.totals(campaign)) == (0, (1, 0, 0))


def test_a_tick_costs_the_same_statements_however_many_are_due(campaigns: CampaignHarness) -> None:
    campaigns.limit(None)
    campaigns.policy = DRY
    campaign = campaigns.campaign(email(1))
    idle = statements(campaigns)
    campaigns.enroll_many(campaign, 250)
    many = statements(campaigns)
    campaigns.policy = SendPolicy(Mode.ALLOW_LIST, frozenset({"@nobody.example"}))
    kept = statements(campaigns)
    assert idle == many
    assert kept <= many + 4
    campaigns.policy = LIVE
    campaigns.tick()
    assert mails(campaigns) == [1] * 250


@pytest.mark.parametrize("policy", ["skip", "send_within", "send"])
def test_nobody_is_late_for_the_time_of_a_dry_run(campaigns: CampaignHarness, policy: str) -> None:
    campaign = campaigns.campaign(email(1), late_policy=policy, late_minutes=10, **ALWAYS)
    fresh = campaigns.enroll(campaign)
    campaigns.policy = DRY
    campaigns.tick()
    campaigns.wait(days=3)
    campaigns.tick()
    foreseen = look_ahead(campaigns.db, campaign, campaigns.now)
    assert (foreseen.actions, foreseen.mail_mode.mode) == ({"email": 1}, "dry-run")
    campaigns.wait(minutes=1)
    campaigns.policy = LIVE
    campaigns.tick()
    assert campaigns.lines(fresh) == [(1, "sent", None)]


def test_lateness_counts_on_once_mail_leaves_again(campaigns: CampaignHarness) -> None:
    campaigns.policy = DRY
    campaign = campaigns.campaign(email(1), late_policy="skip", **ALWAYS)
    person = campaigns.enroll(campaign)
    campaigns.tick()
    campaigns.wait(days=1)
    campaigns.policy = LIVE
    rows_of(campaigns.db, "update campaigns set status = 'paused'")
    campaigns.tick()
    campaigns.wait(hours=1)
    rows_of(campaigns.db, "update campaigns set status = 'active'")
    campaigns.tick()
    assert campaigns.lines(person) == [(1, "skipped", "late")]


def test_mail_that_a_slow_run_of_the_former_mode_held_is_not_late(campaigns: CampaignHarness) -> None:
    person = campaigns.enroll(campaigns.campaign(email(1), late_policy="skip", **ALWAYS))
    campaigns.sim.fault("429")
    campaigns.tick()
    # As a run in dry-run writes it that ends behind the first live one, whose release it has missed.
    until = campaigns.now + timedelta(hours=1)
    rows_of(campaigns.db, "update email_sends set held_for = 'dry_run', held_until = :until returning 1", until=until)
    rows_of(campaigns.db, "update email_batches set not_before = :until returning 1", until=until)
    campaigns.wait(hours=1, minutes=1)
    campaigns.tick()
    assert (campaigns.lines(person), mails(campaigns)) == ([(1, "sent", None)], [1])


@pytest.mark.parametrize("fault", ["429", "500_before", "500_after"])
@pytest.mark.parametrize("policy", ["skip", "send"])
def test_mail_that_waits_when_the_mode_turns_waits_on_and_leaves_once(
    campaigns: CampaignHarness, fault: str, policy: str
) -> None:
    people = [campaigns.enroll(campaigns.campaign(email(1), late_policy=policy, **ALWAYS)) for _ in range(3)]
    campaigns.sim.fault(fault)
    campaigns.tick()
    asked = requests(campaigns)
    campaigns.policy = DRY
    for _ in range(3):
        campaigns.wait(hours=2)
        campaigns.tick()
    assert requests(campaigns) == asked
    assert {status for _, status, _ in campaigns.lines()} == {"pending"}
    campaigns.policy = LIVE
    for _ in range(3):
        campaigns.tick()
        campaigns.wait(minutes=20)
    assert mails(campaigns) == [1, 1, 1]
    assert [campaigns.lines(person) for person in people] == [[(1, "sent", None)]] * 3


def test_an_unclear_mail_of_a_long_dry_run_is_parked_and_not_repeated(campaigns: CampaignHarness) -> None:
    campaigns.enroll(campaigns.campaign(email(1), **ALWAYS))
    campaigns.sim.fault("500_after")
    campaigns.tick()
    campaigns.policy = DRY
    campaigns.wait(hours=2)
    campaigns.tick()
    asked = requests(campaigns)
    campaigns.wait(hours=30)
    campaigns.tick()
    campaigns.policy = LIVE
    campaigns.wait(minutes=20)
    campaigns.tick()
    assert (requests(campaigns), mails(campaigns)) == (asked, [1])


def test_who_is_on_the_list_goes_on_and_everybody_else_keeps_their_place(campaigns: CampaignHarness) -> None:
    campaigns.limit(None)
    campaign = campaigns.campaign(email(1), email(2, delay_hours=1), late_policy="skip", **ALWAYS)
    others = campaigns.enroll_many(campaign, 230)
    campaigns.wait(minutes=1)
    named = campaigns.enroll(campaign, campaigns.contact("Me@Staging.example"))
    domain = campaigns.enroll(campaign, campaigns.contact("you@sub.example"))
    campaigns.policy = SendPolicy(Mode.ALLOW_LIST, frozenset({"me@staging.example", "@sub.example", "@example.co"}))
    report = campaigns.tick()
    assert (report.kept, report.acts.total(), report.is_finished) == (230, 2, True)
    campaigns.wait(hours=1)
    campaigns.tick()
    assert campaigns.lines(named) == campaigns.lines(domain) == [(1, "sent", None), (2, "sent", None)]
    assert len(campaigns.lines()) == 4
    campaigns.wait(days=1)
    campaigns.policy = LIVE
    campaigns.tick()
    assert {tuple(campaigns.lines(each)) for each in others} == {((1, "sent", None),)}
    assert mails(campaigns) == [1] * 230 + [2, 2]


def test_a_new_list_lets_those_go_on_whose_mail_the_former_one_held(campaigns: CampaignHarness) -> None:
    person = campaigns.enroll(campaigns.campaign(email(1), late_policy="skip", **ALWAYS))
    campaigns.sim.fault("429")
    campaigns.tick()
    for listed in ("@elsewhere.example", "@example.com"):
        campaigns.wait(hours=3)
        campaigns.policy = SendPolicy(Mode.ALLOW_LIST, frozenset({listed}))
        campaigns.tick()
    assert (campaigns.lines(person), mails(campaigns)) == ([(1, "sent", None)], [1])


def test_texts_that_wait_when_the_mode_turns_are_held_together_and_leave_once(
    campaigns: CampaignHarness, twilio: TwilioSimulator
) -> None:
    campaign = campaigns.campaign(step("sms", 1, body_text="Hello"), late_policy="skip", **ALWAYS)
    for number in range(40):
        campaigns.enroll(campaign, campaigns.contact(phone=f"+1555010{number:04}"))
    twilio.fault("429")
    campaigns.tick()
    campaigns.policy = DRY
    campaigns.wait(minutes=10)
    assert statements(campaigns) <= 40
    assert {row["held_for"] for row in rows_of(campaigns.db, "select held_for from sms_sends")} == {"dry_run"}
    assert twilio.texts == []
    campaigns.wait(days=2)
    campaigns.policy = LIVE
    campaigns.tick()
    assert len({text.to for text in twilio.texts}) == len(twilio.texts) == 40


def test_opt_outs_of_the_time_of_a_dry_run_count_when_mail_leaves(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(1), **ALWAYS)
    queued, fresh = campaigns.enroll(campaign), campaigns.enroll(campaign)
    campaigns.sim.fault("429")
    campaigns.tick()
    late = campaigns.enroll(campaign)
    campaigns.policy = DRY
    campaigns.wait(minutes=30)
    campaigns.tick()
    for number in (1, 3):
        address = f"person{number}@example.com"
        event = ConsentEvent(
            ConsentKind.OPT_OUT, address, "test", campaigns.now, ConsentChannel.EMAIL, address, org_id=campaigns.org
        )
        campaigns.db.transact(lambda tx, event=event: record_events(tx, [event]))  # type: ignore[misc]
    campaigns.policy = LIVE
    campaigns.wait(minutes=1)
    campaigns.tick()
    assert campaigns.lines(queued) == campaigns.lines(late) == [(1, "stopped", "opt_out")]
    assert (campaigns.lines(fresh), len(campaigns.sim.sends)) == ([(1, "sent", None)], 1)


def test_show_and_why_say_what_keeps_people(campaigns: CampaignHarness) -> None:
    campaigns.policy = DRY
    campaign = campaigns.campaign(email(1), **ALWAYS)
    campaigns.enroll(campaign)
    campaigns.wait(minutes=1)
    campaigns.tick()
    shown = show_campaign(campaigns.db, campaign, campaigns.now)
    assert [(each.channel, each.held_for, each.number) for each in shown.waiting] == [("step", "dry_run", 1)]
    person = Person(frozenset({"person1@example.com"}))
    assert [row["held_for"] for row in enrollments_of(campaigns.db, person, campaigns.now).enrolled] == ["dry_run"]
    campaigns.policy = LIVE
    campaigns.tick()
    assert show_campaign(campaigns.db, campaign, campaigns.now).waiting == []


def live_run(campaigns: CampaignHarness, life: Life) -> None:
    http = NamedHttp(campaigns.sim.url, timeout=(2, 10), repeats=0, life=life, seen=Seen())
    engine = EngineContext(Resend(http, campaigns.sim.sending_key), LIVE, PUBLIC_URL)
    database = NamedDatabase(campaigns.url, life, Seen())
    try:
        run_due_steps(database, engine, campaigns.clock, Deadline.after(600))
    except Killed:
        pass
    finally:
        database.close()


@pytest.mark.parametrize("last", range(1, 34, 2))
def test_a_first_live_run_that_dies_anywhere_sends_to_each_once(campaigns: CampaignHarness, last: int) -> None:
    campaign = campaigns.campaign(email(1), late_policy="skip", **ALWAYS)
    held: UUID = campaigns.enroll(campaign)
    campaigns.sim.fault("429")
    campaigns.tick()
    campaigns.enroll(campaign)
    campaigns.policy = DRY
    for _ in range(2):
        campaigns.wait(hours=5)
        campaigns.tick()
    live_run(campaigns, Life(last=last))
    campaigns.policy = LIVE
    for _ in range(3):
        campaigns.time[0] += timedelta(minutes=1)
        campaigns.tick()
    assert (mails(campaigns), campaigns.lines(held)) == ([1, 1], [(1, "sent", None)])
    assert [status for _, status, _ in campaigns.lines()] == ["sent", "sent"]
