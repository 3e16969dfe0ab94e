"""The routes under /api/approvals: who may what, whose decision a call is, and hostile calls."""

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest

from admin_api import wiring
from crm_relay.platform.database import Database
from crm_relay.platform.http.callers import Role
from tests.support.operations.admin_function import ADMIN, AdminFunction, admin_function
from tests.support.workflows.approval_stage import MANAGER, ApprovalStage, asking
from tests.support.workflows.run_harness import RunHarness

NOBODY = "6a0f6f3e-0000-4000-8000-000000000000"
ACTIONS = ("approve", "reject", "delegate")


@pytest.fixture
def stage(runs: RunHarness) -> ApprovalStage:
    runs.time[0] = datetime.now(UTC)
    return ApprovalStage(runs)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> Iterator[AdminFunction]:
    yield admin_function(monkeypatch, database, database_url)
    wiring.installation.forget()


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch, api: AdminFunction) -> list[str]:
    sent: list[str] = []
    monkeypatch.setattr(type(wiring.installation()), "wake_workflows", lambda _self: sent.append("wake"))
    return sent


def asked(stage: ApprovalStage) -> tuple[UUID, str]:
    run = stage.begin(asking(MANAGER))
    return run, str(stage.pending(run, stage.max))


def test_a_call_decides_as_the_colleague_whose_token_it_is(
    api: AdminFunction, stage: ApprovalStage, woken: list[str]
) -> None:
    run, approval = asked(stage)
    eve = stage.person("eve")
    token = api.token("max", Role.OPERATE, user="max@relay.example")
    (listed,) = api.call("GET", "/api/approvals", query={"mine": "true"}, token=token).body
    assert (listed["id"], listed["is_mine"], listed["approver_name"]) == (approval, True, "Max")
    path = f"/api/approvals/{approval}/delegate"
    assert api.call("POST", path, token=token, body={"to": NOBODY}).status == 422
    assert api.call("POST", path, token=token, body={"to": str(stage.olga)}).status == 403
    assert woken == []
    handed = api.call("POST", path, token=token, body={"to": str(eve), "notes": "Yours"})
    assert handed.body == {"id": approval, "status": "delegated", "changed": True}
    stage.tick(minutes=1)
    hers = api.token("eve", Role.OPERATE, user=str(eve))
    mine = str(stage.pending(run, eve))
    done = api.call("POST", f"/api/approvals/{mine}/approve", token=hers, body={"notes": "Fine"})
    assert done.body == {"id": mine, "status": "approved", "changed": True}
    assert api.call("POST", f"/api/approvals/{mine}/reject", token=hers).body == {
        "id": mine, "status": "approved", "changed": False,
    }  # fmt: skip
    assert woken == ["wake", "wake"]
    shown = api.call("GET", f"/api/approvals/{mine}").body
    assert (shown["decided_with"], shown["decided_via"], shown["notes"]) == ("eve", "api", "Fine")
    assert len(api.call("GET", "/api/approvals", query={"all": "true", "run": str(run)}).body) == 2


def test_a_token_that_is_nobodys_approves_nothing(api: AdminFunction, stage: ApprovalStage, woken: list[str]) -> None:
    run, approval = asked(stage)
    for token in (ADMIN, api.token("crm", Role.OPERATE)):
        for action in ACTIONS:
            body = {"to": str(stage.olga)} if action == "delegate" else {}
            answer = api.call("POST", f"/api/approvals/{approval}/{action}", body=body, token=token)
            assert (answer.status, answer.body["error"]) == (403, "nobody knows whose decision this is")
    assert api.call("GET", "/api/approvals", query={"mine": "true"}).body == []
    assert (stage.asked(run), woken) == (["max"], [])


def test_a_reader_decides_nothing_and_reads_no_names(api: AdminFunction, stage: ApprovalStage) -> None:
    run, approval = asked(stage)
    reader = api.token("reader", Role.READ, user="max@relay.example")
    for action in ACTIONS:
        assert api.call("POST", f"/api/approvals/{approval}/{action}", token=reader, body={}).status == 403
    assert api.call("GET", f"/api/approvals/{approval}", token=reader).status == 403
    (listed,) = api.call("GET", "/api/approvals", token=reader).body
    hidden = ("title", "message", "approver_name", "requester_name", "notes", "decided_by_name")
    assert {name: listed[name] for name in hidden} == dict.fromkeys(hidden)
    assert stage.asked(run) == ["max"]


def test_a_token_of_somebody_who_left_decides_nothing(api: AdminFunction, stage: ApprovalStage) -> None:
    run, approval = asked(stage)
    token = api.token("max", Role.OPERATE, user="max@relay.example")
    stage.change(stage.max, is_active=False)
    assert api.call("POST", f"/api/approvals/{approval}/approve", token=token, body={}).status == 401
    assert stage.runs.status(run) == "running"


def test_whose_a_token_is_is_said_when_it_is_made(api: AdminFunction, stage: ApprovalStage) -> None:
    made = api.call("POST", "/api/tokens", body={"name": "max", "role": "operate", "user": "MAX@relay.example"})
    assert (made.status, made.body["user_id"]) == (201, str(stage.max))
    assert api.call("GET", "/api/tokens").body[0]["user_id"] == str(stage.max)
    for unknown in ("nobody@example.com", NOBODY, "max"):
        wanted = {"name": "other", "role": "operate", "user": unknown}
        assert api.call("POST", "/api/tokens", body=wanted).status == 422
    stage.runs.person("max", org_id=None)
    wanted = {"name": "other", "role": "operate", "user": "max@relay.example"}
    refused = api.call("POST", "/api/tokens", body=wanted)
    assert refused.body["details"] == ["several colleagues have this address: name one by the id"]


def test_whoever_starts_a_workflow_by_their_token_has_asked_for_it(api: AdminFunction, stage: ApprovalStage) -> None:
    program = asking(MANAGER)
    workflow = stage.runs.workflow(program)
    token = api.token("max", Role.OPERATE, user=str(stage.max))
    started = api.call(
        "POST", f"/api/workflows/{workflow}/start", token=token, body={"record": str(stage.deal), "key": "k"}
    ).body
    ida = stage.person("ida")
    stage.change(stage.max, manager_id=ida)
    stage.tick(minutes=1)
    run = UUID(started["execution_id"])
    assert [(row["requester_id"], row["approver_id"]) for row in stage.approvals(run)] == [(stage.max, ida)]


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"notes": "x" * 2001}, 422),
        ({"notes": "\x00"}, 422),
        ({"notes": 7}, 422),
        ({"way": "link"}, 422),
        ({"way": "cli"}, 422),
        ({"approver": NOBODY}, 422),
        ([], 422),
    ],
)
def test_hostile_bodies_are_refused(
    api: AdminFunction, stage: ApprovalStage, action: str, body: object, status: int
) -> None:
    run, approval = asked(stage)
    token = api.token("max", Role.OPERATE, user=str(stage.max))
    given = {**body, "to": NOBODY} if action == "delegate" and isinstance(body, dict) else body
    assert api.call("POST", f"/api/approvals/{approval}/{action}", token=token, body=given).status == status
    assert stage.asked(run) == ["max"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"/api/approvals/{NOBODY}", 404),
        ("GET", "/api/approvals/not-an-id", 422),
        ("POST", "/api/approvals/not-an-id/approve", 422),
        ("POST", f"/api/approvals/{NOBODY}/approve", 404),
        ("POST", f"/api/approvals/{NOBODY}/reject", 404),
        ("POST", f"/api/approvals/{NOBODY}/undo", 404),
        ("GET", f"/api/approvals/{NOBODY}/approve", 405),
        ("DELETE", f"/api/approvals/{NOBODY}", 405),
    ],
)
def test_what_is_not_there_is_no_fault_of_ours(api: AdminFunction, method: str, path: str, status: int) -> None:
    assert api.call(method, path).status == status
