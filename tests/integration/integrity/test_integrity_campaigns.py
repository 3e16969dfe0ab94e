"""The checks of campaigns: each fault planted, found, mended as far as may be, and taken back."""

import json
import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from crm_relay.integrity.rebuild_totals import rebuild_totals
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database
from tests.support.campaigns.campaign_harness import CampaignHarness, email, step
from tests.support.campaigns.planted_enrollments import add_campaign, add_enrollment, enrollment_of
from tests.support.integrity.integrity_harness import IntegrityHarness, result
from tests.support.processes.commands import Commands

PAST, OVER, FORGOTTEN = (
    "current_step past the last",
    "next_step_at on a finished enrollment",
    "live without next_step_at",
)
SOON = timedelta(days=1)
FINISHED = ("replied", "bounced", "unsubscribed", "stopped", "completed")


@pytest.fixture
def harness(database: Database) -> IntegrityHarness:
    """Without anything at the edge: drift is not looked at."""
    return IntegrityHarness(database)


@pytest.mark.parametrize(
    ("columns", "what", "becomes"),
    [
        ({"current_step": 4}, PAST, {"current_step": 2}),
        ({"current_step": 4, "status": "engaged"}, PAST, {"current_step": 2}),
        ({"current_step": 4, "status": "paused", "next_step_at": None}, PAST, {"current_step": 2}),
        ({"current_step": 9, "status": "stopped", "next_step_at": None}, PAST, {"current_step": 2}),
        *(({"status": status}, OVER, {"next_step_at": None}) for status in FINISHED),
        (
            {"status": "completed", "current_step": 4},
            f"{PAST}, {OVER}",
            {"current_step": 2, "next_step_at": None},
        ),
        ({"next_step_at": None}, FORGOTTEN, None),
        ({"next_step_at": None, "status": "engaged"}, FORGOTTEN, None),
        ({"next_step_at": None, "current_step": 4}, f"{PAST}, {FORGOTTEN}", None),
    ],
)
def test_a_place_that_cannot_be_becomes_the_one_that_the_log_implies_or_is_parked(
    harness: IntegrityHarness, columns: Mapping[str, Any], what: str, becomes: Mapping[str, Any] | None
) -> None:
    campaign = add_campaign(harness)
    row = add_enrollment(harness, campaign, done=2, **columns)
    add_enrollment(harness, campaign, done=1)
    before = enrollment_of(harness, row)
    looked = result(harness.check(), "invalid_state")
    assert [(each["row"], each["what"]) for each in looked.findings] == [(str(row), what)]
    assert (enrollment_of(harness, row), harness.incidents()) == (before, {"integrity_invalid_state"})
    done = harness.check(fix=True)
    assert (done.found, result(done, "invalid_state").fixed) == (1, becomes is not None)
    if becomes is None:
        assert [status for *_, status in harness.findings()] == ["parked"]
        assert enrollment_of(harness, row) == before
        return
    assert enrollment_of(harness, row) == {**before, **becomes}
    (fix,) = harness.fixes()
    assert (fix["action"], fix["before"].keys(), fix["after"]) == ("state by its log", becomes.keys(), becomes)
    assert fix["applied_at"] is not None
    assert (harness.check().found, harness.incidents()) == (0, set())
    assert harness.revert(f"run-{done.run_id}").left == ()
    assert enrollment_of(harness, row) == before
    assert result(harness.check(fix=True), "invalid_state").fixed == 0
    assert [status for *_, status in harness.findings()] == ["fixed", "parked"]


@pytest.mark.parametrize(
    ("campaign", "columns"),
    [
        ("draft", {"next_step_at": None, "current_step": 0}),
        ("paused", {"next_step_at": None}),
        ("active", {"status": "paused"}),
        ("active", {"status": "paused", "next_step_at": None}),
        ("active", {"current_step": 3}),
        *(("active", {"status": status, "next_step_at": None, "current_step": 3}) for status in FINISHED),
    ],
)
def test_a_place_that_can_be_is_left_alone(
    harness: IntegrityHarness, campaign: str, columns: Mapping[str, Any]
) -> None:
    add_enrollment(harness, add_campaign(harness, status=campaign), done=0, **columns)
    assert harness.check(fix=True).found == 0


def test_the_step_is_known_by_the_archive_and_by_the_numbers_that_steps_have_now(harness: IntegrityHarness) -> None:
    campaign = add_campaign(harness, steps=4)
    nothing = add_enrollment(harness, campaign, done=0, current_step=7)
    through = add_enrollment(harness, campaign, done=4, status="completed", next_step_at=None)
    harness.rows("delete from campaign_sequence_logs where enrollment_id = :id", id=through)
    assert [found["row"] for found in result(harness.check(), "invalid_state").findings] == [str(nothing)]
    harness.rows("delete from campaign_sequences where step_number = 1")
    for difference in (10, -11):
        harness.rows("update campaign_sequences set step_number = step_number + :d", d=difference)
    assert result(harness.check(fix=True), "invalid_state").fixed == 2
    assert [enrollment_of(harness, each)["current_step"] for each in (nothing, through)] == [0, 3]


def test_whoever_moves_while_they_are_looked_at_is_left_alone(harness: IntegrityHarness) -> None:
    row = add_enrollment(harness, add_campaign(harness), status="completed")
    harness.rows(
        "create function meddle() returns trigger language plpgsql as $$ begin "
        "update campaign_enrollments set next_step_at = next_step_at + interval '1 day'; return null; end $$"
    )
    harness.rows("create trigger meddle after insert on integrity_findings for each row execute function meddle()")
    assert result(harness.check(fix=True), "invalid_state").fixed == 0
    assert enrollment_of(harness, row)["next_step_at"] == harness.now + 2 * SOON
    assert harness.fixes() == []


def test_whoever_moved_since_the_fix_is_not_taken_back(harness: IntegrityHarness) -> None:
    row = add_enrollment(harness, add_campaign(harness), current_step=9)
    harness.check(fix=True)
    harness.rows("update campaign_enrollments set current_step = 2")
    fix = harness.fixes()[0]["id"]
    assert harness.revert(str(fix)).left == (fix,)
    assert enrollment_of(harness, row)["current_step"] == 2


def test_the_cap_holds_for_enrollments_too(harness: IntegrityHarness) -> None:
    campaign = add_campaign(harness)
    for _ in range(3):
        add_enrollment(harness, campaign, status="stopped")
    looked = result(harness.check(fix=True, cap=2), "invalid_state")
    assert (looked.found, looked.fixed, looked.asks) == (3, 0, True)
    assert result(harness.check(fix=True, dry_run=True), "invalid_state").fixed == 0
    assert result(harness.check(fix=True, cap=2, approved=frozenset({"invalid_state"})), "invalid_state").fixed == 3


@pytest.mark.parametrize("difference", [1, -1])
def test_a_step_whose_account_does_not_hold_is_told_and_not_touched(harness: IntegrityHarness, difference: int) -> None:
    campaign = add_campaign(harness)
    add_enrollment(harness, campaign, done=2)
    wrong = harness.one(
        "update campaign_sequences set reached = reached + :difference where step_number = 2 returning id, reached",
        difference=difference,
    )
    looked = result(harness.check(fix=True), "accounting")
    assert (looked.found, looked.fixable, looked.fixed) == (1, 0, 0)
    (found,) = looked.findings
    assert (found["row"], found["campaign"], found["step_number"]) == (str(wrong["id"]), str(campaign), 2)
    assert (found["reached"], found["sent"]) == (1 + difference, 1)
    assert harness.one("select reached from campaign_sequences where step_number = 2") == {"reached": 1 + difference}
    assert harness.incidents() == {"integrity_accounting"}
    harness.rows("update campaign_sequences set reached = 1 where step_number = 2")
    assert (harness.check().found, harness.incidents()) == (0, set())


@pytest.mark.parametrize("total", ["total_active", "total_completed", "total_sent"])
@pytest.mark.parametrize("planted", [0, 7])
def test_a_total_that_its_rows_contradict_is_told_and_made_true_by_order_alone(
    harness: IntegrityHarness, total: str, planted: int
) -> None:
    campaign = totalled(harness)
    before = totals_of(harness, campaign)
    assert before == {"total_active": 1, "total_completed": 1, "total_sent": 3}
    harness.rows(f"update campaigns set {total} = :planted where id = :id", planted=planted, id=campaign)
    looked = result(harness.check(fix=True), "counters")
    assert (looked.found, looked.fixable, looked.fixed) == (1, 0, 0)
    (found,) = looked.findings
    assert (found["row"], found["counted"], found["logged"]) == (f"{campaign} {total}", planted, before[total])
    assert harness.incidents() == {"integrity_counters"}
    assert rebuild_totals(harness.db, dry_run=True) == rebuild_totals(harness.db)
    assert (totals_of(harness, campaign), rebuild_totals(harness.db)) == (before, [])
    assert (harness.check().found, harness.incidents()) == (0, set())


def test_the_command_tells_of_totals_and_makes_them_true(harness: IntegrityHarness, database_url: str) -> None:
    campaign = totalled(harness)
    harness.rows("update campaigns set total_sent = 1")
    with Commands({**os.environ, "DATABASE_URL": database_url}) as commands:
        done = [commands.run("integrity", "rebuild-totals", *more, "--json") for more in (["--dry-run"], [], [])]
    wrong_total = [{"campaign_id": str(campaign), "total": "total_sent", "counted": 1, "logged": 3}]
    assert [(each.returncode, json.loads(each.stdout)) for each in done] == [
        (1, wrong_total),
        (0, wrong_total),
        (0, []),
    ]
    assert totals_of(harness, campaign)["total_sent"] == 3


def test_what_is_counted_while_totals_are_made_anew_stays_counted(harness: IntegrityHarness) -> None:
    campaign = totalled(harness)
    harness.rows("update campaigns set total_active = 9, total_sent = 1")
    harness.rows(
        "create function meddle() returns trigger language plpgsql as "
        "$$ begin new.total_active := new.total_active + 1; return new; end $$"
    )
    harness.rows("create trigger meddle before update on campaigns for each row execute function meddle()")
    rebuild_totals(harness.db)
    assert totals_of(harness, campaign) == {"total_active": 2, "total_completed": 1, "total_sent": 3}


def test_totals_keep_those_who_were_deleted_and_campaigns_of_others_are_not_looked_at(
    harness: IntegrityHarness,
) -> None:
    campaign = totalled(harness)
    harness.rows("delete from contacts where id in (select contact_id from campaign_enrollments)")
    assert totals_of(harness, campaign) == {"total_active": 0, "total_completed": 1, "total_sent": 3}
    add_campaign(harness)
    harness.rows("update campaigns set source = 'bison', total_sent = 5 where total_sent = 0")
    harness.rows("insert into campaigns (name, total_sent) values ('an old one without steps', 5)")
    assert harness.check().found == 0


def totalled(harness: IntegrityHarness) -> UUID:
    """One on the way behind an e-mail, one through with two."""
    campaign = add_campaign(harness, steps=2, channel="email")
    for done, columns in ((1, {}), (2, {"status": "completed", "next_step_at": None})):
        row = add_enrollment(harness, campaign, done=done, **columns)
        harness.rows("update campaign_enrollments set emails_sent = :sent where id = :id", sent=done, id=row)
    return campaign


def totals_of(harness: IntegrityHarness, campaign: UUID) -> dict[str, int]:
    return harness.one("select total_active, total_completed, total_sent from campaigns where id = :id", id=campaign)


def test_a_night_archives_what_ended_ninety_days_ago_and_the_accounts_hold(harness: IntegrityHarness) -> None:
    campaign = add_campaign(harness, steps=2, channel="email")
    for days in (91, 89):
        row = add_enrollment(harness, campaign, done=2, status="completed", next_step_at=None)
        harness.rows(
            "update campaign_enrollments set emails_sent = 2, updated_at = :at where id = :id",
            at=harness.now - timedelta(days=days),
            id=row,
        )
    assert (harness.check().archived, harness.check(fix=True, dry_run=True).archived) == (0, 0)
    assert harness.one("select count(*) as lines from campaign_sequence_logs") == {"lines": 4}
    harness.deadline = Deadline.after(3)
    assert harness.check(fix=True).archived == 0
    harness.deadline = Deadline.after(600)
    night = harness.check(fix=True)
    assert (night.archived, night.as_json()["archived"], night.found) == (2, 2, 0)
    assert harness.one("select count(*) as lines from campaign_sequence_logs") == {"lines": 2}
    assert (harness.check().found, harness.check(fix=True).archived) == (0, 0)


def test_a_campaign_that_the_engine_has_taken_to_its_end_is_sound_at_every_step(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(1), step("task", 2, delay_days=1), email(3, delay_days=1))
    for _ in range(3):
        campaigns.enroll(campaign)
    looking = IntegrityHarness(campaigns.db)
    for day in range(4):
        campaigns.tick()
        campaigns.deliver()
        if day == 0:
            campaigns.reply(campaigns.sim.mails[0])
        assert looking.check().found == 0, day
        campaigns.wait(days=1)
    states = looking.rows("select status from campaign_enrollments order by status")
    assert [row["status"] for row in states] == ["completed", "completed", "replied"]
    looking.now = campaigns.now + timedelta(days=120)
    assert looking.check(fix=True).archived > 0
    assert looking.check().found == 0
