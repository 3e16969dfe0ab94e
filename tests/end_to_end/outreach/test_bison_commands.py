"""`crm-relay bison …` as an operator uses it, against the simulated EmailBison of a running stack."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from crm_relay.platform.database import Database
from local.simulated import WORKSPACES
from tests.end_to_end.cli.test_command_line import as_json, crm_relay, stack
from tests.support.platform.rows import one, rows_of

__all__ = ["stack"]

ACCOUNTS = 22
MONTH = f"{datetime.now(UTC):%Y-%m}"


@pytest.fixture
def database(stack: dict[str, Any]) -> Iterator[Database]:
    database = Database(stack["database_url"])
    yield database
    database.close()


def bison(stack: dict[str, Any], *arguments: str) -> tuple[int, Any]:
    """Exit code and answer of `crm-relay bison … --json`."""
    done = crm_relay(stack, "bison", *arguments, "--json")
    assert done.stdout, done.stderr
    return done.returncode, as_json(done)


def control(stack: dict[str, Any], name: str, **payload: Any) -> Any:
    """Something that an owner does, or that befalls an account."""
    answer = requests.post(f"{stack['simulators']['bison']}/_simulator/{name}", json=payload, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


def api(stack: dict[str, Any], workspace: str, method: str, path: str) -> Any:
    token = json.loads(stack["environment"]["BISON_API_TOKENS"])[workspace]
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    return requests.request(method, stack["simulators"]["bison"] + path, headers=headers, timeout=30).json()


def account(stack: dict[str, Any], workspace: str, place: int) -> int:
    return int(api(stack, workspace, "GET", "/api/sender-emails")["data"][place]["id"])


def alerts_about(stack: dict[str, Any], words: str) -> int:
    """Messages in Slack with these words."""
    messages = requests.get(f"{stack['simulators']['slack']}/_simulator/messages", timeout=30).json()["messages"]
    return sum(words in str(message) for message in messages)


def test_a_stack_begins_with_its_webhooks_registered_and_delivering(stack: dict[str, Any]) -> None:
    code, rows = bison(stack, "webhooks", "ensure")

    assert (code, [row["workspace"] for row in rows]) == (0, list(WORKSPACES))
    assert all(row == {**row, "webhook": "kept", "arrived": True, "trouble": None} for row in rows)


def test_a_webhook_that_is_gone_is_found_by_the_doctor_and_made_anew(stack: dict[str, Any]) -> None:
    hooks = api(stack, "Contoso", "GET", "/api/webhook-url")["data"]
    api(stack, "Contoso", "DELETE", f"/api/webhook-url/{hooks[0]['id']}")

    checks = {check["what"]: check["verdict"] for check in as_json(crm_relay(stack, "doctor", "--json"))}
    planned = bison(stack, "webhooks", "ensure", "--workspace", "Contoso", "--dry-run")
    made = bison(stack, "webhooks", "ensure", "--workspace", "Contoso")

    assert (checks["emailbison Contoso"], checks["emailbison Northwind"]) == ("wrong", "good")
    assert (planned[0], planned[1][0]["webhook"]) == (1, "created")
    assert (made[0], made[1][0]["webhook"], made[1][0]["arrived"]) == (0, "created", True)
    assert len(api(stack, "Contoso", "GET", "/api/webhook-url")["data"]) == 1


def test_a_poll_reads_every_account_and_a_lost_one_is_told_once(stack: dict[str, Any], database: Database) -> None:
    polled = bison(stack, "poll")[1]["workspaces"]
    assert sorted(polled, key=lambda each: str(each["workspace_name"])) == [
        {"workspace_name": name, "pages": 2, "accounts": ACCOUNTS, "removed": 0, "is_complete": True}
        for name in sorted(WORKSPACES)
    ]
    control(stack, "act", account_id=account(stack, "Fabrikam", 0), action="disconnect")

    codes = [bison(stack, "poll", "--workspace", "Fabrikam")[0] for _ in range(2)]

    assert codes == [0, 0]
    assert alerts_about(stack, "disconnected in workspace Fabrikam") == 1
    found = one(database, "select count(*)::integer as n from sender_emails_cache where status <> 'Connected'")
    assert found["n"] == 1


def test_a_replay_counts_first_and_changes_nothing_that_counted(stack: dict[str, Any], database: Database) -> None:
    for action in ("send_email", "reply", "unsubscribe"):
        control(stack, "act", account_id=account(stack, "Northwind", 1), action=action)
    before = rows_of(database, "select * from client_metrics order by workspace_name")
    selection = ("--since", "2h", "--workspace", "Northwind", "--type", "LEAD_REPLIED")

    counted = bison(stack, "replay", *selection, "--dry-run")
    replayed = bison(stack, "replay", *selection)
    failed = bison(stack, "replay", "--failed")

    assert counted == (0, {"deliveries": 1, "waiting": 0})
    assert (replayed[0], replayed[1]["duplicates"], replayed[1]["processed"]) == (0, 1, 0)
    assert failed == (0, {"deliveries": 0, "waiting": 0})
    assert rows_of(database, "select * from client_metrics order by workspace_name") == before


def test_counters_are_made_anew_from_their_log(stack: dict[str, Any], database: Database) -> None:
    control(stack, "act", account_id=account(stack, "Northwind", 2), action="send_email")
    rows_of(
        database, "update client_metrics set emails_sent_mtd = emails_sent_mtd + 5 where workspace_name = 'Northwind'"
    )

    looked = bison(stack, "rebuild-metrics", "--month", MONTH, "--dry-run")
    mended = bison(stack, "rebuild-metrics", "--month", MONTH)

    assert (looked[0], len(looked[1]), looked[1][0]["metric"]) == (1, 1, "emails_sent_mtd")
    assert looked[1][0]["counted"] - looked[1][0]["logged"] == 5
    assert mended == (0, looked[1])
    assert bison(stack, "rebuild-metrics", "--month", MONTH, "--dry-run") == (0, [])


def test_what_no_webhook_told_is_found_by_comparing_totals(stack: dict[str, Any], database: Database) -> None:
    compare = ("reconcile", "--workspace", "Contoso", "--settle-minutes", "0")
    assert bison(stack, "poll", "--workspace", "Contoso")[0] == 0
    assert [bison(stack, *compare) for _ in range(2)] == [(0, [])] * 2
    lost = account(stack, "Contoso", 3)
    control(stack, "act", account_id=lost, action="send_email", options={"silent": True})
    assert bison(stack, "poll", "--workspace", "Contoso")[0] == 0
    assert bison(stack, *compare) == (0, []), "the new totals are noted first"

    looked, filled = bison(stack, *compare, "--dry-run"), bison(stack, *compare)

    missing = [{"workspace": "Contoso", "account_id": lost, "metric": "emails_sent_mtd", "missing": 1}]
    assert looked == filled == (1, missing)
    counted = one(
        database, "select sum(emails_sent_mtd)::integer as n from client_metrics where workspace_name = 'Contoso'"
    )
    assert counted["n"] == 1


@pytest.mark.parametrize(
    ("name", "status"), [("lead_interested", 200), ("wrapped", 200), ("unknown", 200), ("wrong_token", 401)]
)
def test_a_sample_event_is_understood_by_the_stack(stack: dict[str, Any], name: str, status: int) -> None:
    done = crm_relay(stack, "invoke", "bison_webhook", "--event", f"events/bison_webhook/{name}.json")

    assert as_json(done)["statusCode"] == status


@pytest.mark.parametrize("name", ["bison_poll/one_workspace", "bison_poll/schedule", "provider_report/schedule"])
def test_a_schedules_sample_event_makes_a_round(stack: dict[str, Any], name: str) -> None:
    done = crm_relay(stack, "invoke", name.partition("/")[0], "--event", f"events/{name}.json")

    assert as_json(done)["success"] is True


@pytest.mark.parametrize(
    "arguments",
    [
        ["poll", "--workspace", "Nobodys"],
        ["replay", "--since", "yesterday"],
        ["replay", "--since", "99999999999h"],
        ["rebuild-metrics", "--month", "November"],
        ["rebuild-metrics"],
    ],
    ids=" ".join,
)
def test_wrong_use_is_exit_2(stack: dict[str, Any], arguments: list[str]) -> None:
    assert crm_relay(stack, "bison", *arguments).returncode == 2
