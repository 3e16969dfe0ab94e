"""A fault of a campaign holds everybody in it, is reported once, and lets everybody go on by its repair."""

import logging
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from cli.doctor.campaigns import examine_campaigns
from crm_relay.campaigns.lifecycle.change_campaign import activate, resume
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.logging import logger
from crm_relay.platform.sql import Json, SqlValue
from tests.support.campaigns.campaign_harness import CampaignHarness, email
from tests.support.platform.rows import one, rows_of

PEOPLE = 20


@pytest.fixture
def said() -> Iterator[list[str]]:
    """The messages of errors in the log."""
    messages: list[str] = []

    class KeptMessages(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    handler = KeptMessages(logging.ERROR)
    logger().addHandler(handler)
    yield messages
    logger()._logger.removeHandler(handler)


def open_incidents(campaigns: CampaignHarness) -> list[tuple[str, str, str]]:
    rows = rows_of(
        campaigns.db,
        "select kind, subject, details ->> 'problem' as problem from incidents where closed_at is null order by id",
    )
    return [(row["kind"], row["subject"], row["problem"]) for row in rows]


def held(campaigns: CampaignHarness, campaign: UUID) -> dict[tuple[str, str | None], int]:
    rows = rows_of(
        campaigns.db,
        "select status, held_for, count(*)::integer as n from campaign_enrollments "
        "where campaign_id = :id group by 1, 2",
        id=campaign,
    )
    return {(row["status"], row["held_for"]): row["n"] for row in rows}


def change_step(campaigns: CampaignHarness, step_id: UUID, **columns: SqlValue) -> None:
    changes = ", ".join(f"{name} = :{name}" for name in columns)
    rows_of(campaigns.db, f"update campaign_sequences set {changes} where id = :id", id=step_id, **columns)


def runs(campaigns: CampaignHarness, times: int = 5) -> None:
    """Hours with a run every 20 minutes: long enough for three errors, if they were counted."""
    for _ in range(times):
        campaigns.tick()
        campaigns.wait(minutes=20)


BROKEN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "an unknown variable": ({"subject": "Hi {{contact.nick}}"}, {"subject": "Hi"}),
    "no subject": ({"subject": None}, {"subject": "Hi"}),
    "a body that is no template": ({"body_html": "<p>{{contact.first_name</p>"}, {"body_html": "<p>Hi</p>"}),
    "a broken variant": (
        {"ab_variants": Json([{"id": "a", "subject": "{{y}}"}, {"id": "b", "subject": "{{x}}"}])},
        {"ab_variants": Json([{"id": "a"}, {"id": "b", "subject": "Hi"}])},
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_step_that_cannot_be_written_holds_its_campaign_and_its_repair_releases_everybody(
    campaigns: CampaignHarness, name: str, said: list[str]
) -> None:
    broken, repaired = BROKEN[name]
    campaign = campaigns.campaign(name="Broken", send_window_start="00:00", send_window_end="23:59")
    step_id = campaigns.add_step(campaign, email())
    campaigns.enroll_many(campaign, PEOPLE)
    other = campaigns.enroll(campaigns.campaign(email(), name="Sound"))
    change_step(campaigns, step_id, **broken)
    runs(campaigns)
    assert campaigns.lines() == campaigns.lines(other) == [(1, "sent", None)]
    assert held(campaigns, campaign) == {("active", "content"): PEOPLE}
    ((kind, subject, problem),) = open_incidents(campaigns)
    assert (kind, subject) == ("campaign_content", str(campaign))
    assert problem.startswith("step 1: ")
    assert said == ["a campaign is held"]
    change_step(campaigns, step_id, **repaired)
    assert campaigns.tick().acts["email"] == PEOPLE
    assert open_incidents(campaigns) == []
    assert held(campaigns, campaign) == {("completed", None): PEOPLE}


def test_a_template_that_is_deleted_holds_the_campaign_until_the_step_has_another(campaigns: CampaignHarness) -> None:
    made = one(
        campaigns.db,
        """insert into email_templates (org_id, name, slug, subject, body_html)
           values (default_org_id(), 'Welcome', 'welcome', 'Welcome', '<p>Hi</p>') returning id""",
    )["id"]
    campaign = campaigns.campaign(send_window_start="00:00", send_window_end="23:59")
    step_id = campaigns.add_step(campaign, {"step_number": 1, "channel": "email", "template_id": made})
    campaigns.enroll_many(campaign, PEOPLE)
    rows_of(campaigns.db, "delete from email_templates")
    runs(campaigns)
    assert held(campaigns, campaign) == {("active", "content"): PEOPLE}
    assert open_incidents(campaigns) == [("campaign_content", str(campaign), "step 1: the step has no subject")]
    change_step(campaigns, step_id, subject="Hi", body_text="Hello")
    assert campaigns.tick().acts["email"] == PEOPLE


def test_what_is_wrong_with_one_person_alone_holds_nobody_else(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(body_html=None, body_text="{{contact.company}}"))
    sound = campaigns.enroll(campaign, campaigns.contact(company_name="Example"))
    victim = campaigns.enroll(campaign)
    campaigns.tick()
    assert campaigns.lines() == campaigns.lines(sound) == [(1, "sent", None)]
    row = campaigns.enrollment(victim)
    assert (row["held_for"], row["error_count"], open_incidents(campaigns)) == ("error", 1, [])


UNREADABLE: dict[str, tuple[str, str, SqlValue, SqlValue, str]] = {
    "days": ("campaigns", "send_days", ["monday", "friday"], ["wed"], "days of the send window"),
    "no days": ("campaigns", "send_days", [], ["wed"], "days of the send window"),
    "no length": ("campaigns", "send_window_end", "09:00", "17:00", "hours of the send window"),
    "zone": ("campaigns", "timezone", "Mars/Olympus", "America/New_York", "zone of the send window"),
    "weight": ("campaign_sequences", "ab_variants", '[{"id": "a", "weight": 0}]', None, "step 1: variants: a weight"),
    "no variants": ("campaign_sequences", "ab_variants", "[]", None, "step 1: variants: a list"),
    "condition": (
        "campaign_sequences", "skip_conditions", '[{"field": "shoe_size", "operator": "eq", "value": 1}]', "[]",
        "step 1: skip condition: field",
    ),
    "task": ("campaign_sequences", "task_config", "[1]", None, "step 1: task_config"),
    "delay": ("campaign_sequences", "delay_days", 3_000_000, 0, "step 1: delay_days"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_campaign_that_cannot_be_read_is_refused_or_reported_once_and_goes_on_by_its_repair(
    campaigns: CampaignHarness, name: str, said: list[str]
) -> None:
    table, column, broken, repaired, problem = UNREADABLE[name]
    campaign = campaigns.campaign(name="Broken")
    campaigns.add_step(campaign, email())
    campaigns.enroll_many(campaign, PEOPLE)
    where = "id" if table == "campaigns" else "campaign_id"
    kind = {"ab_variants": "jsonb", "skip_conditions": "jsonb", "task_config": "jsonb", "send_days": "text[]"}.get(
        column
    )
    value = f"cast(:value as {kind})" if kind else ":value"
    sql = f"update {table} set {column} = {value} where {where} = :id"
    if name not in {"zone", "condition"}:
        with pytest.raises(RejectedInput):
            rows_of(campaigns.db, sql, value=broken, id=campaign)
    # As a row that was there before the rules were.
    rows_of(
        campaigns.db,
        """do $$ declare rule record; begin
               for rule in select conrelid::regclass as relation, conname from pg_constraint
                   where conrelid in ('campaigns'::regclass, 'campaign_sequences'::regclass) and contype = 'c'
               loop execute format('alter table %s drop constraint %I', rule.relation, rule.conname); end loop;
           end $$""",
    )
    rows_of(campaigns.db, sql, value=broken, id=campaign)
    runs(campaigns, 3)
    ((incident, subject, found),) = open_incidents(campaigns)
    assert (incident, subject, found[: len(problem)]) == ("campaign_unreadable", str(campaign), problem)
    assert held(campaigns, campaign) == {("active", "campaign_unreadable"): PEOPLE}
    assert said == ["a campaign is held"]
    (check,) = examine_campaigns(campaigns.db)
    assert (check.what, check.verdict) == ("campaign Broken", "wrong")
    assert problem in check.found
    rows_of(campaigns.db, sql, value=repaired, id=campaign)
    campaigns.tick()
    assert (open_incidents(campaigns), held(campaigns, campaign)) == ([], {("completed", None): PEOPLE})
    (check,) = examine_campaigns(campaigns.db)
    assert (check.verdict, check.found) == ("good", "1 can be read")


def test_a_command_says_why_a_campaign_cannot_be_read(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(), status="draft", timezone="Mars/Olympus")
    with pytest.raises(RejectedInput) as refused:
        activate(campaigns.db, campaign, campaigns.now)
    assert (refused.value.status, refused.value.details) == (
        409, ("zone of the send window: not an IANA time zone",),
    )  # fmt: skip


@pytest.mark.parametrize("end", ["archived", "deleted"])
def test_a_held_campaign_that_ends_is_no_incident_any_more(campaigns: CampaignHarness, end: str) -> None:
    campaign = campaigns.campaign(email(subject="{{x}}"))
    campaigns.enroll(campaign)
    campaigns.tick()
    assert len(open_incidents(campaigns)) == 1
    if end == "deleted":
        rows_of(campaigns.db, "delete from campaigns where id = :id", id=campaign)
    else:
        rows_of(campaigns.db, "update campaigns set status = 'archived' where id = :id", id=campaign)
    campaigns.tick()
    assert open_incidents(campaigns) == []


def test_resuming_a_campaign_forgets_errors_in_making_a_step_and_no_other_pause(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email())
    errors: dict[str, Any] = {"status": "paused", "held_for": "error", "error_count": 3, "next_step_at": None}
    paused = [campaigns.enroll(campaign, **{**errors, "last_error": "the step has no subject"}) for _ in range(3)]
    by_hand = campaigns.enroll(campaign, status="paused", error_count=1, held_for="error")
    refused = campaigns.enroll(campaign, status="paused", error_count=3)
    done = resume(campaigns.db, campaign, campaigns.now)
    assert (done.changed, done.released) == (False, 3)
    campaigns.tick()
    assert {campaigns.enrollment(each)["status"] for each in paused} == {"completed"}
    assert {campaigns.enrollment(each)["status"] for each in (by_hand, refused)} == {"paused"}
    assert resume(campaigns.db, campaign, campaigns.now).released == 0
