"""Holds the simulated EmailBison's API to what vendor and public clients say of it, fact by fact, over real HTTP."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from local.simulators.bison import BisonSimulator
from local.simulators.bison.api.shapes import API_COUNTERS
from tests.contract.providers.bison.bison_stage import BisonStage, kinds, stage
from tests.contract.providers.mautic.mautic_receiver import HookReceiver, receiver


@pytest.fixture
def made() -> Iterator[BisonStage]:
    with stage() as ready:
        yield ready


@pytest.fixture
def sink(made: BisonStage) -> Iterator[HookReceiver]:
    """Told of everything that happens in `one`."""
    with receiver() as seen:
        made.sim.hook(made.one, seen.url)
        yield seen


# --- tokens and workspaces --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer 9|nobody"}, {"Authorization": "Basic eA=="}])
def test_without_a_valid_token_an_api_client_gets_401_and_a_browser_the_login_page(
    made: BisonStage, header: dict[str, str]
) -> None:
    refused = made.call("GET", "/api/sender-emails", headers={"Accept": "application/json", **header})
    assert (refused.status_code, refused.json()) == (401, {"message": "Unauthenticated."})

    redirected = made.call("GET", "/api/sender-emails", headers=header)
    assert (redirected.status_code, redirected.headers["Location"]) == (302, f"{made.sim.url}/login")
    followed = made.call("GET", "/api/sender-emails", headers=header, allow_redirects=True)
    assert (followed.status_code, followed.headers["Content-Type"][:9]) == (200, "text/html")


def test_an_api_user_token_is_bound_to_its_workspace(made: BisonStage) -> None:
    assert re.fullmatch(r"\d+\|\w{40,}", made.one.token)
    assert made.get("/api/sender-emails")["meta"]["total"] == 40
    assert made.get("/api/sender-emails", made.two.token)["meta"]["total"] == 3
    switched = made.call("POST", "/api/workspaces/v1.1/switch-workspace", json={"team_id": made.two.id})
    assert switched.status_code == 403


def test_a_super_admin_switches_its_user_so_that_two_jobs_read_each_others_workspace(made: BisonStage) -> None:
    token, switch = made.sim.super_admin_token, "/api/workspaces/v1.1/switch-workspace"
    assert made.call("POST", switch, token, json={"team_id": made.one.id}).status_code == 200
    first_job = made.get("/api/sender-emails", token)
    made.call("POST", switch, token, json={"team_id": made.two.id})  # the second job
    assert first_job["meta"]["total"] == 40
    assert made.get("/api/sender-emails?page=2", token)["meta"]["total"] == 3


@pytest.mark.parametrize("body", [{"workspace_id": 1}, {"team_id": 99}])
def test_the_switch_wants_a_known_team_id(made: BisonStage, body: dict[str, int]) -> None:
    refused = made.call("POST", "/api/workspaces/v1.1/switch-workspace", made.sim.super_admin_token, json=body)
    assert (refused.status_code, list(refused.json()["errors"])) == (422, ["team_id"])


def test_a_super_admin_lists_workspaces_and_makes_tokens_for_them(made: BisonStage) -> None:
    token = made.sim.super_admin_token
    assert [item["name"] for item in made.get("/api/workspaces/v1.1", token)["data"]] == [made.one.name, made.two.name]
    path = f"/api/workspaces/v1.1/{made.two.id}/api-tokens"
    created = made.call("POST", path, token, json={"name": "relay"}).json()["data"]
    assert made.get("/api/sender-emails", created["plain_text_token"])["meta"]["total"] == 3
    assert made.call("POST", path, json={"name": "relay"}).status_code == 403


# --- accounts ---------------------------------------------------------------------------------------------------------


def test_a_page_has_fifteen_accounts_whatever_per_page_says(made: BisonStage) -> None:
    page = made.get("/api/sender-emails?per_page=100&page=2")
    assert len(page["data"]) == 15
    wanted = {"current_page": 2, "from": 16, "to": 30, "last_page": 3, "per_page": 15, "total": 40}
    assert wanted.items() <= page["meta"].items()
    assert {name: (link or "")[-7:] for name, link in page["links"].items()} == {
        "first": "?page=1",
        "last": "?page=3",
        "prev": "?page=1",
        "next": "?page=3",
    }
    last, behind = made.get("/api/sender-emails?page=3"), made.get("/api/sender-emails?page=4")
    assert (len(last["data"]), last["links"]["next"]) == (10, None)
    assert (behind["data"], behind["meta"]["from"]) == ([], None)


def test_an_account_has_the_fields_and_the_spelling_of_the_api(made: BisonStage) -> None:
    made.sim.send_email(made.account)
    shown = made.shown
    assert shown["emails_sent_count"] == shown["total_leads_contacted_count"] == 1
    assert set(API_COUNTERS.values()) | {"daily_limit", "warmup_enabled", "imap_server", "updated_at"} <= set(shown)
    assert (shown["status"], shown["type"]) == ("Connected", "Inbox")
    assert [tag["name"] for tag in shown["tags"]] == ["Gmail", "Zapmail"]
    assert set(shown["tags"][0]) == {"id", "name", "default"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000000Z", shown["created_at"])
    assert {item["status"] for item in made.get("/api/sender-emails", made.two.token)["data"]} == {"Disconnected"}


def test_accounts_are_found_by_word_and_tag(made: BisonStage) -> None:
    other = made.sim.add_accounts(made.one, 1, provider_tag="Outlook")[0]
    outlook = other.tags[0].id
    assert made.get(f"/api/sender-emails?tag_ids[]={outlook}")["meta"]["total"] == 1
    assert made.get(f"/api/sender-emails?excluded_tag_ids[]={outlook}")["meta"]["total"] == 40
    assert made.get(f"/api/sender-emails?search={other.email}")["data"][0]["id"] == other.id
    assert made.get("/api/sender-emails?without_tags=1")["meta"]["total"] == 0


def test_another_workspaces_account_is_not_found(made: BisonStage) -> None:
    path = f"/api/sender-emails/{made.account.id}"
    for method in ("GET", "PATCH", "DELETE"):
        refused = made.call(method, path, made.two.token, json={})
        assert refused.status_code == 404
        assert refused.json() == {"message": f"No query results for model [App\\Models\\SenderEmail] {made.account.id}"}


def test_an_account_can_be_changed_and_deleted(made: BisonStage, sink: HookReceiver) -> None:
    path = f"/api/sender-emails/{made.account.id}"
    assert made.call("PATCH", path, json={"daily_limit": 5}).json()["data"]["daily_limit"] == 5
    refused = made.call("PATCH", path, json={"daily_limit": "many"})
    text = "The daily limit field must be an integer."
    assert (refused.status_code, refused.json()) == (422, {"message": text, "errors": {"daily_limit": [text]}})
    assert made.call("DELETE", path).json()["data"]["success"] is True
    assert kinds(sink) == ["EMAIL_ACCOUNT_REMOVED"]
    assert made.call("GET", path).status_code == 404


def test_pages_shift_under_a_reader(made: BisonStage) -> None:
    accounts = made.sim.accounts_of(made.one)

    def first_vanishes(number: int) -> None:
        if number == 2:
            made.sim.delete_account(accounts[0])
            made.sim.add_account(made.one)

    def one_more(number: int) -> None:
        if number > 1:
            made.sim.add_account(made.one)

    made.sim.before_page(first_vanishes)
    seen = [item["id"] for item in made.all_pages("/api/sender-emails")]
    assert accounts[15].id not in seen  # it slipped onto the page that had been read
    made.sim.before_page(None)
    assert accounts[15].id in [item["id"] for item in made.all_pages("/api/sender-emails")]

    made.sim.switch(newest_first=True)
    made.sim.before_page(one_more)
    twice = [item["id"] for item in made.all_pages("/api/sender-emails")]
    assert len(twice) > len(set(twice))


def test_a_moved_account_keeps_its_id_and_changes_the_list(made: BisonStage) -> None:
    account = made.account
    made.sim.move_account(account, made.two)
    assert made.call("GET", f"/api/sender-emails/{account.id}").status_code == 404
    assert made.get(f"/api/sender-emails/{account.id}", made.two.token)["data"]["email"] == account.email
    assert account.id in [item["id"] for item in made.all_pages("/api/sender-emails", made.two.token)]


def test_four_thousand_accounts_of_24_workspaces_are_made_and_read_quickly() -> None:
    started = time.monotonic()
    with BisonSimulator() as simulator:
        rooms = [simulator.workspace(f"Workspace {number}") for number in range(24)]
        for room in rooms:
            simulator.add_accounts(room, 167)
        stage = BisonStage(simulator, rooms[0], rooms[1])
        assert len(stage.all_pages("/api/sender-emails")) == 167
        listed = stage.all_pages("/api/workspaces/v1.1", simulator.super_admin_token)
        assert len(listed) == 24  # two pages
        assert simulator.requests == {"GET /api/sender-emails": 12, "GET /api/workspaces/v1.1": 2}
    assert time.monotonic() - started < 5


def test_leads_and_campaigns_are_listed_for_their_workspace(made: BisonStage) -> None:
    made.sim.send_email(made.account)
    lead = made.get("/api/leads")["data"][0]
    assert lead["overall_stats"]["emails_sent"] == 1
    assert made.get("/api/campaigns")["data"][0]["emails_sent"] == 1
    assert made.get("/api/leads", made.two.token)["data"] == []
    day = "filters[updated_at][value]=2000-01-01&filters[updated_at][criteria]"
    assert [made.get(f"/api/leads?{day}={sign}")["meta"]["total"] for sign in (">=", "<")] == [1, 0]


# --- errors and faults ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/api/webhooks", 404, "The route api/webhooks could not be found."),
        ("GET", "/api/events", 404, "The route api/events could not be found."),
        ("PUT", "/api/sender-emails/1", 405, "The PUT method is not supported for route api/sender-emails/1."),
        ("GET", "/api/webhook-url/77", 404, "No query results for model [App\\Models\\WebhookUrl] 77"),
    ],
)
def test_errors_have_laravels_form(made: BisonStage, method: str, path: str, status: int, message: str) -> None:
    refused = made.call(method, path)
    assert refused.status_code == status
    assert str(refused.json()["message"]).startswith(message)


@pytest.mark.parametrize(("form", "header", "body"), [("header", "7", None), ("json", None, 7), ("none", None, None)])
def test_every_nth_request_is_too_many(made: BisonStage, form: str, header: str | None, body: int | None) -> None:
    made.sim.too_many(every=3, retry_after=7, form=form)
    answers = [made.call("GET", "/api/campaigns") for _ in range(6)]
    assert [answered.status_code for answered in answers] == [200, 200, 429] * 2
    assert (answers[2].headers.get("Retry-After"), answers[2].json().get("retry_after")) == (header, body)
    made.sim.too_many()
    assert made.call("GET", "/api/campaigns").status_code == 200


def test_a_burst_is_limited_until_its_window_has_passed(made: BisonStage) -> None:
    made.sim.too_many(calls=2, seconds=0.3)
    assert [made.call("GET", "/api/campaigns").status_code for _ in range(3)] == [200, 200, 429]
    time.sleep(0.35)
    assert made.call("GET", "/api/campaigns").status_code == 200


@pytest.mark.parametrize(
    ("kind", "status", "deleted"),
    [("500_before", 500, False), ("500_after", 500, True), ("502_html", 502, False), ("401", 401, False)],
)
def test_a_fault_fails_with_or_without_effect(made: BisonStage, kind: str, status: int, deleted: bool) -> None:
    account = made.account
    made.sim.fault("DELETE /api/sender-emails", kind)
    assert made.call("DELETE", f"/api/sender-emails/{account.id}").status_code == status
    assert (account.id not in made.sim.bison.accounts) is deleted


@pytest.mark.parametrize(("kind", "deleted"), [("drop", True), ("hang", False)])
def test_a_lost_answer_leaves_open_what_happened(made: BisonStage, kind: str, deleted: bool) -> None:
    account = made.account
    made.sim.fault("DELETE", kind, seconds=0.1)
    with pytest.raises(requests.ConnectionError):
        made.call("DELETE", f"/api/sender-emails/{account.id}")
    assert (account.id not in made.sim.bison.accounts) is deleted
    assert [exchange.status for exchange in made.sim.exchanges] == [0]


def test_a_slow_answer_outlasts_an_impatient_client(made: BisonStage) -> None:
    made.sim.fault("GET", "slow", seconds=0.5)
    with pytest.raises(requests.ReadTimeout):
        made.call("GET", "/api/leads", timeout=0.1)


def test_a_revoked_token_is_refused(made: BisonStage) -> None:
    made.sim.revoke(made.one.token)
    assert made.call("GET", "/api/sender-emails").status_code == 401


# --- as a process of its own ------------------------------------------------------------------------------------------


def test_the_simulator_runs_on_its_own_and_is_driven_by_its_control_addresses() -> None:
    command = [sys.executable, "-m", "local.simulators.bison", "--port", "0"]
    with receiver() as seen, subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        control = f"{process.stdout.readline().split()[-1]}/_simulator"

        def post(name: str, body: Any) -> Any:
            answered = requests.post(f"{control}/{name}", json=body, timeout=5)
            assert answered.ok, answered.text
            return answered.json()

        room = post("workspace", {"name": "Acme outbound"})
        accounts = post("accounts", {"workspace_id": room["id"], "count": 2, "provider_tag": "Outlook"})["ids"]
        post("hook", {"workspace_id": room["id"], "url": seen.url})
        post("act", {"account_id": accounts[0], "action": "reply", "text": "Yes.", "options": {"case": "lower"}})
        post("faults", {"match": "leads", "kind": "500_before"})
        assert requests.post(f"{control}/act", json={"account_id": 1, "action": "stop"}, timeout=5).status_code == 400
        state = requests.get(f"{control}/state", timeout=5).json()
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
    assert kinds(seen)[-1] == "lead_replied"
    shown = state["workspaces"][0]
    assert (shown["accounts"], shown["connected"], shown["emails_sent"], shown["replied"]) == (2, 2, 1, 1)
    assert state["faults_pending"] == 1
