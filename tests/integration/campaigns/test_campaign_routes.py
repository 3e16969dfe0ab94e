"""Campaigns through the admin API: who may, what is told, and whose name stands with what was done."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from admin_api import wiring
from crm_relay.platform.database import Database
from crm_relay.platform.http.callers import Role
from tests.support.campaigns.campaign_files import file, mail
from tests.support.operations.admin_function import AdminFunction, ApiAnswer, admin_function
from tests.support.platform.rows import one, rows_of

TASK = {"channel": "task", "task": {"title": "Ring"}}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> Iterator[AdminFunction]:
    yield admin_function(monkeypatch, database, database_url)
    wiring.installation.forget()


@pytest.fixture
def robot(api: AdminFunction) -> str:
    return api.token("robot", Role.OPERATE)


def post(api: AdminFunction, path: str, body: Any = None, *, token: str, status: int = 200) -> Any:
    answer: ApiAnswer = api.call("POST", f"/api/campaigns{path}", body=body, token=token)
    assert answer.status == status, answer.text
    return answer.body


def contact(api: AdminFunction, address: str) -> str:
    return str(one(api.database, "insert into contacts (email) values (:address) returning id", address=address)["id"])


def test_a_campaign_lives_through_the_api_under_the_tokens_name(
    api: AdminFunction, robot: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMAIL_FROM", "ada@example.com")
    rows_of(api.database, "update organizations set postal_address = '1 Example Street'")
    people = [contact(api, f"{name}@example.com") for name in ("ana", "bo", "cy")]

    made = post(api, "", file(mail(), TASK), token=robot, status=201)
    path = f"/{made['id']}"
    enrolled = post(
        api, f"{path}/enroll", {"contacts": people[:2], "addresses": ["cy@example.com", "x@example.com"]}, token=robot
    )
    looked = post(api, f"{path}/simulate", {"days": 10, "recipient": people[0]}, token=robot)
    activated = post(api, f"{path}/activate", token=robot)
    paused, resumed = (post(api, f"{path}/{verb}", token=robot) for verb in ("pause", "resume"))
    shown = api.call("GET", f"/api/campaigns/{made['id']}", token=robot).body

    assert (made["status"], made["steps"]) == ("draft", 2)
    assert (enrolled["asked"], enrolled["enrolled"], enrolled["unknown"]) == (4, 3, 1)
    assert [entry["action"] for entry in looked["calendar"]] == ["email", "work"]
    assert (looked["recipients"], looked["actions"]) == (3, {"email": 3, "work": 3})
    assert (activated["scheduled"], paused["status"], resumed["status"]) == (3, "paused", "active")
    assert (shown["campaign"]["total_active"], shown["people"]) == (3, {"active": 3})
    assert {change["by"] for change in shown["history"]} == {"robot"}
    assert {change["change"] for change in shown["history"]} == {
        "created",
        "enrolled",
        "activated",
        "paused",
        "resumed",
    }


def test_one_person_is_held_and_goes_on(api: AdminFunction, robot: str) -> None:
    made = post(api, "", file(TASK), token=robot, status=201)
    post(api, f"/{made['id']}/enroll", {"contacts": [contact(api, "ana@example.com")]}, token=robot)
    post(api, f"/{made['id']}/activate", token=robot)
    place = one(api.database, "select id, next_step_at from campaign_enrollments")

    held = api.call("POST", f"/api/enrollments/{place['id']}/pause", token=robot).body
    again = api.call("POST", f"/api/enrollments/{place['id']}/pause", token=robot).body
    gone_on = api.call("POST", f"/api/enrollments/{place['id']}/resume", token=robot).body

    assert [(each["status"], each["changed"]) for each in (held, again, gone_on)] == [
        ("paused", True),
        ("paused", False),
        ("active", True),
    ]
    assert one(api.database, "select next_step_at from campaign_enrollments")["next_step_at"] == place["next_step_at"]
    by = rows_of(
        api.database, "select metadata ->> 'by' as by from entity_history where entity_type like '%enrollment'"
    )
    assert [row["by"] for row in by] == ["robot"] * 2


def test_everything_wrong_with_a_campaign_is_told_by_its_fields(api: AdminFunction, robot: str) -> None:
    shape = post(api, "", {"name": "x", "steps": [{"channel": "fax"}]}, token=robot, status=422)
    content = post(api, "", file(mail(subject="{{x}}"), mail(body_html="<script>")), token=robot, status=422)

    assert [detail.partition(":")[0] for detail in shape["details"]] == ["steps.0.channel"]
    assert [detail.partition(":")[0] for detail in content["details"]] == ["steps.0.subject", "steps.1.body_html"]
    assert one(api.database, "select count(*) as n from campaigns")["n"] == 0


def test_what_does_not_fit_is_refused(api: AdminFunction, robot: str) -> None:
    made = post(api, "", file(), token=robot, status=201)
    path = f"/{made['id']}"
    post(api, "", file(), token=robot, status=409)
    lacking = post(api, f"{path}/activate", token=robot, status=409)
    assert [detail.partition(":")[0] for detail in lacking["details"]] == ["identity", "organization"]
    post(api, f"{path}/pause", token=robot, status=409)
    post(api, f"{path}/enroll", {}, token=robot, status=422)
    post(api, f"{path}/enroll", {"contacts": ["x"]}, token=robot, status=422)
    post(api, f"{path}/enroll", {"id": made["id"], "contacts": [str(uuid4())]}, token=robot, status=422)
    post(api, f"{path}/pause", {"now": True}, token=robot, status=422)
    post(api, f"{path}/simulate", {"days": 0}, token=robot, status=422)
    post(api, "/1/activate", token=robot, status=422)
    for verb in ("enroll", "activate", "pause", "resume", "simulate"):
        body = {"contacts": [str(uuid4())]} if verb == "enroll" else None
        post(api, f"/{uuid4()}/{verb}", body, token=robot, status=404)
    assert api.call("GET", f"/api/campaigns/{uuid4()}", token=robot).status == 404


def test_who_merely_reads_sees_funnels_and_runs_nothing(api: AdminFunction, robot: str) -> None:
    reader = api.token("reader", Role.READ)
    made = post(api, "", file(TASK), token=robot, status=201)
    post(api, f"/{made['id']}/activate", token=robot)

    (listed,) = api.call("GET", "/api/campaigns", token=reader, query={"status": "active"}).body
    (funnel,) = api.call("GET", "/api/campaigns/funnels", token=reader).body

    assert (listed["id"], listed["steps"], funnel["campaign"]) == (made["id"], 1, listed)
    assert [step["reached"] for step in funnel["steps"]] == [0]
    assert api.call("GET", "/api/campaigns", token=reader, query={"status": "draft"}).body == []
    for verb in ("enroll", "activate", "pause", "resume", "simulate"):
        post(api, f"/{made['id']}/{verb}", token=reader, status=403)
    post(api, "", file(name="Mine"), token=reader, status=403)


def test_a_request_looks_ahead_for_no_more_people_than_it_has_time_for(
    api: AdminFunction, robot: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("admin_api.campaigns.MOST_SIMULATED", 1)
    made = post(api, "", file(TASK), token=robot, status=201)
    people = [contact(api, f"{name}@example.com") for name in ("ana", "bo")]
    post(api, f"/{made['id']}/enroll", {"contacts": people}, token=robot)
    post(api, f"/{made['id']}/simulate", {}, token=robot, status=409)


HOSTILE = [
    "\0",
    "'; drop table campaigns; --",
    "a" * 320,
    "\u202e@example.com",
    "ана@пример.example",
    "😀",
    "{{x}}",
    "%s",
]


def test_hostile_text_is_stored_or_refused_and_never_an_error_of_ours(api: AdminFunction, robot: str) -> None:
    made = post(api, "", file(TASK), token=robot, status=201)
    steps: list[dict[str, Any]] = []
    for text in HOSTILE:
        answer = api.call("POST", f"/api/campaigns/{made['id']}/enroll", body={"addresses": [text * 3]}, token=robot)
        assert answer.status in {200, 422}, text
        steps += [mail(subject=text, body_html=text, body_text=text), {"channel": "sms", "body_text": text}]
        steps += [mail(skip_conditions=[{"field": text, "operator": text, "value": text}]), mail(template=text)]
    for number, step in enumerate(steps):
        answer = api.call("POST", "/api/campaigns", body=file(step, name=f"n{number}"), token=robot)
        assert answer.status in {201, 422}, step
    values: list[Any] = [1e308, -0.0, 10**400, True, [], {}, "9" * 1000]
    for value in values:
        condition = {"field": "emails_sent", "operator": "eq", "value": value}
        given = file(mail(skip_conditions=[condition]), name=f"v{str(value)[:9]}")
        assert api.call("POST", "/api/campaigns", body=given, token=robot).status in {201, 422}, value
    post(api, f"/{made['id']}/activate", token=robot)


def test_a_campaign_is_edited_cancelled_and_archived_under_the_tokens_name(api: AdminFunction, robot: str) -> None:
    made = post(api, "", file(TASK), token=robot, status=201)
    path = f"/api/campaigns/{made['id']}"
    post(api, f"/{made['id']}/enroll", {"contacts": [contact(api, "ana@example.com")]}, token=robot)
    post(api, f"/{made['id']}/activate", token=robot)

    edited = api.call("PATCH", path, body={"name": "Autumn", "late_policy": "skip"}, token=robot)
    refused = api.call("PATCH", path, body={"steps": []}, token=robot)
    defined = api.call("GET", f"{path}/definition", token=robot).body
    early = api.call("POST", f"{path}/archive", token=robot)
    person = one(api.database, "select id from campaign_enrollments")["id"]
    taken_out = api.call("POST", f"/api/enrollments/{person}/cancel", token=robot).body
    cancelled = post(api, f"/{made['id']}/cancel", token=robot)
    archived = post(api, f"/{made['id']}/archive", token=robot)
    shown = api.call("GET", path, token=robot).body

    assert (edited.status, edited.body["changed"]) == (200, ["late_policy", "name"])
    assert (refused.status, early.status) == (422, 409)
    assert (defined["name"], defined["late_policy"], defined["zone"]) == ("Autumn", "skip", "America/New_York")
    assert (taken_out["status"], taken_out["stopped"]) == ("stopped", 1)
    assert (cancelled["status"], cancelled["stopped"], archived["status"]) == ("cancelled", 0, "archived")
    changes = {each["change"]: each["by"] for each in shown["history"]}
    assert {changes[each] for each in ("edited", "cancelled", "archived")} == {"robot"}
    assert api.call("GET", "/api/campaigns", token=robot).body == []


@pytest.mark.parametrize(
    ("method", "path"),
    [("PATCH", ""), ("POST", "/cancel"), ("POST", "/archive"), ("GET", "/definition")],
)
def test_who_merely_reads_changes_no_campaign(api: AdminFunction, robot: str, method: str, path: str) -> None:
    made = post(api, "", file(TASK), token=robot, status=201)
    reader = api.token("reader", Role.READ)

    answer = api.call(method, f"/api/campaigns/{made['id']}{path}", token=reader)

    assert answer.status == 403
    assert one(api.database, "select status from campaigns") == {"status": "draft"}


def test_the_definition_of_a_campaign_that_something_else_broke_is_refused_by_its_fields(
    api: AdminFunction, robot: str
) -> None:
    made = post(api, "", file(TASK), token=robot, status=201)
    rows_of(api.database, "update campaigns set topic = 'no topic!' where id = :id returning id", id=made["id"])
    answer = api.call("GET", f"/api/campaigns/{made['id']}/definition", token=robot)
    assert answer.status == 409, answer.text
    assert [detail.partition(":")[0] for detail in answer.body["details"]] == ["topic"]
