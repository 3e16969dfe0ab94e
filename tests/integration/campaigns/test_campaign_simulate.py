"""What the look ahead says is what the engine then does: the same calendar for every recipient, and the same load."""

import random
from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from crm_relay.campaigns.lifecycle.change_campaign import activate, create, pause, resume
from crm_relay.campaigns.lifecycle.enroll import enroll
from crm_relay.campaigns.models import Capabilities
from crm_relay.campaigns.preview.look_ahead import Forecast, look_ahead
from crm_relay.campaigns.preview.store import read_only
from crm_relay.mail.models import Mode
from crm_relay.platform.database import Transaction
from crm_relay.platform.errors import FatalError, RejectedInput
from crm_relay.platform.sql import Query
from crm_relay.providers.answers import Taken
from tests.support.campaigns.campaign_files import file, mail
from tests.support.campaigns.campaign_harness import BEGIN, CampaignHarness
from tests.support.platform.rows import one, rows_of

Line = tuple[UUID, int, datetime, str, str | None, str | None]

SEQUENCE = [
    mail(delay={"minutes": 10}, variants=[{"id": "a"}, {"id": "b", "subject": "Other", "weight": 2}]),
    {"channel": "linkedin", "delay": {"hours": 5}},
    mail(
        delay={"hours": 20},
        skip_conditions=[{"field": "contact.title", "operator": "eq", "value": "CEO"}],
    ),
    {"channel": "sms", "delay": {"hours": 1}, "body_text": "Hello {{contact.first_name}}"},
    {"channel": "wait", "delay": {"days": 1}},
    mail(skip_conditions=[{"field": "emails_sent", "operator": "gte", "value": 2}]),
    {"channel": "phone", "delay": {"minutes": 30}, "active": False},
    mail(delay={"days": 2, "hours": 3}),
    {"channel": "task", "task": {"title": "Look back"}},
]
ZONES = [None, "Asia/Tokyo", "Europe/Lisbon", "Pacific/Auckland", "Nowhere/Land", "America/Los_Angeles"]


class TakesEveryText:
    """A provider of text messages that never says no."""

    name = "twilio"

    def __init__(self) -> None:
        self.sent = 0

    def send(self, to: str, body: str) -> Taken:
        self.sent += 1
        return Taken(f"SM{self.sent}", "queued")

    def find(self, to: str, body: str, since: datetime, known: Collection[str] = ()) -> None:
        return None


def foretold(forecast: Forecast) -> list[Line]:
    status = {"skip": "skipped", "stop": "stopped"}
    return sorted(
        (entry.enrollment_id, entry.step, entry.at, status.get(entry.action, "sent"), entry.reason, entry.variant)
        for entry in forecast.calendar
    )


def done(harness: CampaignHarness, campaign: UUID) -> list[Line]:
    rows = rows_of(
        harness.db,
        """select enrollment_id, step_number, created_at, status, reason, ab_variant from campaign_sequence_logs
           where campaign_id = :id order by enrollment_id, step_number""",
        id=campaign,
    )
    return [tuple(row.values()) for row in rows]


def live_through(harness: CampaignHarness, until: datetime) -> None:
    """Every minute at which something is due, as the schedule would; nothing happens at the others."""
    while True:
        due = one(
            harness.db,
            """select min(next_step_at) as at from campaign_enrollments enrollment
               join campaigns owner on owner.id = enrollment.campaign_id
               where enrollment.status in ('active', 'engaged') and owner.status = 'active'""",
        )["at"]
        if due is None:
            return
        minutes = -((harness.now - due) // timedelta(minutes=1))
        at = harness.now + timedelta(minutes=max(minutes, 0))
        if at >= until:
            return
        harness.time[0] = at
        harness.tick()
        harness.wait(minutes=1)


def people(harness: CampaignHarness, number: int, chance: random.Random) -> list[UUID]:
    return [
        harness.contact(
            timezone=chance.choice(ZONES),
            title=chance.choice(["CEO", "CTO", None]),
            phone=chance.choice([None, "+14155550100", "nonsense"]),
        )
        for _ in range(number)
    ]


@pytest.mark.parametrize("texts", [True, False])
def test_the_calendar_foretold_is_the_one_that_comes(campaigns: CampaignHarness, texts: bool) -> None:
    harness, chance = campaigns, random.Random(7)
    harness.texts = TakesEveryText() if texts else None
    given = file(*SEQUENCE, use_recipient_timezone=True, topic="news")
    campaign = create(harness.db, given, harness.now).id
    contacts = people(harness, 24, chance)
    enroll(harness.db, campaign, harness.now, contacts=contacts)
    harness.suppress("person3@example.com", "opt_out")
    rows_of(harness.db, "update contacts set deleted_at = now() where id = :id", id=contacts[5])
    draft = look_ahead(harness.db, campaign, harness.now, send_mode=Mode.LIVE, can=Capabilities(texts))
    activate(harness.db, campaign, harness.now)

    forecast = look_ahead(harness.db, campaign, harness.now, send_mode=Mode.LIVE, can=Capabilities(texts))
    live_through(harness, forecast.until)

    assert foretold(draft) == foretold(forecast)
    assert done(harness, campaign) == foretold(forecast)
    ends = rows_of(harness.db, "select status, count(*)::integer as n from campaign_enrollments group by status")
    assert {row["status"]: row["n"] for row in ends} == forecast.ends
    assert {line[3] for line in foretold(forecast)} == {"sent", "skipped", "stopped"}
    assert len(harness.sim.mails) == forecast.actions["email"] == sum(day.emails for day in forecast.days)


def test_a_look_in_the_middle_foretells_the_rest(campaigns: CampaignHarness) -> None:
    """What was sent before counts towards the cap."""
    harness = campaigns
    harness.limit(None, cap=(2, 5))
    campaign = create(harness.db, file(*SEQUENCE), harness.now).id
    enroll(harness.db, campaign, harness.now, contacts=people(harness, 8, random.Random(3)))
    activate(harness.db, campaign, harness.now)
    live_through(harness, harness.now + timedelta(days=2))
    before = done(harness, campaign)

    forecast = look_ahead(harness.db, campaign, harness.now, send_mode=Mode.LIVE)
    live_through(harness, forecast.until)

    assert before
    assert forecast.held["frequency_cap"] > 0
    assert sorted([*before, *foretold(forecast)]) == done(harness, campaign)


def test_limits_and_caps_push_the_same_people_to_the_same_minutes(campaigns: CampaignHarness) -> None:
    """Due one after the other, so that the limit's order is no matter of chance."""
    harness = campaigns
    harness.limit(3, cap=(2, 7))
    campaign = create(harness.db, file(mail(), mail(delay={"hours": 6}), mail(delay={"days": 1})), harness.now).id
    activate(harness.db, campaign, harness.now)
    for second in range(10):
        enroll(harness.db, campaign, harness.now + timedelta(seconds=second), contacts=[harness.contact()])
    harness.wait(minutes=1)

    forecast = look_ahead(harness.db, campaign, harness.now, send_mode=Mode.LIVE)
    live_through(harness, forecast.until)

    assert done(harness, campaign) == foretold(forecast)
    assert forecast.held == {"frequency_cap": 10}
    assert max(Counter(entry.at for entry in forecast.calendar).values()) == 3


def test_of_those_who_are_due_at_once_as_many_go_in_each_minute_as_foretold(campaigns: CampaignHarness) -> None:
    harness = campaigns
    harness.limit(20)
    campaign = create(harness.db, file(mail(), mail(delay={"minutes": 1}), TASK), harness.now).id
    activate(harness.db, campaign, harness.now)
    enroll(harness.db, campaign, harness.now, contacts=[harness.contact() for _ in range(70)])

    forecast = look_ahead(harness.db, campaign, harness.now, send_mode=Mode.LIVE)
    live_through(harness, forecast.until)

    def load(lines: list[Line]) -> Counter[Any]:
        return Counter((at, step) for _, step, at, *_ in lines)

    assert load(done(harness, campaign)) == load(foretold(forecast))


TASK = {"channel": "task", "task": {"title": "Ring"}}


@pytest.mark.parametrize("policy", ["send", "skip", "send_within"])
@pytest.mark.parametrize("hours", [1, 13, 26])
def test_a_paused_campaign_is_foretold_as_if_it_were_resumed(
    campaigns: CampaignHarness, policy: str, hours: int
) -> None:
    harness = campaigns
    campaign = create(
        harness.db, file(mail(), mail(delay={"hours": 3}), late_policy=policy, late_minutes=90), harness.now
    ).id
    enroll(harness.db, campaign, harness.now, contacts=[harness.contact() for _ in range(3)])
    activate(harness.db, campaign, harness.now)
    pause(harness.db, campaign, harness.now)
    harness.wait(hours=hours)
    enroll(harness.db, campaign, harness.now, contacts=[harness.contact()])

    forecast = look_ahead(harness.db, campaign, harness.now, send_mode=Mode.LIVE)
    resume(harness.db, campaign, harness.now)
    live_through(harness, forecast.until)

    assert (forecast.status, done(harness, campaign)) == ("paused", foretold(forecast))


def test_a_look_changes_nothing_and_could_not(campaigns: CampaignHarness) -> None:
    harness = campaigns
    campaign = create(harness.db, file(*SEQUENCE), harness.now).id
    enroll(harness.db, campaign, harness.now, contacts=people(harness, 5, random.Random(1)))
    tables = (
        "campaigns",
        "campaign_enrollments",
        "campaign_sequence_logs",
        "email_sends",
        "activities",
        "entity_history",
    )

    def everything() -> list[Any]:
        return [
            rows_of(harness.db, f"select md5(string_agg(t::text, '' order by t::text)) from {name} t")
            for name in tables
        ]

    before, said = everything(), []
    send = harness.db._send
    harness.db._send = lambda sql, **more: said.append(sql) or send(sql, **more)  # type: ignore[func-returns-value,method-assign]
    assert look_ahead(harness.db, campaign, harness.now, send_mode=Mode.LIVE).calendar
    harness.db._send = send  # type: ignore[method-assign]
    assert everything() == before
    assert said[0] == "begin; set transaction isolation level repeatable read, read only"
    assert said[-1] == "commit"

    def write(tx: Transaction) -> None:
        read_only(tx)
        tx.run(Query.parse("ad_hoc", "a test tries", "update campaigns set name = 'x'"))

    with pytest.raises(FatalError, match="25006"):
        harness.db.transact(write)


def test_one_recipient_is_shown_alone_among_all_who_are_counted(campaigns: CampaignHarness) -> None:
    harness = campaigns
    campaign = create(harness.db, file(), harness.now).id
    contacts = [harness.contact() for _ in range(3)]
    enroll(harness.db, campaign, harness.now, contacts=contacts)

    forecast = look_ahead(harness.db, campaign, harness.now, send_mode=Mode.LIVE, recipients=contacts[:1])

    assert [entry.contact_id for entry in forecast.calendar] == contacts[:1]
    assert (forecast.recipients, forecast.actions, forecast.hours[0].emails) == (3, {"email": 3}, 3)


def test_what_keeps_mails_from_leaving_is_told_and_the_calendar_shown_all_the_same(campaigns: CampaignHarness) -> None:
    harness = campaigns
    campaign = create(harness.db, file(), harness.now).id
    enroll(harness.db, campaign, harness.now, contacts=[harness.contact()])
    rows_of(harness.db, "update email_identities set paused_at = now()")
    rows_of(harness.db, "update organizations set postal_address = null")

    forecast = look_ahead(harness.db, campaign, harness.now, send_mode=Mode.LIVE)

    assert forecast.warnings == ["the sender is paused", "the organization has no postal address"]
    assert forecast.actions == {"email": 1}
    rows_of(harness.db, "delete from email_identities")
    assert "no sender but EMAIL_FROM" in look_ahead(harness.db, campaign, harness.now, send_mode=Mode.LIVE).warnings


def test_too_many_people_for_one_look_are_refused(campaigns: CampaignHarness) -> None:
    harness = campaigns
    campaign = create(harness.db, file(), harness.now).id
    enroll(harness.db, campaign, harness.now, contacts=[harness.contact() for _ in range(3)])
    with pytest.raises(RejectedInput) as caught:
        look_ahead(harness.db, campaign, harness.now, send_mode=Mode.LIVE, limit=2)
    assert caught.value.status == 409
    assert look_ahead(harness.db, campaign, datetime(2026, 11, 18, 15, tzinfo=UTC), limit=3).since == BEGIN
