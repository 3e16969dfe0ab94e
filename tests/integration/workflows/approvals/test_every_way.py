"""By API, page, link, command line and SQL: never the requester, never a stranger, never twice."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from admin_api import wiring
from crm_relay.platform.database import Database
from tests.support.function_settings import WITHOUT_AWS
from tests.support.notifications.notification_harness import NotificationHarness
from tests.support.operations.admin_function import admin_function
from tests.support.workflows.approval_stage import MANAGER, OWNER, ApprovalStage, User, asking, role, user
from tests.support.workflows.approval_ways import ANSWERS, ApprovalWays
from tests.support.workflows.approvals_function import configure_door
from tests.support.workflows.run_harness import RunHarness

WAYS = ("api", "page", "cli", "link", "sql")


@pytest.fixture
def ways(
    monkeypatch: pytest.MonkeyPatch, runs: RunHarness, database: Database, database_url: str
) -> Iterator[ApprovalWays]:
    """By the clock of the database, which decisions are dated by."""
    runs.time[0] = datetime.now(UTC)
    stage = ApprovalStage(runs)
    api = admin_function(monkeypatch, database, database_url)
    for name, value in (WITHOUT_AWS | {"DATABASE_URL": database_url}).items():
        monkeypatch.setenv(name, value)
    configure_door(monkeypatch, database_url)
    yield ApprovalWays(stage, api)
    wiring.installation.forget()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("action", ANSWERS)
def test_the_approver_decides_once_and_nobody_else_does(ways: ApprovalWays, way: str, action: str) -> None:
    stage = ways.stage
    eve, ida = stage.person("eve"), stage.person("ida")
    stage.change(stage.max, manager_id=ida)
    run = stage.begin(asking(MANAGER))
    approval, decide = stage.pending(run, stage.max), ways.all[way]

    for stranger in (stage.olga, eve, ida):
        assert decide(approval, stranger, action) in {"refused", "absent"}
    assert (ways.status(approval), stage.runs.status(run)) == ("pending", "running")

    if way == "sql":
        assert decide(approval, stage.max, action) == "refused"
        assert ways.status(approval) == "pending"
        return
    assert decide(approval, stage.max, action) == "decided"
    for again in ANSWERS:
        assert decide(approval, stage.max, again) == "known"
        assert decide(approval, stage.olga, again) in {"refused", "absent"}
    (row,) = stage.approvals(run)
    assert (row["status"], row["decided_by"], row["decided_by_name"]) == (ANSWERS[action], stage.max, "Max")
    assert row["decided_via"] == way
    stage.tick(minutes=1)
    assert stage.runs.status(run) == ("completed" if action == "approve" else "cancelled")


@pytest.mark.parametrize("way", ["api", "page", "cli", "link"])
def test_what_is_decided_on_any_way_is_not_in_the_next_digest(ways: ApprovalWays, way: str) -> None:
    """What still waits is; and where everything was decided, no digest leaves at all."""
    stage, runs = ways.stage, ways.stage.runs
    runs.rows(
        "insert into notification_preferences (org_id, user_id, category, channels, frequency)"
        " values (:org, :user, 'workflow', '[\"in_app\", \"email\"]', 'daily_digest') returning id",
        org=runs.org,
        user=stage.max,
    )
    decided = stage.begin(asking(MANAGER))
    stage.deal = runs.deal("Hull", owner_id=stage.olga)
    waiting = stage.begin(asking(MANAGER))
    assert ways.all[way](stage.pending(decided, stage.max), stage.max, "approve") == "decided"
    crew = NotificationHarness(runs.db, runs.sim, runs.url, runs.time)
    crew.wait(days=2)
    crew.tick()
    (mail,) = [each for each in runs.sim.mails if each.recipients == ["max@relay.example"]]
    assert ("Hull" in mail.payload["text"], "Engine" in mail.payload["text"]) == (True, False)

    stage.deal = runs.deal("Mast", owner_id=stage.olga)
    last = stage.begin(asking(MANAGER))
    for run in (waiting, last):
        assert ways.all[way](stage.pending(run, stage.max), stage.max, "reject") == "decided"
    crew.wait(days=2)
    crew.tick()
    assert runs.sim.sends["max@relay.example"] == 1
    kept = runs.rows(
        "select state, reason from notification_deliveries where channel = 'email' order by created_at, id"
    )
    assert sorted(row["state"] for row in kept) == ["sent", "skipped", "skipped"]
    assert {row["reason"] for row in kept if row["state"] == "skipped"} == {"decided"}


@pytest.mark.parametrize("way", ["api", "page", "cli", "link"])
def test_rights_are_asked_again_at_the_decision(ways: ApprovalWays, way: str) -> None:
    stage = ways.stage
    eve = stage.person("eve")
    run = stage.begin(asking(MANAGER))
    approval, decide = stage.pending(run, stage.max), ways.all[way]
    if way in {"api", "page"}:
        ways.token_of(eve)
    stage.change(stage.olga, manager_id=eve)
    assert decide(approval, stage.max, "approve") == "refused"
    stage.tick(minutes=1)
    assert stage.said(run) == [("eve", "pending"), ("max", "expired")]
    stage.change(eve, is_active=False)
    assert decide(stage.pending(run, eve), eve, "approve") == "refused"
    assert stage.runs.status(run) == "running"


@pytest.mark.parametrize("seed", range(12))
def test_whatever_people_try_only_the_words_of_approvers_count(ways: ApprovalWays, seed: int) -> None:
    """Random attempts by random people on random ways; after each the table says what it may say."""
    chance, stage = random.Random(seed), ways.stage
    people = [stage.max, stage.olga, *(stage.person(name, role="finance") for name in ("eve", "tom", "uma"))]
    lists: tuple[tuple[list[User], dict[str, Any]], ...] = (
        ([MANAGER, role("finance")], {}),
        ([OWNER, user(people[2])], {"mode": "parallel"}),
        ([role("finance")], {"mode": "parallel", "quorum": 2}),
    )
    approvers, config = chance.choice(lists)
    run = stage.begin(asking(*approvers, **config), triggered_by=chance.choice([None, *people]))
    for _ in range(14):
        rows = stage.approvals(run)
        if not rows:
            break
        row, person = chance.choice(rows), chance.choice(people)
        way, action = chance.choice(("api", "page", "cli", "link", "sql")), chance.choice(tuple(ANSWERS))
        before = {each["id"]: each["status"] for each in rows}
        answer = ways.all[way](row["id"], person, action)
        after = {each["id"]: each["status"] for each in stage.approvals(run)}
        may = person == row["approver_id"] and way != "sql"
        if answer == "decided":
            assert may
            assert before[row["id"]] == "pending"
            assert after == before | {row["id"]: ANSWERS[action]}
        else:
            assert after == before
            assert answer != "known" or (may and before[row["id"]] != "pending")
        if chance.random() < 0.6:
            stage.tick(minutes=1)
            words_count(stage, run)
    words_count(stage, run)


def words_count(stage: ApprovalStage, run: UUID) -> None:
    """Nobody decided for themselves, nobody twice in a stage, and a run went on by nothing but approvals."""
    rows = stage.approvals(run)
    decided = [row for row in rows if row["status"] in {"approved", "rejected"}]
    for row in decided:
        assert row["decided_by"] == row["approver_id"] != row["requester_id"]
        assert row["decided_via"] in {"api", "page", "cli", "link"}
    stages = [(row["sequence_order"], row["approver_id"]) for row in decided]
    assert len(stages) == len(set(stages))
    if stage.runs.status(run) == "completed":
        assert decided
        assert {row["status"] for row in decided} <= {"approved", "rejected"}
        assert any(row["status"] == "approved" for row in decided)
    assert all(row["approver_id"] != row["requester_id"] for row in rows)
