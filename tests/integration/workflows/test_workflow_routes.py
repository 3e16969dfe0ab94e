"""The routes under /api/workflows: who may what, and that a good answer is what the tables say."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import ANY
from uuid import UUID, uuid4

import pytest

from admin_api import wiring
from crm_relay.platform.database import Database
from crm_relay.platform.http.callers import Role
from tests.support.operations.admin_function import AdminFunction, admin_function
from tests.support.platform.rows import rows_of
from tests.support.workflows.rounds import WON, play, published, won_deal
from tests.support.workflows.run_harness import RunHarness

NOBODY = "6a0f6f3e-0000-4000-8000-000000000000"
FAILING = {"type": "update_field", "config": {"field": "expected_close_date", "value": "{{deal.name}}"}}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> Iterator[AdminFunction]:
    yield admin_function(monkeypatch, database, database_url)
    wiring.installation.forget()


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch, api: AdminFunction) -> list[str]:
    """Messages to the queue of workflow_cron."""
    sent: list[str] = []
    monkeypatch.setattr(type(wiring.installation()), "wake_workflows", lambda _self: sent.append("wake"))
    return sent


def made(api: AdminFunction, given: dict[str, Any]) -> str:
    answer = api.call("POST", "/api/workflows", body={"workflow": given})
    assert answer.status == 201, answer.text
    return str(answer.body["id"])


def test_a_workflow_is_kept_published_shown_and_deactivated(api: AdminFunction) -> None:
    given = dict(WON)
    workflow = made(api, given)
    assert api.call("POST", "/api/workflows", body={"workflow": given}).status == 409
    assert api.call("POST", f"/api/workflows/{workflow}/publish").body == {
        "id": workflow, "name": "Deal won", "version": 1, "changed": True, "is_heard": True, "listens_since": ANY,
    }  # fmt: skip
    assert api.call("POST", f"/api/workflows/{workflow}/publish").body["changed"] is False
    changed = given | {"description": "For billing"}
    saved = api.call("POST", f"/api/workflows/{workflow}/draft", body={"workflow": changed}).body
    assert (saved["id"], saved["problems"], saved["is_active"]) == (workflow, [], True)
    shown = api.call("GET", f"/api/workflows/{workflow}").body
    assert (shown["workflow"]["description"], shown["definition"]) == ("For billing", given["definition"])
    assert [(each["version"], each["published_by"]) for each in shown["versions"]] == [(1, "admin")]
    assert api.call("POST", f"/api/workflows/{workflow}/deactivate").body == {"id": workflow, "changed": True}
    history = rows_of(
        api.database,
        "select change_type, metadata ->> 'by' as by from entity_history where entity_id = :id order by changed_at",
        id=UUID(workflow),
    )
    assert [(row["change_type"], row["by"]) for row in history] == [
        ("created", "admin"), ("draft_saved", "admin"), ("deactivated", "admin"),
    ]  # fmt: skip
    (listed,) = api.call("GET", "/api/workflows").body
    assert (listed["name"], listed["is_active"], listed["active_version"]) == ("Deal won", False, None)


def test_everything_that_is_wrong_with_a_workflow_is_listed(api: AdminFunction) -> None:
    wrong = {"name": "Wrong", "entityType": "deal", "definition": {
        "triggers": [{"type": "status_change", "to": "won"}],
        "actions": [{"type": "update_field", "config": {"field": "org_id", "value": "x"}},
                    {"type": "send_email", "config": {"subject": "{{deal.nothing}}", "text": "x"}}],
    }}  # fmt: skip
    answer = api.call("POST", "/api/workflows", body={"workflow": wrong})
    assert answer.status == 201
    assert len(answer.body["problems"]) == 2
    refused = api.call("POST", f"/api/workflows/{answer.body['id']}/publish")
    assert (refused.status, len(refused.body["details"])) == (422, 2)
    assert api.call("POST", "/api/workflows", body={"workflow": {"name": "No"}}).status == 422


def test_a_reader_sees_lists_and_may_start_nothing(api: AdminFunction, runs: RunHarness, woken: list[str]) -> None:
    workflow = published(runs.db)
    deal = won_deal(runs)
    play(runs)
    reader, operator = api.token("reader", Role.READ), api.token("grace", Role.OPERATE)
    (listed,) = api.call("GET", "/api/workflows", token=reader).body
    assert listed["runs"] == {"completed": 1}
    (line,) = api.call("GET", "/api/workflows/runs", token=reader, query={"workflow": str(workflow)}).body
    assert line["error"] is None
    query = {"query": {"entity": "deal", "record": str(deal)}}
    event = {"entity": "deal", "record": str(deal), "name": "form.filled"}
    wanted: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", f"/api/workflows/{workflow}", {}),
        ("GET", f"/api/workflows/runs/{line['id']}", {}),
        ("GET", "/api/workflows/why", query),
        ("POST", f"/api/workflows/{workflow}/start", {"body": {"record": str(deal)}}),
        ("POST", f"/api/workflows/{workflow}/pause", {"body": {}}),
        ("POST", f"/api/workflows/{workflow}/resume", {}),
        ("POST", f"/api/workflows/{workflow}/draft", {"body": {"workflow": dict(WON)}}),
        ("POST", f"/api/workflows/{workflow}/publish", {}),
        ("POST", f"/api/workflows/{workflow}/deactivate", {}),
        ("POST", "/api/workflows", {"body": {"workflow": dict(WON) | {"name": "Another"}}}),
        ("POST", "/api/workflows/events", {"body": event}),
        *(("POST", f"/api/workflows/runs/{change}", {"body": {"runs": [line["id"]]}})
          for change in ("pause", "resume", "cancel", "retry")),
    ]  # fmt: skip
    refused = {path: api.call(method, path, token=reader, **given).status for method, path, given in wanted}
    assert {path: status for path, status in refused.items() if status != 403} == {}
    assert woken == []
    allowed = {path: api.call(method, path, token=operator, **given).status for method, path, given in wanted}
    assert {path: status for path, status in allowed.items() if status not in {200, 201}} == {}


def test_a_workflow_is_started_once_for_a_key(api: AdminFunction, runs: RunHarness, woken: list[str]) -> None:
    workflow = published(runs.db, {**WON, "definition": {**WON["definition"], "triggers": [{"type": "api"}]}})
    deal = runs.deal(value=5000, lead_contact_id=runs.contact(), owner_id=runs.person())
    path, body = f"/api/workflows/{workflow}/start", {"record": str(deal), "key": "order-17"}
    first = api.call("POST", path, body=body).body
    again = api.call("POST", path, body=body).body
    assert (first["verdict"], again["verdict"]) == ("started", "known")
    assert first["execution_id"] == again["execution_id"]
    play(runs)
    assert runs.got() == 1
    shown = api.call("GET", f"/api/workflows/runs/{first['execution_id']}").body
    assert (shown["run"]["trigger_type"], shown["start"]["event"]["by"]) == ("api", "admin")
    assert shown["steps"][0]["actions"][0]["mail"]["status"] == "sent"
    poor = runs.deal(value=1)
    refused = api.call("POST", path, body={"record": str(poor)}).body
    assert (refused["verdict"], refused["reason"], refused["explanation"][0]["actual"]) == (
        "not_started", "conditions", 1,
    )  # fmt: skip
    assert woken == ["wake", "wake"], "what refused needs no round"
    assert api.call("POST", path, body={"record": NOBODY}).body["reason"] == "record_gone"
    api.call("POST", f"/api/workflows/{workflow}/deactivate")
    assert api.call("POST", path, body=body).status == 409


def test_a_named_event_starts_once_for_a_key(api: AdminFunction, runs: RunHarness, woken: list[str]) -> None:
    definition = {**WON["definition"], "triggers": [{"type": "event", "event": "form.filled"}]}
    definition["conditions"] = [{"field": "event.form", "operator": "eq", "value": "demo"}]
    published(runs.db, {**WON, "definition": definition})
    deal = runs.deal(value=5000, lead_contact_id=runs.contact(), owner_id=runs.person())
    event = {"entity": "deal", "record": str(deal), "name": "form.filled", "payload": {"form": "demo"}, "key": "17"}
    first, again = (api.call("POST", "/api/workflows/events", body=event).body for _ in range(2))
    assert (first["is_new"], again) == (True, {"id": first["id"], "is_new": False})
    assert woken == ["wake"]
    play(runs)
    assert runs.got() == 1
    (decision,) = api.call("GET", "/api/workflows/why", query={"entity": "deal", "record": str(deal)}).body[
        "workflows"
    ][0]["decisions"]
    assert (decision["verdict"], decision["topic"], decision["origin"]) == ("started", "event:form.filled", "api")
    nobody_listens = api.call("POST", "/api/workflows/events", body=event | {"name": "other"})
    assert nobody_listens.body == {"id": None, "is_new": False}
    assert api.call("POST", "/api/workflows/events", body=event | {"record": NOBODY}).status == 404


def test_a_wake_is_a_message_that_says_nothing(api: AdminFunction, woken: list[str]) -> None:
    reader = api.token("crm", Role.READ)
    assert api.call("POST", "/api/workflows/wake", token=reader).body == {"woken": True}
    assert woken == ["wake"]
    assert api.call("POST", "/api/workflows/wake", token=None).status == 401
    assert api.call("POST", "/api/workflows/wake", body={"run": "everything"}).status == 422
    assert api.call("GET", "/api/workflows/wake").status == 405


def test_runs_are_paused_resumed_cancelled_and_retried(api: AdminFunction, runs: RunHarness, woken: list[str]) -> None:
    wait = {"type": "wait", "config": {"days": 1}}
    workflow = published(runs.db, {**WON, "definition": {**WON["definition"], "actions": [wait]}})
    won_deal(runs)
    play(runs)
    (line,) = api.call("GET", "/api/workflows/runs", query={"status": "running"}).body
    one = {"runs": [line["id"], NOBODY]}
    for change, status in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        answer = api.call("POST", f"/api/workflows/runs/{change}", body=one).body
        assert answer == {"changed": [line["id"]], "refused": {NOBODY: "unknown"}, "has_more": False}
        assert runs.status(UUID(line["id"])) == status
    assert api.call("POST", "/api/workflows/runs/retry", body={"workflow": str(workflow)}).body["changed"] == []
    assert api.call("POST", "/api/workflows/runs/retry", body={"runs": [line["id"]]}).body["refused"] == {
        line["id"]: "is cancelled"
    }
    logged = {each["data"]["by"] for each in api.call("GET", f"/api/workflows/runs/{line['id']}").body["logs"]
              if each["data"] and "by" in each["data"]}  # fmt: skip
    assert logged == {"admin"}
    assert api.call("POST", "/api/workflows/runs/retry", body={}).status == 422
    paused = api.call("POST", f"/api/workflows/{workflow}/pause", body={"reason": "Holidays"})
    assert paused.body == {"id": str(workflow), "changed": True}
    assert api.call("GET", "/api/workflows").body[0]["paused_reason"] == "Holidays"
    assert api.call("POST", f"/api/workflows/{workflow}/resume").body["changed"] is True


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"/api/workflows/{NOBODY}", 404),
        ("GET", f"/api/workflows/runs/{NOBODY}", 404),
        ("POST", f"/api/workflows/{NOBODY}/publish", 404),
        ("POST", f"/api/workflows/{NOBODY}/deactivate", 404),
        ("POST", f"/api/workflows/{NOBODY}/pause", 404),
        ("POST", f"/api/workflows/{NOBODY}/resume", 404),
        ("GET", "/api/workflows/not-an-id", 422),
        ("GET", "/api/workflows/runs/not-an-id", 422),
        ("POST", "/api/workflows/not-an-id/publish", 422),
    ],
)
def test_what_is_not_there_is_no_fault_of_ours(api: AdminFunction, method: str, path: str, status: int) -> None:
    assert api.call(method, path).status == status


HOSTILE = ("", "\x00", "'; drop table workflows; --", "é" * 5000, "../../etc", "{{deal.name}}")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_are_refused_or_kept_as_words(api: AdminFunction, runs: RunHarness, text: str) -> None:
    deal = str(runs.deal())
    before = runs.one("select count(*) as n from workflows")["n"]
    bodies: list[tuple[str, Any]] = [
        ("/api/workflows", {"workflow": dict(WON) | {"name": text, "definition": {"triggers": text, "actions": text}}}),
        ("/api/workflows", {"workflow": dict(WON) | {"entityType": text}}),
        ("/api/workflows", {"workflow": {text: text}}),
        ("/api/workflows/events", {"entity": "deal", "record": deal, "name": text}),
        ("/api/workflows/events", {"entity": text, "record": deal, "name": "a"}),
        ("/api/workflows/events", {"entity": "deal", "record": text, "name": "a"}),
        ("/api/workflows/events", {"entity": "deal", "record": deal, "name": "a", "key": text, "payload": {"x": text}}),
        ("/api/workflows/runs/cancel", {"runs": [text]}),
        ("/api/workflows/runs/cancel", {"workflow": text}),
        (f"/api/workflows/{uuid4()}/start", {"record": deal, "key": text}),
        (f"/api/workflows/{uuid4()}/pause", {"reason": text}),
    ]
    statuses = {api.call("POST", path, body=body).status for path, body in bodies}
    assert statuses <= {200, 201, 400, 404, 409, 422}
    queries = [{"entity": text, "record": deal}, {"entity": "deal", "record": text}, {"after_name": text}]
    assert {api.call("GET", "/api/workflows/why", query=query).status for query in queries} == {422}
    kept = runs.one("select count(*) as n from workflows where not is_active")["n"]
    assert kept == runs.one("select count(*) as n from workflows")["n"] >= before, "nothing runs of it"


def test_a_payload_is_bounded(api: AdminFunction, runs: RunHarness) -> None:
    deal = str(runs.deal())
    event = {"entity": "deal", "record": deal, "name": "a", "payload": {"x": "y" * 20_000}}
    assert api.call("POST", "/api/workflows/events", body=event).status == 422


def test_lists_are_asked_for_page_by_page(api: AdminFunction, runs: RunHarness) -> None:
    for place in range(3):
        made(api, {**WON, "name": f"W{place}"})
    first = api.call("GET", "/api/workflows", query={"limit": "2"}).body
    query = {"limit": "2", "after_name": first[-1]["name"], "after_id": first[-1]["id"]}
    rest = api.call("GET", "/api/workflows", query=query).body
    assert [each["name"] for each in (*first, *rest)] == ["W0", "W1", "W2"]
    assert api.call("GET", "/api/workflows", query={"after_name": "W0"}).status == 422
    assert api.call("GET", "/api/workflows/runs", query={"entity": "deal"}).status == 422
    assert api.call("GET", "/api/workflows", query={"organization": NOBODY}).body == []


def test_a_draft_is_recorded_and_rehearsed_by_the_api(api: AdminFunction, runs: RunHarness) -> None:
    workflow = made(api, dict(WON))
    deal = won_deal(runs)
    said = api.call("GET", f"/api/workflows/{workflow}/rehearsal").body
    assert (said["starts"]["started"], said["effects"][0]["entity_id"]) == (1, str(deal))
    answer = api.call("GET", f"/api/workflows/{workflow}/rehearsal", query={"effects": "0"})
    assert answer.body["effects"] == [], answer.text
    late = api.call("GET", f"/api/workflows/{workflow}/rehearsal", query={"since": "2100-01-01T00:00:00Z"})
    assert late.body["span"]["events"] == 0, late.text
    recorded = api.call("GET", "/api/workflows/recordings").body
    assert {each["field"] for each in recorded} == {"deals.status", "deals.stage"}
    watched = api.call("POST", "/api/workflows/recordings", body={"field": "deals.value"}).body
    assert (watched["changed"], watched["since"] is not None) == (True, True)
    assert api.call("POST", "/api/workflows/recordings", body={"field": "deals.no_such"}).status == 422
    assert api.call("POST", "/api/workflows/recordings/stop", body={"field": "deals.value"}).body["changed"]
    assert api.call("POST", f"/api/workflows/{workflow}/record/stop").body == {"id": workflow, "changed": True}
    assert api.call("POST", f"/api/workflows/{workflow}/record").body["is_recorded"]
    assert api.call("POST", f"/api/workflows/{NOBODY}/record").status == 404
    assert api.call("GET", f"/api/workflows/{NOBODY}/rehearsal").status == 404
