"""The local stack and the command line as an operator uses them: other processes, real sockets, real signals."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from cli.samples.outcomes import read_outcomes
from crm_relay.platform.database import Database
from local.demo.sample_data import insert_customers
from tests.conftest import ROOT
from tests.support.platform.rows import rows_of
from tests.support.processes.commands import Commands

COMMAND = str(Path(sys.executable).with_name("crm-relay"))
STARTUP_SECONDS = 60


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """`crm-relay up`, with 1,000 sample customers; ended by SIGTERM, which it has to obey."""
    stack_file = tmp_path_factory.mktemp("stack") / "stack.json"
    environment = {**os.environ, "CRM_RELAY_STACK_FILE": str(stack_file)}
    log = stack_file.with_name("up.log").open("wb")
    process = subprocess.Popen([COMMAND, "up", "--port", "0"], cwd=ROOT, env=environment, stdout=log, stderr=log)
    until = time.monotonic() + STARTUP_SECONDS
    while not stack_file.exists():
        assert process.poll() is None, stack_file.with_name("up.log").read_text()
        assert time.monotonic() < until, "the stack did not come up"
        time.sleep(0.1)
    description = json.loads(stack_file.read_text())
    database = Database(description["database_url"])
    insert_customers(database, 1000)
    database.close()
    with Commands(environment | {"COLUMNS": "120"}) as commands:
        yield {**description, "stack_file": str(stack_file), "commands": commands}
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert not stack_file.exists()


def crm_relay(stack: dict[str, Any], *arguments: str) -> subprocess.CompletedProcess[str]:
    """One command against the running stack."""
    done: subprocess.CompletedProcess[str] = stack["commands"].run(*arguments)
    return done


def as_json(done: subprocess.CompletedProcess[str]) -> Any:
    """What the command said on standard output, which must be JSON and nothing else."""
    return json.loads(done.stdout)


def test_the_stack_tells_where_everything_is(stack: dict[str, Any]) -> None:
    assert {"base_url", "database_url", "aws_endpoint_url", "admin_token", "simulators", "pid"} <= set(stack)
    assert stack["base_url"].startswith("http://127.0.0.1:")
    assert requests.get(f"{stack['simulators']['mautic']}/_simulator/state", timeout=10).status_code == 200


def test_an_operator_goes_from_preview_to_sync_to_why(stack: dict[str, Any]) -> None:
    preview = crm_relay(stack, "mautic", "sync", "--dry-run", "--json")
    assert preview.returncode == 0
    planned = as_json(preview)["actions"]["create"]

    first = crm_relay(stack, "mautic", "sync", "--json")
    answer = as_json(first)
    refused_by_mautic = sum("Mautic refused" in each["reason"] for each in answer["errors"])
    assert answer["contacts_created"] == planned - refused_by_mautic
    assert first.returncode == 1, "some sample customers have impossible addresses"

    second = crm_relay(stack, "mautic", "sync", "--full", "--json")
    assert (second.returncode, as_json(second)["contacts_synced"]) == (0, 0)

    explained = as_json(crm_relay(stack, "why", "1", "--json"))
    assert explained["customers"][0]["reason"] == "unchanged"
    assert crm_relay(stack, "why", "nobody@example.com").returncode == 1


@pytest.mark.parametrize("source", ["mautic", "bison", "resend"])
def test_a_sample_delivery_is_accepted_and_kept(stack: dict[str, Any], source: str) -> None:
    sent = as_json(crm_relay(stack, "webhook", "send", source, "--json"))

    assert sent["status"] == 200
    assert json.loads(sent["answer"])["success"] is True
    database = Database(stack["database_url"])
    kept = rows_of(database, "select id from webhook_inbox where source = :source", source=source)
    database.close()
    assert kept


def test_a_sample_delivery_with_a_wrong_secret_is_refused(stack: dict[str, Any], tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.env"
    wrong.write_text(f"PUBLIC_URL={stack['base_url']}\nMAUTIC_WEBHOOK_SECRET=not-the-secret-of-the-stack\n")
    event = ROOT / "events" / "mautic_webhook" / "unsubscribe.json"

    sent = crm_relay(stack, "webhook", "send", "mautic", "--event", str(event), "--env-file", str(wrong), "--json")

    assert (sent.returncode, as_json(sent)["status"]) == (1, 401)


def test_a_manual_run_over_http_needs_the_admin_token(stack: dict[str, Any]) -> None:
    url = f"{stack['base_url']}/api/sync/mautic"

    assert requests.post(url, timeout=30).status_code == 401
    assert requests.post(url, headers={"authorization": "Bearer wrong"}, timeout=30).status_code == 401
    assert requests.get(url, timeout=30).status_code == 405
    accepted = requests.post(url, headers={"authorization": f"Bearer {stack['admin_token']}"}, timeout=60)
    assert accepted.status_code == 200
    assert accepted.json()["success"] is True


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"full": 3}', b'{"after": "x"}'])
def test_a_manual_run_refuses_a_body_that_it_does_not_understand(stack: dict[str, Any], body: bytes) -> None:
    headers = {"authorization": f"Bearer {stack['admin_token']}", "content-type": "application/json"}

    answer = requests.post(f"{stack['base_url']}/api/sync/mautic", data=body, headers=headers, timeout=30)

    assert answer.status_code == 400
    assert answer.json()["error"]


def test_a_consent_is_recorded_exported_and_imported(stack: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "ledger.csv"

    assert crm_relay(stack, "consent", "grant", "customer12@example.com", "--evidence", "form 12").returncode == 0
    assert crm_relay(stack, "consent", "export", str(file)).returncode == 0
    again = crm_relay(stack, "consent", "import", str(file), "--json")

    # The sample customers who may not be contacted, and this consent.
    lines = file.read_text().splitlines()[1:]
    assert [line.split(",")[2:4] for line in lines if ",crm," not in line] == [["consent", "operator"]]
    assert as_json(again) == {"new": 0, "known": len(lines), "bad_lines": []}
    ledger = as_json(crm_relay(stack, "why", "customer12@example.com", "--json"))["ledger"]
    assert [entry["kind"] for entry in ledger] == ["consent"]


def test_setup_finds_the_stacks_mautic_prepared_and_its_webhook_delivering(stack: dict[str, Any]) -> None:
    done = crm_relay(stack, "mautic", "setup", "--json")

    answer = as_json(done)
    assert (done.returncode, answer["to_do"]) == (0, [])
    assert answer["webhook"] == f"{stack['base_url']}/webhooks/mautic"
    assert answer["test_event"]["arrived"]
    assert as_json(crm_relay(stack, "mautic", "setup", "--dry-run", "--json"))["to_do"] == []


def test_the_doctor_finds_a_healthy_stack_healthy(stack: dict[str, Any]) -> None:
    done = crm_relay(stack, "doctor", "--json")

    assert [check for check in as_json(done) if check["verdict"] == "wrong"] == []
    assert done.returncode == 0


def test_nothing_is_deferred_and_no_migration_is_missing(stack: dict[str, Any]) -> None:
    assert as_json(crm_relay(stack, "deferred", "list", "--json")) == []
    assert as_json(crm_relay(stack, "deferred", "replay", "--json"))["sent"] == 0
    assert crm_relay(stack, "migrate", "--dry-run").returncode == 0
    invoked = crm_relay(stack, "invoke", "migrate", "--event", "events/migrate/dry_run.json")
    assert as_json(invoked)["applied"] == []


def test_every_sample_event_ends_as_its_case_says(stack: dict[str, Any]) -> None:
    for _ in range(2):
        done = crm_relay(stack, "invoke", "all", "--samples", "--json")
        cases = as_json(done)
        assert [each for each in cases if each["wrong"]] == []
        assert len(cases) == len(read_outcomes())
        assert done.returncode == 0, done.stderr


def test_a_sample_that_does_not_end_so_is_exit_1(stack: dict[str, Any]) -> None:
    done = crm_relay(stack, "invoke", "resend_webhook", "--event", "delivered", "--as-is")

    assert (done.returncode, as_json(done)["statusCode"]) == (1, 401)
    assert done.stderr.splitlines()[-1] == ("crm-relay: resend_webhook/delivered: answered 401, and the case says 200")


def test_a_link_into_another_database_is_not_made_up(stack: dict[str, Any], tmp_path: Path) -> None:
    other = tmp_path / "other.env"
    other.write_text(f"DATABASE_URL={stack['database_url']}\n")  # not by the address that the stack's functions have

    done = crm_relay(stack, "invoke", "approvals", "--event", "approve", "--env-file", str(other))

    assert (done.returncode, done.stdout) == (2, "")
    assert "--token" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["invoke", "no_such_function"],
        ["invoke", "migrate", "--event", "nowhere.json"],
        ["consent", "grant", "nobody"],
        ["nonsense"],
        ["why"],
    ],
    ids=" ".join,
)
def test_wrong_use_is_exit_2(stack: dict[str, Any], arguments: list[str]) -> None:
    assert crm_relay(stack, *arguments).returncode == 2


def test_without_a_stack_and_settings_a_command_says_how_to_get_one(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "CRM_RELAY_STACK_FILE": str(tmp_path / "none.json")}

    done = subprocess.run(
        [COMMAND, "mautic", "sync"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 2
    assert "run `make up`" in done.stderr
    assert (done.stdout, len(done.stderr.splitlines())) == ("", 1)


def test_the_demo_holds_every_expectation_and_leaves_nothing_running() -> None:
    done = subprocess.run(
        [COMMAND, "demo", "--once", "--customers", "1000", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=170,
    )

    summary = as_json(done)
    assert [line for line in summary["lines"] if not line["holds"]] == []
    assert len(summary["lines"]) > 15
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if not line.startswith("· ")] == []
