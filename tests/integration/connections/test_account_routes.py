"""Accounts that are opened through the API: connected by a key, and picked from; who may, and what is never shown."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from admin_api import wiring as admin_wiring
from crm_relay.operations.access.tokens import create_token
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.http.callers import Role
from integration_sync import wiring
from integration_sync.handler import handler
from local.simulators.airtable import AirtableSimulator
from tests.support.connections.airtable_stage import AirtablePeople
from tests.support.connections.connection_stage import ConnectionStage
from tests.support.connections.sync_invocation import SyncInvocation
from tests.support.function_settings import WITHOUT_AWS, give_settings
from tests.support.operations.admin_function import ADMIN, AdminFunction, ApiAnswer, admin_function
from tests.support.platform.rows import one, rows_of


@dataclass
class AccountApi:
    """integration_sync as API Gateway calls it."""

    database: Database

    def call(self, method: str, path: str, body: Any = None, *, token: str | None = ADMIN, **query: str) -> ApiAnswer:
        import json

        event = {
            "rawPath": path,
            "headers": {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {}),
            "requestContext": {"http": {"method": method, "path": path}},
            "queryStringParameters": query,
            "body": None if body is None else json.dumps(body),
        }
        answer = handler(event, None)  # type: ignore[arg-type]
        return ApiAnswer(answer["statusCode"], answer["headers"], answer["body"])

    def token(self, role: Role) -> str:
        given: Any = {"expires_at": None, "created_by": "a test", "now": utc_now()}
        return create_token(self.database, f"of-{role.name.lower()}", role, **given).token


@pytest.fixture
def people() -> Iterator[AirtablePeople]:
    with AirtableSimulator(requests_per_second=None) as simulator:
        yield AirtablePeople(simulator)


@pytest.fixture
def accounts(
    monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str, people: AirtablePeople, tmp_path: Path
) -> Iterator[AccountApi]:
    settings = {
        **WITHOUT_AWS,
        "DATABASE_URL": database_url,
        "ADMIN_TOKEN": ADMIN,
        "CONNECTION_KEY": f"file:{tmp_path / 'key'}",
        "AIRTABLE_URL": people.sim.url,
    }
    give_settings(monkeypatch, wiring.installation, settings)
    wiring.connections.forget()
    yield AccountApi(database)
    wiring.installation.forget()
    wiring.connections.forget()


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> Iterator[AdminFunction]:
    yield admin_function(monkeypatch, database, database_url)
    admin_wiring.installation.forget()


def given(stage: ConnectionStage, key: str, **more: Any) -> dict[str, Any]:
    return {"integration": "airtable", "workspace": str(stage.workspace), "key": key} | more


def test_an_account_is_connected_picked_from_and_synced(
    accounts: AccountApi, admin: AdminFunction, stage: ConnectionStage, people: AirtablePeople
) -> None:
    done = accounts.call("POST", "/api/connections/keys", given(stage, people.access.tokens[0], label="Events"))
    assert (done.status, done.body["is_valid"]) == (201, True)
    path = f"/api/connections/{done.body['id']}"

    (base,) = accounts.call("GET", f"{path}/choices/base").body
    assert base == {"id": people.base.id, "name": people.base.name}
    tables = accounts.call("GET", f"{path}/choices/table", within=base["id"]).body
    assert {"id": people.table.id, "name": people.table.name} in tables
    fields = accounts.call("GET", f"{path}/choices/field", within=people.table.id)
    assert fields.status == 422
    settings = people.settings()
    assert admin.call("PATCH", path, body={"settings": {"base_id": base["id"], "plan": "business"}}).status == 200
    fields = accounts.call("GET", f"{path}/choices/field", within=people.table.id)
    assert {each["id"] for each in fields.body} >= {each["id"] for each in settings["fields"].values()}
    changed = admin.call("PATCH", path, body={"settings": settings, "sync_frequency_minutes": 30})
    assert (changed.body["is_previewed"], changed.body["sync_frequency_minutes"]) == (True, 30)
    stored = one(stage.db, "select settings, sync_frequency_minutes from integration_connections")
    assert stored["settings"] == {**settings, "plan": "business"} | {"base_id": base["id"]}
    assert stored["sync_frequency_minutes"] == 30

    stage.contact("ada@example.com")
    people.add("ada", "bob")
    report = handler({"schedule": "integration_sync.EveryQuarterHour"}, SyncInvocation())
    assert report["connections"] == {"none": 1}
    found = admin.call("GET", path).body
    assert found["connection"]["held_for"] == "preview"
    assert len(people.rows) == 2


def test_who_may_not_operate_opens_nothing(
    accounts: AccountApi, stage: ConnectionStage, people: AirtablePeople
) -> None:
    key = people.access.tokens[0]
    connection = accounts.call("POST", "/api/connections/keys", given(stage, key)).body["id"]
    requests = people.sim.calls
    before = rows_of(stage.db, "select * from integration_connections")
    for token, status in ((None, 401), ("made-up", 401), (accounts.token(Role.READ), 403)):
        assert (
            accounts.call("POST", "/api/connections/keys", given(stage, key, label="x"), token=token).status == status
        )
        path = f"/api/connections/{connection}/choices/base"
        assert accounts.call("GET", path, token=token).status == status
    assert people.sim.calls == requests
    assert rows_of(stage.db, "select * from integration_connections") == before
    assert accounts.call("GET", path, token=accounts.token(Role.OPERATE)).status == 200


def test_a_key_that_the_vendor_refuses_is_said_and_shown_nowhere(
    accounts: AccountApi, stage: ConnectionStage, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    done = accounts.call("POST", "/api/connections/keys", given(stage, "patSecretOfSomebody"))
    assert (done.status, done.body["is_valid"]) == (201, False)
    refused = accounts.call("GET", f"/api/connections/{done.body['id']}/choices/base")
    assert refused.status == 409
    wrong = accounts.call("POST", "/api/connections/keys", given(stage, "patSecretOfSomebody", workspace="patSecret"))
    assert wrong.status == 422
    stored = str(rows_of(stage.db, "select * from integration_connections, integration_secrets, integration_activity"))
    for text in (done.text, refused.text, wrong.text, stored, caplog.text, *capsys.readouterr()):
        assert "patSecret" not in text


def test_another_key_is_given_to_a_connection_of_that_workspace_alone(
    accounts: AccountApi, stage: ConnectionStage, people: AirtablePeople
) -> None:
    key = people.access.tokens[0]
    made = accounts.call("POST", "/api/connections/keys", given(stage, "wrong", label="one")).body["id"]
    strange = accounts.call("POST", "/api/connections/keys", given(stage, key, connection=made, workspace=str(uuid4())))
    assert strange.status == 404
    nowhere = accounts.call("POST", "/api/connections/keys", given(stage, key, workspace=str(uuid4())))
    assert (nowhere.status, "no such workspace" in nowhere.text) == (404, True)
    again = accounts.call("POST", "/api/connections/keys", given(stage, key, connection=made))
    assert (again.status, again.body) == (201, {"id": made, "is_valid": True})
    assert accounts.call("GET", f"/api/connections/{made}/choices/base").status == 200
    twice = accounts.call("POST", "/api/connections/keys", given(stage, key, label="one"))
    assert twice.status == 409
    assert len(rows_of(stage.db, "select 1 as n from integration_connections")) == 1


def test_what_cannot_be_picked_is_said(accounts: AccountApi, stage: ConnectionStage, people: AirtablePeople) -> None:
    made = accounts.call("POST", "/api/connections/keys", given(stage, people.access.tokens[0])).body["id"]
    kind = accounts.call("GET", f"/api/connections/{made}/choices/audience")
    assert (kind.status, "base, table, field" in kind.text) == (404, True)
    assert accounts.call("GET", f"/api/connections/{uuid4()}/choices/base").status == 404
    people.sim.fault("500_before", match="/v0/meta")
    assert accounts.call("GET", f"/api/connections/{made}/choices/base").status == 503


def test_settings_that_are_wrong_change_nothing(admin: AdminFunction, stage: ConnectionStage) -> None:
    connection = stage.connect()
    before = rows_of(stage.db, "select * from integration_connections")
    for body in (
        {"settings": {"direction": "sideways"}},
        {"settings": {"shrink_limit_percent": 101}},
        {"sync_frequency_minutes": 0},
        {"settings": {}, "status": "active"},
    ):
        assert admin.call("PATCH", f"/api/connections/{connection}", body=body).status in {400, 422}
    assert rows_of(stage.db, "select * from integration_connections") == before
    assert admin.call("PATCH", f"/api/connections/{uuid4()}", body={"settings": {}}).status == 404


def test_other_records_are_looked_at_again_and_another_pace_is_not(
    admin: AdminFunction, stage: ConnectionStage
) -> None:
    connection = stage.connect()
    path = f"/api/connections/{connection}"
    pace = admin.call("PATCH", path, body={"settings": {"monthly_requests": 500}, "sync_frequency_minutes": 60})
    assert pace.body["is_previewed"] is False
    assert stage.row(connection)["confirmed_at"] is not None
    removed = admin.call("PATCH", path, body={"settings": {"monthly_requests": None}})
    assert "monthly_requests" not in removed.body["settings"]
    records = admin.call("PATCH", path, body={"settings": {"when_removed_there": "archive"}})
    assert records.body["is_previewed"] is True
    assert stage.row(connection)["confirmed_at"] is None
    stage.run()
    assert stage.row(connection)["held_for"] == "preview"


def test_a_wrong_key_leaves_a_connection_that_works_as_it_is(
    accounts: AccountApi, stage: ConnectionStage, people: AirtablePeople
) -> None:
    key = people.access.tokens[0]
    made = accounts.call("POST", "/api/connections/keys", given(stage, key)).body["id"]
    before = rows_of(stage.db, "select * from integration_secrets")
    wrong = accounts.call("POST", "/api/connections/keys", given(stage, "patWrong", connection=made))
    assert (wrong.status, wrong.body) == (201, {"id": made, "is_valid": False})
    assert rows_of(stage.db, "select * from integration_secrets") == before
    people.sim.fault("500_before", match="/v0/meta", times=100)
    away = accounts.call("POST", "/api/connections/keys", given(stage, key, connection=made))
    assert away.status == 503
    assert rows_of(stage.db, "select * from integration_secrets") == before
    people.sim.faults.clear()
    assert accounts.call("GET", f"/api/connections/{made}/choices/base").status == 200


def test_a_call_that_is_repeated_for_a_vendor_that_was_away_makes_one_connection(
    accounts: AccountApi, stage: ConnectionStage, people: AirtablePeople
) -> None:
    key = people.access.tokens[0]
    people.sim.fault("500_before", match="/v0/meta", times=100)
    assert accounts.call("POST", "/api/connections/keys", given(stage, key)).status == 503
    people.sim.faults.clear()
    assert accounts.call("POST", "/api/connections/keys", given(stage, key)).status == 201
    assert len(rows_of(stage.db, "select 1 as n from integration_connections")) == 1


@pytest.mark.parametrize("settings", [{"direction": "sideways"}, {"note": "a\x00b"}], ids=["rule", "nul"])
def test_settings_that_are_wrong_connect_nothing(
    accounts: AccountApi, admin: AdminFunction, stage: ConnectionStage, people: AirtablePeople, settings: dict[str, Any]
) -> None:
    wanted = {"integration": "airtable", "workspace": str(stage.workspace), "settings": settings}
    by_key = accounts.call("POST", "/api/connections/keys", wanted | {"key": people.access.tokens[0]})
    by_oauth = admin.call("POST", "/api/connections", body=wanted)
    assert by_key.status in {400, 422}
    assert by_oauth.status in {400, 422}
    assert rows_of(stage.db, "select 1 as n from integration_connections") == []
    assert rows_of(stage.db, "select 1 as n from integration_oauth_states") == []
