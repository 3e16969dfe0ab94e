"""A campaign from its file to its end: made, filled, activated, paused, resumed; and everything that is refused."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from crm_relay.campaigns.decisions import window_of
from crm_relay.campaigns.lifecycle.change_campaign import activate, create, find_campaign, pause, resume
from crm_relay.campaigns.lifecycle.enroll import enroll
from crm_relay.campaigns.lifecycle.funnels import list_campaigns, running_funnels, show_campaign
from crm_relay.campaigns.lifecycle.store import campaign_defined
from crm_relay.campaigns.load_campaign import read_campaign
from crm_relay.campaigns.models import StepDelay
from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.send_windows import is_open
from tests.support.campaigns.campaign_files import file, mail
from tests.support.campaigns.campaign_harness import BEGIN, CampaignHarness
from tests.support.platform.rows import one, rows_of

TASK = {"channel": "task", "task": {"title": "Ring them"}, "delay": {"hours": 1}}
SATURDAY = datetime(2026, 11, 21, 12, tzinfo=UTC)


def made(harness: CampaignHarness, *steps: dict[str, Any], org: UUID | None = None, **more: Any) -> UUID:
    return create(harness.db, file(*steps, **more), harness.now, org_id=org).id


def columns(harness: CampaignHarness, campaign: UUID) -> dict[str, Any]:
    return one(harness.db, "select * from campaigns where id = :id", id=campaign)


def dues(harness: CampaignHarness, campaign: UUID) -> list[datetime | None]:
    rows = rows_of(
        harness.db,
        "select next_step_at from campaign_enrollments where campaign_id = :id order by next_step_at, id",
        id=campaign,
    )
    return [row["next_step_at"] for row in rows]


def history(harness: CampaignHarness, campaign: UUID) -> list[tuple[str, str | None]]:
    return [(change.change, change.by) for change in reversed(show_campaign(harness.db, campaign, harness.now).history)]


def test_a_file_is_kept_as_a_draft_with_every_column(campaigns: CampaignHarness) -> None:
    step = mail(
        delay={"days": 2},
        variants=[{"id": "a"}, {"id": "b", "subject": "Other"}],
        body_html='<a href="https://example.com">Look</a>',
        ab_test={"metric": "clicked", "base_rate": 0.1, "effect": 0.05},
        skip_conditions=[{"field": "contact.title", "operator": "is_null"}],
    )
    given = file(step, TASK, zone="Asia/Tokyo", window={"days": ["mon", "sun"], "start": "08:30", "end": "12:00"})

    result = create(campaigns.db, given, campaigns.now, who="robot")

    assert (result.status, result.steps) == ("draft", 2)
    row = columns(campaigns, result.id)
    assert (row["status"], row["source"], row["org_id"], row["timezone"]) == (
        "draft",
        "native",
        campaigns.org,
        "Asia/Tokyo",
    )
    read = read_campaign(campaign_defined(campaigns.db, result.id)["document"])
    assert (read.window.days, str(read.window.start)) == (frozenset({"mon", "sun"}), "08:30:00")
    first, second = read.steps
    assert (first.delay, [variant.id for variant in first.variants]) == (StepDelay(days=2), ["a", "b"])
    assert [condition.field for condition in first.conditions] == ["contact.title"]
    assert second.task == {"title": "Ring them", "priority": "normal", "due_hours": 24}
    assert history(campaigns, result.id) == [("created", "robot")]


def test_nothing_of_a_wrong_file_is_kept(campaigns: CampaignHarness) -> None:
    sender = {"from_address": "new@example.com"}
    with pytest.raises(RejectedInput):
        create(campaigns.db, file(mail(subject="{{x}}"), identity=sender), campaigns.now)

    counts = one(campaigns.db, "select (select count(*) from campaigns) + (select count(*) from email_identities) as n")
    assert counts["n"] == 1, "the sender that the harness has"


def test_a_repeated_command_makes_no_second_campaign(campaigns: CampaignHarness) -> None:
    first = made(campaigns, identity={"from_address": "new@example.com"})
    with pytest.raises(RejectedInput) as caught:
        made(campaigns)

    assert caught.value.status == 409
    assert [each.id for each in list_campaigns(campaigns.db)] == [first]
    other = made(campaigns, org=campaigns.organization())
    assert find_campaign(campaigns.db, str(other)) == other
    with pytest.raises(RejectedInput) as several:
        find_campaign(campaigns.db, "Spring")
    assert several.value.status == 409


def test_a_sender_is_made_once_and_belongs_to_its_organization(campaigns: CampaignHarness) -> None:
    sender = {"from_address": "Sales@Example.com", "from_name": "Sales", "inbound_domain": "in.example.com"}
    first, second = (made(campaigns, identity=sender, name=name) for name in ("One", "Two"))

    row = one(campaigns.db, "select * from email_identities where from_name = 'Sales'")
    assert (row["org_id"], row["is_default"]) == (campaigns.org, False)
    assert columns(campaigns, first)["identity_id"] == columns(campaigns, second)["identity_id"] == row["id"]


def test_content_of_a_template_is_that_of_the_organization_and_active(campaigns: CampaignHarness) -> None:
    rows_of(
        campaigns.db,
        """insert into email_templates (org_id, name, slug, subject, body_html, is_active)
           values (:mine, 'Welcome', 'welcome', 'Hi', '<p>Hi</p>', true),
               (:mine, 'Old', 'old', 'Hi', '<p>Hi</p>', false),
               (:other, 'Theirs', 'theirs', 'Hi', '<p>Hi</p>', true)""",
        mine=campaigns.org,
        other=campaigns.organization(),
    )
    assert made(campaigns, {"channel": "email", "template": "welcome"})
    for slug in ("old", "theirs"):
        with pytest.raises(RejectedInput) as caught:
            made(campaigns, {"channel": "email", "template": slug}, name=slug)
        assert caught.value.details == ("steps.0.template: the organization has no active one with this slug",)


def test_everybody_who_is_asked_for_is_enrolled_or_counted_by_a_reason(campaigns: CampaignHarness) -> None:
    harness, campaign = campaigns, made(campaigns, topic="news")
    for kind in ("opt_out", "hard_bounce", "complaint"):
        harness.suppress(f"{kind}@example.com", kind)
    rows_of(
        harness.db,
        """insert into topic_opt_outs (org_id, address, topic, source, occurred_at)
           values (:org, 'not-news@example.com', 'news', 'test', now()),
               (:org, 'fine@example.com', 'other', 'test', now())""",
        org=harness.org,
    )
    people = [
        harness.contact("fine@example.com"),
        harness.contact("FINE@example.com "),
        harness.contact("opt_out@example.com"),
        harness.contact("hard_bounce@example.com"),
        harness.contact("complaint@example.com"),
        harness.contact("not-news@example.com"),
        harness.contact(None),
        harness.contact(deleted_at=harness.now),
        harness.contact(org=harness.organization()),
        uuid4(),
    ]

    found = enroll(harness.db, campaign, harness.now, contacts=[*people, people[0]], who="robot")

    assert vars(found) == {
        "asked": 11,
        "enrolled": 1,
        "already": 1,
        "same_address": 1,
        "opt_out": 1,
        "hard_bounce": 1,
        "complaint": 1,
        "erased": 0,
        "topic_opt_out": 1,
        "deleted": 1,
        "no_address": 1,
        "other_organization": 1,
        "unknown": 1,
        "unknown_people": (str(people[-1]),),
    }
    row = one(harness.db, "select * from campaign_enrollments")
    assert (row["contact_id"], row["address"], row["next_step_at"]) == (people[0], "fine@example.com", None)
    again = enroll(harness.db, campaign, harness.now, contacts=people[:2])
    assert (again.enrolled, again.already, again.same_address) == (0, 1, 1)
    entry = [each for each in show_campaign(harness.db, campaign, harness.now).history if each.change == "enrolled"]
    assert sorted((each.about or {})["enrolled"] for each in entry) == [0, 1]


def test_somebody_without_an_address_may_be_called(campaigns: CampaignHarness) -> None:
    campaign = made(campaigns, TASK)

    found = enroll(campaigns.db, campaign, campaigns.now, contacts=[campaigns.contact(None) for _ in range(2)])

    assert found.enrolled == 2


def test_an_address_means_the_oldest_contact_who_is_there(campaigns: CampaignHarness) -> None:
    harness, campaign = campaigns, made(campaigns)
    gone = harness.contact("ana@example.com", created_at=BEGIN - timedelta(days=9), deleted_at=BEGIN)
    theirs = harness.contact("ana@example.com", org=harness.organization(), created_at=BEGIN - timedelta(days=8))
    mine = harness.contact("Ana@example.com", created_at=BEGIN - timedelta(days=7))
    harness.contact("ana@example.com")

    found = enroll(
        harness.db, campaign, harness.now, addresses=[" ANA@example.com", "nobody@example.com", "no address"]
    )

    assert (found.enrolled, found.unknown) == (1, 2)
    assert one(harness.db, "select contact_id from campaign_enrollments")["contact_id"] == mine
    assert mine not in {gone, theirs}


def test_an_account_is_enrolled_whole_and_only_by_its_own_organization(campaigns: CampaignHarness) -> None:
    harness, campaign = campaigns, made(campaigns)
    account, others = (
        one(harness.db, "insert into accounts (org_id, name) values (:org, 'Acme') returning id", org=org)["id"]
        for org in (harness.org, harness.organization())
    )
    for _ in range(3):
        harness.contact(account_id=account)
    harness.contact()

    assert enroll(harness.db, campaign, harness.now, account=account).enrolled == 3
    for wrong in (others, uuid4()):
        with pytest.raises(RejectedInput) as caught:
            enroll(harness.db, campaign, harness.now, account=wrong)
        assert caught.value.status == 404


def test_more_than_a_batch_of_people_is_enrolled_in_batches(
    campaigns: CampaignHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_relay.campaigns.lifecycle.store.BATCH", 4)
    harness, campaign = campaigns, made(campaigns)
    account = one(harness.db, "insert into accounts (name) values ('Acme') returning id")["id"]
    people = [harness.contact(account_id=account) for _ in range(9)]

    first = enroll(harness.db, campaign, harness.now, contacts=[*people[:5], people[0]])
    rest = enroll(harness.db, campaign, harness.now, account=account)

    assert (first.asked, first.enrolled, first.already) == (6, 5, 1)
    assert (rest.asked, rest.enrolled, rest.already) == (9, 4, 5)


@pytest.mark.parametrize(("columns", "status"), [({"source": "bison"}, 409), ({"status": "archived"}, 409)])
def test_only_native_campaigns_that_are_open_enroll(
    campaigns: CampaignHarness, columns: dict[str, Any], status: int
) -> None:
    campaign = campaigns.campaign(**columns)
    with pytest.raises(RejectedInput) as caught:
        enroll(campaigns.db, campaign, campaigns.now, contacts=[campaigns.contact()])
    assert caught.value.status == status
    for verb in (activate, pause, resume):
        if columns.get("source") == "bison":
            with pytest.raises(RejectedInput):
                verb(campaigns.db, campaign, campaigns.now)


def test_activation_gives_everybody_the_time_of_their_first_step(campaigns: CampaignHarness) -> None:
    harness = campaigns
    campaign = made(harness, mail(delay={"hours": 2}), use_recipient_timezone=True)
    zones = ["Asia/Tokyo", "Europe/Lisbon", "Nowhere/Land", None, "Asia/Tokyo"]
    enroll(harness.db, campaign, harness.now, contacts=[harness.contact(timezone=zone) for zone in zones])

    first = activate(harness.db, campaign, SATURDAY, who="robot")
    again = activate(harness.db, campaign, SATURDAY + timedelta(days=1))

    assert (first.changed, first.scheduled, again.changed, again.scheduled) == (True, 5, False, 0)
    rows = rows_of(
        harness.db,
        """select contact.timezone, enrollment.next_step_at from campaign_enrollments enrollment
           join contacts contact on contact.id = enrollment.contact_id""",
    )
    at = {row["timezone"]: row["next_step_at"] for row in rows}
    assert at["Asia/Tokyo"] == datetime(2026, 11, 23, 0, tzinfo=UTC)  # Monday, 09:00 there
    assert at["Europe/Lisbon"] == datetime(2026, 11, 23, 9, tzinfo=UTC)
    assert at["Nowhere/Land"] == at[None] == datetime(2026, 11, 23, 14, tzinfo=UTC)
    read = read_campaign(campaign_defined(harness.db, campaign)["document"])
    assert all(is_open(window_of(read, row["timezone"]), row["next_step_at"]) for row in rows)
    row = columns(harness, campaign)
    assert (row["status"], row["activated_at"]) == ("active", SATURDAY)
    assert history(harness, campaign)[-1] == ("activated", "robot")


def test_activation_costs_the_same_statements_for_one_and_for_many(campaigns: CampaignHarness) -> None:
    def statements(people: int, name: str) -> int:
        campaign = made(campaigns, name=name)
        enroll(campaigns.db, campaign, campaigns.now, contacts=[campaigns.contact() for _ in range(people)])
        sent: list[str] = []
        send, campaigns.db._send = campaigns.db._send, lambda sql, **more: sent.append(sql) or send(sql, **more)  # type: ignore[func-returns-value,method-assign]
        activate(campaigns.db, campaign, campaigns.now)
        campaigns.db._send = send  # type: ignore[method-assign]
        return len(sent)

    # One of them asks in which mode mail leaves.
    assert statements(1, "One") == statements(30, "Many") <= 8


LACKS: list[tuple[str, str]] = [
    ("delete from email_identities", "identity"),
    ("update organizations set postal_address = ' '", "organization"),
    ("update campaign_sequences set is_active = false", "steps"),
    ("update campaign_sequences set subject = null", "step 1"),
    ("update campaign_sequences set body_html = '{{contact.shoe_size}}'", "step 1"),
]


@pytest.mark.parametrize(("statement", "field"), LACKS, ids=[statement for statement, _ in LACKS])
def test_activation_is_refused_with_what_is_missing(campaigns: CampaignHarness, statement: str, field: str) -> None:
    campaign = made(campaigns)
    enroll(campaigns.db, campaign, campaigns.now, contacts=[campaigns.contact()])
    rows_of(campaigns.db, statement)

    with pytest.raises(RejectedInput) as caught:
        activate(campaigns.db, campaign, campaigns.now)

    assert caught.value.status == 409
    assert [detail.partition(":")[0] for detail in caught.value.details] == [field]
    assert (columns(campaigns, campaign)["status"], dues(campaigns, campaign)) == ("draft", [None])


def test_email_from_stands_in_for_a_sender_and_tasks_need_none(campaigns: CampaignHarness) -> None:
    rows_of(campaigns.db, "delete from email_identities")
    assert activate(campaigns.db, made(campaigns), campaigns.now, email_from="ada@example.com").changed
    rows_of(campaigns.db, "update organizations set postal_address = null")
    assert activate(campaigns.db, made(campaigns, TASK, name="Tasks"), campaigns.now).changed


def test_a_request_is_refused_more_people_than_it_has_time_for(campaigns: CampaignHarness) -> None:
    campaign = made(campaigns)
    enroll(campaigns.db, campaign, campaigns.now, contacts=[campaigns.contact() for _ in range(3)])
    with pytest.raises(RejectedInput) as caught:
        activate(campaigns.db, campaign, campaigns.now, limit=2)
    assert caught.value.status == 409
    assert activate(campaigns.db, campaign, campaigns.now, limit=3).scheduled == 3


def test_who_joins_a_campaign_that_runs_begins_at_once(campaigns: CampaignHarness) -> None:
    harness, campaign = campaigns, made(campaigns, use_recipient_timezone=True)
    activate(harness.db, campaign, harness.now)

    enroll(harness.db, campaign, harness.now, contacts=[harness.contact(), harness.contact(timezone="Asia/Tokyo")])

    assert dues(harness, campaign) == [harness.now, datetime(2026, 11, 19, 0, tzinfo=UTC)]


def test_pausing_keeps_the_place_and_resuming_goes_on_from_it(campaigns: CampaignHarness) -> None:
    harness, campaign = campaigns, made(campaigns, mail(), mail(delay={"days": 1}))
    enroll(harness.db, campaign, harness.now, contacts=[harness.contact()])
    activate(harness.db, campaign, harness.now)
    harness.tick()
    enroll(harness.db, campaign, harness.now + timedelta(hours=2), contacts=[harness.contact()])
    before = sorted(at for at in dues(harness, campaign) if at is not None)
    harness.wait(minutes=1)

    assert [pause(harness.db, campaign, harness.now, who="robot").changed for _ in range(2)] == [True, False]
    harness.wait(days=1)
    harness.tick()
    enroll(harness.db, campaign, harness.now, contacts=[harness.contact()])
    assert dues(harness, campaign) == [*before, None]
    assert len(harness.sim.mails) == 1
    harness.wait(days=1)

    assert [resume(harness.db, campaign, harness.now).scheduled for _ in range(2)] == [1, 0]
    assert dues(harness, campaign) == [*before, harness.now]
    harness.tick()
    assert len(harness.sim.mails) == 4
    held = [entry for entry in history(harness, campaign) if entry[0] in {"paused", "resumed"}]
    assert held == [("paused", "robot"), ("resumed", "operator")]


@pytest.mark.parametrize(
    ("policy", "hour", "line"),
    [("send", 15, ("sent", None)), ("skip", 15, ("skipped", "late")), ("skip", 3, ("skipped", "late"))],
)
def test_the_late_policy_decides_about_what_fell_into_a_pause(
    campaigns: CampaignHarness, policy: str, hour: int, line: tuple[str, str | None]
) -> None:
    """Also where the campaign is resumed at night: the morning is no excuse for a step that should be skipped."""
    harness, campaign = campaigns, made(campaigns, mail(), late_policy=policy)
    enroll(harness.db, campaign, harness.now, contacts=[harness.contact()])
    activate(harness.db, campaign, harness.now)
    pause(harness.db, campaign, harness.now)
    harness.time[0] = BEGIN.replace(day=20, hour=hour)

    resume(harness.db, campaign, harness.now)
    harness.tick()
    harness.time[0] = max(harness.now, BEGIN.replace(day=20, hour=14))  # as the window opens
    harness.tick()

    assert [(status, reason) for _, status, reason in harness.lines()] == [line]


def test_a_state_that_does_not_fit_is_refused(campaigns: CampaignHarness) -> None:
    draft = made(campaigns)
    for verb in (pause, resume):
        with pytest.raises(RejectedInput) as caught:
            verb(campaigns.db, draft, campaigns.now)
        assert caught.value.status == 409
    activate(campaigns.db, draft, campaigns.now)
    pause(campaigns.db, draft, campaigns.now)
    with pytest.raises(RejectedInput) as paused:
        activate(campaigns.db, draft, campaigns.now)
    assert paused.value.status == 409
    for verb in (activate, pause, resume):
        with pytest.raises(RejectedInput) as unknown:
            verb(campaigns.db, uuid4(), campaigns.now)
        assert unknown.value.status == 404


def test_the_funnel_tells_what_became_of_everybody_at_each_step(campaigns: CampaignHarness) -> None:
    harness, campaign = campaigns, made(campaigns, mail(), TASK)
    enroll(harness.db, campaign, harness.now, contacts=[harness.contact() for _ in range(4)])
    activate(harness.db, campaign, harness.now)
    harness.tick()
    harness.deliver()
    harness.reply(harness.sim.mails[0])
    rows_of(
        harness.db,
        "update email_sends set human_opens = 1, human_clicks = 1 where id = (select id from email_sends limit 1)",
    )
    harness.wait(hours=1)
    harness.tick()

    (funnel,) = running_funnels(harness.db)

    assert funnel.campaign.id == campaign
    first, second = funnel.steps
    assert (first.reached, first.sent, first.opened, first.clicked, first.replied, first.holds) == (4, 4, 1, 1, 1, True)
    assert (second.reached, second.sent, second.replied, second.channel) == (3, 3, 0, "task")
    assert show_campaign(harness.db, campaign, harness.now).people == {"completed": 3, "replied": 1}
    pause(harness.db, campaign, harness.now)
    assert running_funnels(harness.db) == []
