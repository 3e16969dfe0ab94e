"""The emergency brake at the command line, over the API, and in what the doctor and health say."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from admin_api import wiring
from cli.doctor.campaigns import examine_sending
from cli.main import app
from crm_relay.mail.store import erase
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.http.callers import Role
from tests.support.operations.admin_function import AdminFunction, admin_function
from tests.support.platform.rows import one, rows_of


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> Iterator[AdminFunction]:
    yield admin_function(monkeypatch, database, database_url)
    wiring.installation.forget()


def command(*words: str, code: int = 0) -> Any:
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == code, done.output
    return json.loads(done.stdout) if code != 2 else done.output


def test_by_command_everything_is_stopped_and_resumed(api: AdminFunction) -> None:
    stopped = command("stop-sending", "--reason", "a wrong\nprice")
    assert [(each["organization_id"], each["stopped_by"], each["reason"]) for each in stopped["stops"]] == [
        (None, "operator", "a wrong price")
    ]
    assert (stopped["changed"], stopped["on_its_way"]) == (True, 0)
    assert command("stop-sending")["changed"] is False
    resumed = command("resume-sending", "--organization", "everything")
    assert (resumed["changed"], resumed["stops"]) == (True, [])


def test_by_command_one_organization_is_stopped_by_its_id_or_name(api: AdminFunction) -> None:
    other = str(one(api.database, "insert into organizations (name) values ('Other') returning id")["id"])
    for called in ("Other", other):
        stopped = command("stop-sending", "--organization", called)
        assert [(each["organization_id"], each["organization"]) for each in stopped["stops"]] == [(other, "Other")]
        assert command("resume-sending", code=1)["stops"][0]["organization"] == "Other"
        assert command("resume-sending", "--organization", called)["stops"] == []
    for words in (("stop-sending", "--organization", "Nobody"), ("stop-sending", "--organization", str(uuid4()))):
        assert "no such organization" in command(*words, code=2)


def test_over_the_api_it_is_done_under_the_tokens_name(api: AdminFunction) -> None:
    token = api.token("olga", Role.OPERATE)
    stopped = api.call("POST", "/api/sending/stop", body={"reason": "ada complained"}, token=token)
    assert (stopped.status, stopped.body["changed"]) == (200, True)
    seen = {
        role: api.call("GET", "/api/sending", token=api.token(f"r-{role.name.lower()}", role)).body
        for role in (Role.READ, Role.OPERATE)
    }
    assert all(body["is_stopped"] and body["stops"][0]["stopped_by"] == "olga" for body in seen.values())
    assert [seen[role]["stops"][0]["reason"] for role in (Role.READ, Role.OPERATE)] == [None, "ada complained"]
    assert api.call("GET", "/api/dashboard").body["sending_stops"] == seen[Role.OPERATE]["stops"]
    assert api.call("GET", "/health", token=None).body == {"status": "ok", "sending": "stopped"}
    resumed = api.call("POST", "/api/sending/resume", token=token)
    assert (resumed.status, resumed.body["stops"]) == (200, [])
    sending = api.call("GET", "/api/sending", token=token).body
    assert (sending["is_stopped"], sending["stops"]) == (False, [])
    assert one(api.database, "select stopped_by, resumed_by from sending_stops") == {
        "stopped_by": "olga",
        "resumed_by": "olga",
    }


@pytest.mark.parametrize("verb", ["stop", "resume"])
def test_who_merely_reads_or_has_no_token_neither_stops_nor_resumes(api: AdminFunction, verb: str) -> None:
    reader = api.token("reader", Role.READ)
    answers = [api.call("POST", f"/api/sending/{verb}", token=token).status for token in (None, "wrong", reader)]
    assert answers == [401, 401, 403]
    assert rows_of(api.database, "select id from sending_stops") == []


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"reason": "x" * 501}, 422, "reason"),
        ({"reason": "two\nlines"}, 422, "reason"),
        ({"reason": ""}, 422, "reason"),
        ({"organization": "everything"}, 422, "organization"),
        ({"organization": str(uuid4())}, 404, ""),
        ({"purpose": "notification"}, 422, "purpose"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_field(
    api: AdminFunction, body: dict[str, str], status: int, field: str
) -> None:
    answer = api.call("POST", "/api/sending/stop", body=body)
    assert answer.status == status
    assert [detail.partition(":")[0] for detail in answer.body["details"]] == ([field] if field else [])
    assert rows_of(api.database, "select id from sending_stops") == []


def test_the_doctor_says_who_stopped_what_and_how_it_is_resumed(api: AdminFunction) -> None:
    _, check = examine_sending(api.database)
    assert (check.verdict, check.found) == ("good", "not stopped")
    command("stop-sending", "--reason", "a wrong price")
    _, check = examine_sending(api.database)
    assert check.verdict == "worth a look"
    assert "everything stopped by operator since" in check.found
    assert check.found.endswith(": a wrong price; crm-relay resume-sending")


def test_an_erasure_takes_the_person_out_of_an_operators_reason(api: AdminFunction) -> None:
    rows_of(api.database, "insert into organizations (name) values ('Other') returning id")
    command("stop-sending", "--reason", "Ada@Example.com complained")
    command("stop-sending", "--reason", "a wrong price", "--organization", "Other")
    erase(api.database, ["ada@example.com"], [], utc_now())
    reasons = rows_of(api.database, "select reason from sending_stops order by id")
    assert [row["reason"] for row in reasons] == [None, "a wrong price"]
