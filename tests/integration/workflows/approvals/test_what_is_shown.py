"""Approvals in the timeline of a run, in `why`, and on a terminal."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from cli.main import app
from crm_relay.workflows.approvals.models import ApprovalAction, Way
from crm_relay.workflows.models import EntityType
from crm_relay.workflows.overview.show_run import show_run
from crm_relay.workflows.overview.why import why_record
from tests.support.function_settings import WITHOUT_AWS
from tests.support.workflows.approval_stage import MANAGER, ApprovalStage, asking
from tests.support.workflows.run_harness import RunHarness

PLAIN = {"COLUMNS": "250"}


@pytest.fixture
def stage(runs: RunHarness, monkeypatch: pytest.MonkeyPatch, database_url: str) -> ApprovalStage:
    for name, value in (WITHOUT_AWS | {"DATABASE_URL": database_url}).items():
        monkeypatch.setenv(name, value)
    runs.time[0] = datetime.now(UTC)
    return ApprovalStage(runs)


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), env=PLAIN)


def test_the_timeline_has_who_was_asked_and_what_they_said(stage: ApprovalStage) -> None:
    eve = stage.person("eve")
    run = stage.begin(asking(MANAGER))
    stage.runs.wait(minutes=1)
    stage.delegate(run, stage.max, eve)
    stage.decide(stage.pending(run, eve), ApprovalAction.APPROVE, eve, way=Way.CLI)
    stage.tick(minutes=1)
    step, _ = show_run(stage.runs.db, run).steps
    assert [(each.approver_name, each.status, each.came_by) for each in step.approvals] == [
        ("Max", "delegated", "self"), ("Eve", "approved", "delegation"),
    ]  # fmt: skip
    lines = [line.message for line in step.logs]
    assert sorted(lines) == sorted(
        ("approval asked", "approval waiting", "approval delegated", "approval asked", "approval approved",
         "approval completed")
    )  # fmt: skip
    shown = invoke("workflow", "show", str(run)).stdout
    assert all(word in shown for word in ("delegation", "delegated", "(cli)"))


def test_why_says_for_whose_approval_a_record_waits(stage: ApprovalStage) -> None:
    stage.begin(asking(MANAGER))
    (known,) = why_record(stage.runs.db, (EntityType.DEAL, stage.deal), stage.runs.now).workflows
    assert [each.approver_name for each in known.approvals] == ["Max"]
    assert "It waits for the approval of Max since " in known.because


def test_the_command_line_lists_shows_and_decides(stage: ApprovalStage) -> None:
    eve = stage.person("eve")
    run = stage.begin(asking(MANAGER))
    asked = str(stage.pending(run, stage.max))
    listed = invoke("approval", "list")
    assert (listed.exit_code, asked[:8] in listed.stdout, "Max" in listed.stdout) == (1, True, True)
    assert invoke("approval", "list", "--of", "eve@relay.example", "--json").stdout.strip() == "[]"
    assert json.loads(invoke("approval", "show", asked, "--json").stdout)["title"] == "Engine"
    assert "Engine" in invoke("approval", "show", asked).stdout
    handed = invoke("approval", "delegate", asked, "--as", "max@relay.example", "--to", str(eve), "--json")
    assert (handed.exit_code, json.loads(handed.stdout)["status"]) == (0, "delegated")
    stage.tick(minutes=1)
    mine = str(stage.pending(run, eve))
    stranger = invoke("approval", "reject", mine, "--as", str(stage.max), "--json")
    assert (stranger.exit_code, "asked of somebody else" in json.loads(stranger.stdout)["error"]) == (2, True)
    done = invoke("approval", "reject", mine, "--as", "eve@relay.example", "--notes", "No", "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"id": mine, "status": "rejected", "changed": True})
    again = invoke("approval", "approve", mine, "--as", "eve@relay.example", "--json")
    assert (again.exit_code, json.loads(again.stdout)["status"]) == (1, "rejected")
    assert invoke("approval", "list").exit_code == 0
    assert len(json.loads(invoke("approval", "list", "--all", "--json").stdout)) == 2


@pytest.mark.parametrize("command", ["approve", "reject"])
def test_who_and_what_is_unknown_is_wrong_use(stage: ApprovalStage, command: str) -> None:
    run = stage.begin(asking(MANAGER))
    asked = str(stage.pending(run, stage.max))
    assert invoke("approval", command, asked, "--as", "nobody@example.com").exit_code == 2
    assert invoke("approval", command, str(uuid4()), "--as", "max@relay.example").exit_code == 2
    assert invoke("approval", command, asked, "--as", "max@relay.example", "--notes", "x" * 2001).exit_code == 2
