"""`crm-relay workflow …` as an operator and as a script use it: what is printed, as JSON too, and exit codes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner

from cli.main import app
from crm_relay.workflows.operations.steer import RunChange, change_runs
from tests.support.function_settings import WITHOUT_AWS
from tests.support.workflows.rounds import WON, play, published, won_deal
from tests.support.workflows.run_harness import RunHarness

WAIT = {"type": "wait", "config": {"days": 1}}
BROKEN = {"type": "create_task", "config": {"title": "Call", "dueDate": "{{deal.name}}"}}
"""Fails: the name of a deal is no date."""


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    for name, value in (WITHOUT_AWS | {"DATABASE_URL": database_url}).items():
        monkeypatch.setenv(name, value)


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["workflow", *arguments], env={"COLUMNS": "250"})


def asked(*arguments: str) -> tuple[int, Any]:
    """Exit code and answer of `crm-relay workflow … --json`."""
    done = invoke(*arguments, "--json")
    assert done.stdout, done.stderr
    return done.exit_code, json.loads(done.stdout)


def written(folder: Path, given: Mapping[str, Any] | str) -> str:
    path = folder / "workflow.json"
    path.write_text(given if isinstance(given, str) else json.dumps(given))
    return str(path)


def with_actions(*actions: Mapping[str, Any], name: str = "Deal won") -> dict[str, Any]:
    return {**WON, "name": name, "definition": {**WON["definition"], "actions": list(actions)}}


def run_of(runs: RunHarness, workflow: UUID) -> str:
    return str(runs.one("select id from workflow_executions where workflow_id = :id", id=workflow)["id"])


def test_an_operator_goes_from_a_file_to_a_run_and_back(runs: RunHarness, tmp_path: Path) -> None:
    code, made = asked("create", written(tmp_path, WON))
    assert (code, made["name"], made["problems"], made["is_active"]) == (0, "Deal won", [], False)
    code, live = asked("publish", "Deal won")
    assert (code, live) == (
        0,
        {
            "id": made["id"],
            "name": "Deal won",
            "version": 1,
            "changed": True,
            "is_heard": True,
            "listens_since": live["listens_since"],
        },
    )
    deal = won_deal(runs)
    play(runs)

    code, listed = asked("list")
    assert (code, listed[0]["runs"], listed[0]["active_version"]) == (0, {"completed": 1}, 1)
    code, (line,) = asked("list", "Deal won", "--status", "completed")
    assert (code, line["status"], line["entity_id"], line["steps_done"]) == (0, "completed", str(deal), 4)
    code, shown = asked("show", line["id"])
    assert (code, [each["status"] for each in shown["steps"]]) == (0, ["completed"] * 4)
    assert shown["steps"][0]["actions"][0]["mail"]["status"] == "sent"
    assert shown["start"]["explanation"][0]["actual"] == 5000

    code, why = asked("why", "deal", str(deal))
    assert (code, why["exists"], why["workflows"][0]["answer"]) == (0, True, "started")
    assert asked("deactivate", made["id"]) == (0, {"id": made["id"], "changed": True})
    code, shown = asked("show", "Deal won")
    assert (code, shown["workflow"]["is_active"], [each["version"] for each in shown["versions"]]) == (0, False, [1])


@pytest.mark.parametrize("words", [("list",), ("list", "Deal won"), ("show", "Deal won"), ("why", "deal", "{deal}"),
                                   ("show", "{run}")])  # fmt: skip
def test_what_is_reported_is_fit_to_be_read(runs: RunHarness, words: tuple[str, ...]) -> None:
    workflow = published(runs.db)
    deal = won_deal(runs)
    play(runs)
    known = {"deal": str(deal), "run": run_of(runs, workflow)}
    done = invoke(*(word.format(**known) for word in words))
    assert done.exit_code == 0, done.output
    assert "Deal won" in done.stdout
    assert not done.stdout.lstrip().startswith("{")


def test_a_start_by_hand_passes_the_gates_or_says_which_refused(runs: RunHarness) -> None:
    published(runs.db)
    rich = str(runs.deal(value=5000, lead_contact_id=runs.contact(), owner_id=runs.person()))
    poor = str(runs.deal(value=1))
    code, started = asked("start", "Deal won", rich)
    assert (code, started["verdict"]) == (0, "started")
    assert runs.execution(UUID(started["execution_id"]))["trigger_event"] == {"kind": "manual", "by": "operator"}
    code, again = asked("start", "Deal won", rich)
    assert (code, again["verdict"], again["reason"]) == (1, "not_started", "re_entry")
    code, refused = asked("start", "Deal won", poor)
    assert (code, refused["reason"], refused["explanation"][0]["actual"]) == (1, "conditions", 1)
    play(runs)
    assert [asked("start", "Deal won", rich, "--key", "17")[1]["verdict"] for _ in range(2)] == ["started", "known"]


def test_why_says_which_gate_refused(runs: RunHarness) -> None:
    published(runs.db)
    deal = str(won_deal(runs, value=250))
    play(runs)
    code, why = asked("why", "deal", deal, "--workflow", "Deal won")
    assert (code, why["workflows"][0]["decisions"][0]["reason"]) == (1, "conditions")
    text = invoke("why", "deal", deal).stdout
    assert "value gte 1000: is 250.0, does not hold" in text
    assert "if started now" in text


def test_runs_and_workflows_are_paused_resumed_cancelled(runs: RunHarness) -> None:
    workflow = published(runs.db, with_actions(WAIT))
    won_deal(runs)
    play(runs)
    run = run_of(runs, workflow)
    assert asked("pause", "--run", run) == (0, {"runs": 1, "changed": [run], "refused": {}})
    assert asked("pause", "--run", run) == (1, {"runs": 0, "changed": [], "refused": {run: "is paused"}})
    assert asked("resume", "--run", run)[0] == 0
    assert asked("pause", "Deal won", "--reason", "Holidays\nall week") == (
        0, {"id": str(workflow), "changed": True},
    )  # fmt: skip
    code, (line,) = asked("list")
    assert (code, line["paused_reason"]) == (1, "Holidays all week")
    assert asked("resume", "Deal won")[1]["changed"] is True
    assert asked("resume", "Deal won")[1]["changed"] is False
    assert asked("cancel", "Deal won") == (0, {"runs": 1, "changed": [run], "refused": {}})
    assert runs.status(UUID(run)) == "cancelled"
    assert {row["by"] for row in runs.rows(
        "select data ->> 'by' as by from workflow_execution_logs where data ? 'by'")} == {"operator"}  # fmt: skip


def test_failed_runs_are_retried_from_the_step_that_failed(runs: RunHarness) -> None:
    mail = WON["definition"]["actions"][0]
    workflow = published(runs.db, with_actions(mail, BROKEN))
    deal = won_deal(runs)
    play(runs)
    run = run_of(runs, workflow)
    assert runs.status(UUID(run)) == "failed"
    assert asked("list", "--status", "failed")[0] == 1
    assert asked("show", run)[0] == 1
    runs.rows("update deals set name = '2026-12-24' where id = :id returning id", id=deal)
    assert asked("retry", "Deal won") == (0, {"runs": 1, "changed": [run], "refused": {}})
    play(runs)
    assert (runs.status(UUID(run)), runs.got()) == ("completed", 1)
    assert asked("retry", "--run", run)[1]["refused"] == {run: "is completed"}


def test_more_runs_than_a_batch_has_are_cancelled(runs: RunHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crm_relay.workflows.operations.steer.MOST_AT_ONCE", 2)
    workflow = published(runs.db, with_actions(WAIT))
    owner = runs.person()
    for place in range(5):
        won_deal(runs, contact=runs.contact(f"c{place}"), owner=owner)
    play(runs)
    assert change_runs(runs.db, RunChange.PAUSE, runs.now, workflow_id=workflow).has_more
    code, done = asked("cancel", "Deal won")
    assert (code, done["runs"]) == (0, 5)


def test_one_round_runs_what_is_due(runs: RunHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    from workflow_cron.wiring import installation

    settings = {
        "EMAIL_FROM": "CRM <crm@example.com>", "PUBLIC_URL": "https://crm.example.com", "RESEND_API_KEY": "re_key",
        "RESEND_API_URL": runs.sim.url, "RESEND_WEBHOOK_SECRET": "whsec_c2VjcmV0",
    }  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    installation.forget()
    workflow = published(runs.db)
    won_deal(runs)
    try:
        code, done = asked("run")
    finally:
        installation.forget()
    assert (code, done["success"], done["finished"]) == (0, True, True), done
    assert runs.status(UUID(run_of(runs, workflow))) == "completed"


def test_a_draft_is_replaced_and_its_problems_are_listed(runs: RunHarness, tmp_path: Path) -> None:
    published(runs.db)
    wrong = {**WON, "definition": {**WON["definition"], "conditions": [{"field": "nothing", "operator": "is_null"}]}}
    code, saved = asked("create", written(tmp_path, wrong), "--replace", "Deal won")
    assert (code, len(saved["problems"])) == (1, 1)
    refused = invoke("publish", "Deal won")
    assert (refused.exit_code, "nothing" in refused.stderr) == (2, True)
    yaml = tmp_path / "workflow.yaml"
    yaml.write_text("name: From YAML\nentityType: deal\ntriggers: [{type: manual}]\n"
                    "actions: [{type: create_task, config: {title: Ring}}]\n")  # fmt: skip
    assert asked("create", str(yaml))[0] == 0


@pytest.mark.parametrize(
    "words",
    [
        ("publish", "Nothing"),
        ("deactivate", "Nothing"),
        ("pause", "Nothing"),
        ("resume", "Nothing"),
        ("cancel", "Nothing"),
        ("retry", "Nothing"),
        ("start", "Nothing", str(uuid4())),
        ("show", "Nothing"),
        ("show", str(uuid4())),
        ("list", "Nothing"),
        ("why", "deal", str(uuid4())),
        ("why", "planet", str(uuid4())),
        ("why", "deal", "not-an-id"),
        ("pause",),
        ("pause", "Nothing", "--run", str(uuid4())),
        ("cancel",),
        ("publish", "'; drop table workflows; --"),
        ("create", "/nowhere/workflow.json"),
    ],
)
def test_what_is_not_there_is_wrong_use(runs: RunHarness, words: tuple[str, ...]) -> None:
    done = invoke(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("text", ["", "[]", "{", '{"name": "No"}', '{"name": "\\u0000", "entityType": "deal"}'])
def test_a_file_that_is_no_workflow_is_refused(runs: RunHarness, tmp_path: Path, text: str) -> None:
    done = invoke("create", written(tmp_path, text))
    assert (done.exit_code, done.stdout) == (2, "")
    assert runs.one("select count(*) as n from workflows")["n"] == 0


def test_a_name_that_two_organizations_use_needs_the_organization(runs: RunHarness) -> None:
    other = UUID(str(runs.one("insert into organizations (name) values ('Other') returning id")["id"]))
    published(runs.db)
    published(runs.db, org_id=other)
    assert invoke("deactivate", "Deal won").exit_code == 2
    assert asked("deactivate", "Deal won", "--organization", str(other))[0] == 0
    assert [each["org_id"] for each in asked("list", "--organization", str(other))[1]] == [str(other)]


def test_an_operator_records_and_rehearses_a_draft(runs: RunHarness, tmp_path: Path) -> None:
    code, made = asked("create", written(tmp_path, WON))
    assert (code, made["is_recorded"]) == (0, True)
    deal = won_deal(runs)
    code, said = asked("rehearse", "Deal won")
    assert (code, said["starts"]["started"], said["effects"][0]["entity_id"]) == (0, 1, str(deal))
    shown = invoke("rehearse", "Deal won")
    assert shown.exit_code == 0
    for words in ("Rehearsal of Deal won", "complete from", "contacts with e-mails", "send_email"):
        assert words in shown.stdout
    code, recorded = asked("watch")
    assert (code, {each["field"] for each in recorded}) == (0, {"deals.status", "deals.stage"})
    assert "Deal won" in invoke("watch").stdout
    assert asked("watch", "deals.value")[1]["changed"]
    assert asked("watch", "deals.value", "--stop") == (0, {"field": "deals.value", "changed": True, "since": None})
    assert asked("watch", "--workflow", "Deal won", "--stop")[1]["changed"]
    assert asked("rehearse", "Deal won")[0] == 1, "nothing is recorded"
    assert asked("watch", "--workflow", "Deal won")[1]["is_recorded"]
    assert invoke("watch", "deals.value", "--workflow", "Deal won").exit_code == 2
    assert invoke("watch", "no_table.value").exit_code == 2
