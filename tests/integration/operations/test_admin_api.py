"""The admin API: who may what, what is answered, and that what is done bears a name."""

import json
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from admin_api import wiring
from admin_api.routes import TABLE
from admin_api.settings import Settings
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.errors import FatalError
from crm_relay.platform.http.callers import Role
from crm_relay.platform.settings import read_settings
from tests.support.operations.admin_function import ADMIN, AdminFunction, ApiAnswer, admin_function
from tests.support.operations.board import plant_board
from tests.support.platform.rows import one, rows_of

ERRORS = {"error", "details"}
PROTECTED = [route for route in TABLE if route.role is not None]
FILLED = {"id": "1", "name": "robot", "file": "app.js"}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> Iterator[AdminFunction]:
    yield admin_function(monkeypatch, database, database_url)
    wiring.installation.forget()


def address(path: str) -> str:
    return path.format(**FILLED)


def test_nothing_is_told_or_done_without_a_valid_token(api: AdminFunction) -> None:
    revoked = api.token("gone", Role.ADMIN)
    assert api.call("POST", "/api/tokens/gone/revoke").status == 200
    late = api.token("late", Role.ADMIN, expires_at=utc_now() - timedelta(seconds=1))
    for route in PROTECTED:
        for token in (None, "", "wrong", ADMIN[:-1], ADMIN + "x", revoked, late):
            answer = api.call(route.method, address(route.path), token=token)
            assert (answer.status, answer.body.keys()) == (401, ERRORS), route.path


def test_a_role_may_what_the_table_says_and_no_more(api: AdminFunction) -> None:
    tokens = {role: api.token(role.name.lower() + "er", role) for role in Role}
    for route in PROTECTED:
        for role, token in tokens.items():
            answer = api.call(route.method, address(route.path), token=token)
            assert (answer.status == 403) == (role < (route.role or Role.READ)), (route.path, role, answer.text)


def test_personal_data_is_not_for_those_who_merely_read(api: AdminFunction) -> None:
    reader = api.token("reader", Role.READ)
    for path in ("/api/why", "/api/conflicts/1", "/api/integrity/fixes/1"):
        assert (
            api.call("GET", path, token=reader, query={"who": "a@example.com"} if "why" in path else None).status == 403
        )


def test_without_an_admin_token_only_named_ones_are_valid(api: AdminFunction, monkeypatch: pytest.MonkeyPatch) -> None:
    named = api.token("robot", Role.READ)
    monkeypatch.delenv("ADMIN_TOKEN")
    wiring.installation().__dict__.pop("settings", None)
    assert api.call("GET", "/api/runs", token="").status == 401
    assert api.call("GET", "/api/runs", token=named).status == 200


def test_a_token_is_shown_once_and_kept_as_a_hash(api: AdminFunction) -> None:
    made = api.call("POST", "/api/tokens", body={"name": "robot", "role": "operate", "days": 7})
    assert made.status == 201
    token = made.body["token"]
    stored = json.dumps(rows_of(api.database, "select * from api_tokens"), default=str)
    assert token not in stored
    assert api.call("GET", "/api/runs", token=token).status == 200
    listed = api.call("GET", "/api/tokens").body
    assert token not in json.dumps(listed)
    assert [(each["name"], each["role"], each["created_by"]) for each in listed] == [("robot", "operate", "admin")]
    assert listed[0]["last_used_at"] is not None


REFUSED: list[tuple[dict[str, Any], int]] = [
    ({"name": "robot", "role": "read"}, 409),
    ({"name": "admin", "role": "read"}, 422),
    ({"name": "Robot 2", "role": "read"}, 422),
    ({"name": "r2", "role": "owner"}, 422),
    ({"name": "r2", "role": "read", "days": 0}, 422),
    ({"name": "r2", "role": "read", "more": 1}, 422),
    ({"name": "r2"}, 422),
]


def test_a_token_that_may_not_be_is_refused(api: AdminFunction) -> None:
    api.token("robot", Role.READ)
    api.call("POST", "/api/tokens/robot/revoke")
    for body, status in REFUSED:
        answer = api.call("POST", "/api/tokens", body=body)
        assert (answer.status, answer.body.keys()) == (status, ERRORS), body


WRONG: list[tuple[str, str, dict[str, Any], int]] = [
    ("GET", "/api/nothing", {}, 404),
    ("GET", "/dashboard/settings.py", {}, 404),
    ("GET", "/dashboard/..", {}, 404),
    ("PUT", "/api/runs", {"body": {}}, 405),
    ("GET", "/api/sync/full", {}, 405),
    ("POST", "/api/emails", {"text": "{", "headers": {"content-type": "text/plain"}}, 415),
    ("POST", "/api/emails", {"text": "{"}, 400),
    ("POST", "/api/emails", {"text": "[]"}, 422),
    ("POST", "/api/emails", {"body": {"id": "no"}}, 422),
    ("POST", "/api/emails", {"body": {"id": str(uuid.uuid4()), "body": "x" * 1_100_000}}, 413),
    ("POST", "/api/emails", {"body": {"id": str(uuid.uuid4()), "body": "\0"}}, 422),
    ("POST", "/api/emails", {"body": {"id": str(uuid.uuid4()), "sent_at": "0001-01-01T00:00:00+23:00"}}, 422),
    ("POST", "/api/emails", {"body": {"id": str(uuid.uuid4()), "sent_at": "9999-12-31T23:59:59-23:00"}}, 422),
    ("POST", "/api/conflicts/1/revert", {"body": {"id": 2}}, 422),
    ("POST", "/api/conflicts/1/revert", {}, 404),
    ("POST", "/api/conflicts/0/revert", {}, 422),
    ("POST", "/api/failed-tasks/99/replay", {}, 404),
    ("POST", "/api/integrity/fixes/99/revert", {}, 404),
    ("POST", "/api/sync/full", {"body": {"entities": ["people"]}}, 422),
    ("POST", "/api/integrity/check", {"body": {"fix": "yes"}}, 422),
    ("POST", "/api/integrity/check", {"body": {"full": 1}}, 422),
    ("POST", "/api/integrity/check", {"body": {"approve": ["drift"]}}, 422),
    ("GET", "/api/integrity/check", {}, 405),
    ("GET", "/api/runs", {"query": {"limit": "0"}}, 422),
    ("GET", "/api/runs", {"query": {"page": "2"}}, 422),
    ("GET", "/api/why", {}, 422),
    ("POST", "/api/sync/full", {}, 503),  # AWS is away in this test
    ("POST", "/api/integrity/check", {}, 503),
]


def test_what_is_wrong_is_said_in_json(api: AdminFunction) -> None:
    for method, path, more, status in WRONG:
        answer = api.call(method, path, **more)
        assert (answer.status, answer.body.keys()) == (status, ERRORS), (method, path, more)
        assert "Traceback" not in answer.text
        assert status != 405 or "OPTIONS" in answer.headers["allow"]


ORIGIN = "https://crm.example.com"


def cors_of(answer: ApiAnswer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


def test_a_page_of_a_configured_origin_may_call_every_route(
    api: AdminFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_ORIGINS", f"https://other.example.com,{ORIGIN}")
    wiring.installation.forget()
    for route in TABLE:
        answer = api.call("OPTIONS", address(route.path), token=None, headers={"origin": ORIGIN})
        assert (answer.status, answer.headers["vary"]) == (204, "origin")
        cors = cors_of(answer)
        assert cors["access-control-allow-origin"] == ORIGIN
        assert route.method in cors["access-control-allow-methods"]
        assert "authorization" in cors["access-control-allow-headers"]
    refused = api.call("GET", "/api/runs", token=None, headers={"origin": ORIGIN})
    assert (refused.status, cors_of(refused)["access-control-allow-origin"]) == (401, ORIGIN)


@pytest.mark.parametrize("origin", ["https://evil.example.com", "null", f"{ORIGIN}.evil.example.com", "*", ""])
def test_no_page_of_another_origin_may_read_an_answer(
    api: AdminFunction, monkeypatch: pytest.MonkeyPatch, origin: str
) -> None:
    for origins in ("", ORIGIN):
        monkeypatch.setenv("API_ORIGINS", origins)
        wiring.installation.forget()
        for method in ("OPTIONS", "GET"):
            assert cors_of(api.call(method, "/api/runs", headers={"origin": origin})) == {}


@pytest.mark.parametrize("origins", ["*", "https://crm.example.com/", "crm.example.com", "https://*.example.com"])
def test_an_origin_that_no_browser_sends_is_refused_as_a_setting(origins: str) -> None:
    environment = {"API_ORIGINS": origins, "DATABASE_URL": "postgresql://x"}
    with pytest.raises(FatalError, match="API_ORIGINS"):
        read_settings(Settings, environment)


def test_while_strangers_call_tokens_that_are_known_still_open_and_revoked_ones_do_not(api: AdminFunction) -> None:
    known, revoked = api.token("known", Role.READ), api.token("gone", Role.READ)
    assert api.call("GET", "/api/runs", token=revoked).status == 200
    for number in range(50):
        assert api.call("GET", "/api/runs", token=f"crm_relay_{number}").status == 401
    made_now = api.token("new", Role.READ)
    api.call("POST", "/api/tokens/gone/revoke")
    assert [api.call("GET", "/api/runs", token=each).status for each in (known, ADMIN, revoked)] == [200, 200, 401]
    assert api.call("GET", "/api/runs", token=made_now).status == 200  # seen by the look for the one before


def test_tokens_that_cannot_be_read_are_not_called_wrong(api: AdminFunction, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://x:y@127.0.0.1:9/z")
    wiring.installation.forget()
    assert {api.call("GET", "/api/runs", token="crm_relay_x").status for _ in range(20)} == {503}


def test_health_tells_nothing_else(api: AdminFunction, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = api.call("GET", "/health", token=None)
    assert (answer.status, answer.body) == (200, {"status": "ok", "sending": "on"})
    monkeypatch.setenv("DATABASE_URL", "postgresql://x:y@127.0.0.1:9/z")
    wiring.installation.forget()
    away = api.call("GET", "/health", token=None)
    assert (away.status, away.body.keys()) == (503, ERRORS)


def test_the_page_needs_neither_token_nor_settings_and_runs_nothing_but_our_files(
    api: AdminFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    wiring.installation.forget()
    answer = api.call("GET", "/dashboard", token=None)
    assert answer.status == 200
    assert "'unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "set-cookie" not in answer.headers
    for forbidden in ("style=", "<script>", "onclick", "http://", "https://"):
        assert forbidden not in answer.text


def test_an_email_of_an_edge_worker_is_recorded_once(api: AdminFunction) -> None:
    email = {"id": str(uuid.uuid4()), "subject": "Hello", "status": "sent", "updated_at": "2026-11-20T10:00:00Z"}
    first, again = (api.call("POST", "/api/emails", body=email) for _ in range(2))
    assert (first.status, again.status) == (200, 200)
    assert [first.body, again.body] == [{"id": email["id"], "is_new": True}] * 2 or again.body["is_new"] in {
        True,
        False,
    }
    assert api.table.count_unsynced() == 1
    assert api.call("GET", "/api/sync/status").body["directions"][1]["pending"] == 1


def test_every_part_of_the_page_is_also_there_by_itself(api: AdminFunction) -> None:
    plant_board(api.database, utc_now())
    board = api.call("GET", "/api/dashboard").body
    parts = {
        "runs": "/api/runs",
        "mautic_runs": "/api/mautic/runs",
        "workspaces": "/api/workspaces",
        "provider_days": "/api/providers",
        "conflicts": "/api/conflicts",
        "integrity": "/api/integrity",
        "dead_letters": "/api/failed-tasks",
    }
    for part, path in parts.items():
        assert api.call("GET", path).body == board[part], part
        assert board[part], part
    newest_first = sorted(board["incidents"], key=lambda each: -each["id"])
    assert api.call("GET", "/api/incidents").body == newest_first
    assert (board["caller"], board["role"]) == ("admin", "admin")


def test_the_counters_are_those_of_the_month_in_the_workspaces_zone(api: AdminFunction) -> None:
    plant_board(api.database, utc_now())
    rows_of(
        api.database,
        """insert into client_metrics (workspace_name, month, metric_type, emails_sent_mtd)
           values ('Contoso', '2020-01-01', 'month', 9)""",
    )
    shown = {each["name"]: each for each in api.call("GET", "/api/workspaces").body}
    assert [shown["Contoso"][name] for name in ("emails_sent", "replies", "bounced")] == [1890, 77, 88]
    assert (shown["Fabrikam"]["has_webhook"], shown["Fabrikam"]["is_healthy"]) == (True, False)
    assert (shown["Northwind"]["is_healthy"], shown["Contoso"]["is_healthy"]) == (True, False)


def test_who_reverts_a_conflict_stands_with_it(api: AdminFunction) -> None:
    prospect = one(api.database, "insert into prospects (name, stage) values ('A', 'new') returning id")["id"]
    rows_of(
        api.database,
        """insert into edge_conflicts (entity, row_id, postgres_doc, edge_doc, winner, rule, differing)
           select entity, id, doc::jsonb, doc::jsonb || '{"stage": "won"}', 'postgres', 'a rule', array['stage']
           from edge_source where id = :id""",
        id=prospect,
    )
    number = one(api.database, "select id from edge_conflicts")["id"]
    robot = api.token("robot", Role.OPERATE)
    assert api.call("GET", f"/api/conflicts/{number}", token=robot).body["edge"]["stage"] == "won"
    first = api.call("POST", f"/api/conflicts/{number}/revert", token=robot)
    again = api.call("POST", f"/api/conflicts/{number}/revert", token=robot)
    assert (first.status, again.status) == (200, 409)
    assert one(api.database, "select reverted_by from edge_conflicts")["reverted_by"] == "robot"
    assert one(api.database, "select stage from prospects")["stage"] == "won"
    assert api.call("GET", "/api/conflicts", query={"open": "true"}).body == []


def test_who_allows_a_source_to_shrink_has_to_be_an_admin(api: AdminFunction) -> None:
    answer = api.call("POST", "/api/sync/allow-shrink", body={"entities": ["prospects"]})
    assert answer.status == 200
    until = one(api.database, "select shrink_allowed_until as until from edge_entities where entity = 'prospects'")[
        "until"
    ]
    assert until - utc_now() < timedelta(hours=1, seconds=1)


def test_a_resync_shows_how_far_it_is(api: AdminFunction) -> None:
    rows_of(
        api.database,
        """insert into edge_resyncs (
               entity, generation, phase, total, written, next_bucket, ordered_by, started_at, updated_at, finished_at
           )
           select entity, generation, phase, total, written, bucket, 'robot', now() - interval '10 seconds', now(),
               case phase when 'done' then now() end
           from (
               values
                   ('prospects', 1, 'done', 10, 10, 4096),
                   ('prospects', 2, 'write', 1000, 250, 0),
                   ('emails', 1, 'sweep', 10, 10, 2048)
           ) as given (entity, generation, phase, total, written, bucket)""",
    )
    emails, prospects = api.call("GET", "/api/sync/status").body["resyncs"]
    assert (prospects["percent"], prospects["rows_per_second"], prospects["eta_seconds"]) == (22.5, 25.0, 30)
    assert (emails["percent"], emails["is_running"]) == (95.0, True)
