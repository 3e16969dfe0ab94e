"""The routes under /api/connections and the functions behind them: who may what, and that no secret is shown."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from admin_api import wiring
from crm_relay.platform.database import Database
from crm_relay.platform.http.callers import Role
from crm_relay.platform.http.refusals import MOST_REFUSALS
from integration_sync import wiring as sync_wiring
from integration_sync.handler import handler
from local.simulators.airtable import AirtableSimulator
from tests.support.connections.connection_stage import ConnectionStage
from tests.support.connections.ledger_simulator import KEY, LedgerSimulator
from tests.support.connections.sync_invocation import SyncInvocation
from tests.support.function_settings import WITHOUT_AWS, give_settings
from tests.support.operations.admin_function import AdminFunction, admin_function
from tests.support.platform.rows import one, rows_of

CHANGES = ("pause", "resume", "sync", "confirm", "remove")


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> Iterator[AdminFunction]:
    yield admin_function(monkeypatch, database, database_url)
    wiring.installation.forget()


@pytest.fixture
def airtable(monkeypatch: pytest.MonkeyPatch, database_url: str, tmp_path: Path) -> Iterator[AirtableSimulator]:
    """integration_sync over a simulated Airtable."""
    with AirtableSimulator() as simulator:
        client = simulator.client("https://crm.example.com/oauth/airtable/callback")
        settings = {
            **WITHOUT_AWS,
            "DATABASE_URL": database_url,
            "PUBLIC_URL": "https://crm.example.com",
            "CONNECTION_KEY": f"file:{tmp_path / 'key'}",
            "AIRTABLE_URL": simulator.url,
            "AIRTABLE_OAUTH_URL": simulator.url,
            "AIRTABLE_CLIENT_ID": client.client_id,
            "AIRTABLE_CLIENT_SECRET": client.secret or "",
        }
        give_settings(monkeypatch, sync_wiring.installation, settings)
        sync_wiring.connections.forget()
        sync_wiring.budget.forget()
        yield simulator
        sync_wiring.installation.forget()
        sync_wiring.connections.forget()


def browse(path: str, cookie: str | None = None) -> dict[str, Any]:
    address, _, query = path.partition("?")
    pairs = dict(part.split("=", 1) for part in query.split("&")) if query else {}
    event: dict[str, Any] = {
        "requestContext": {"http": {"method": "GET", "path": address}},
        "rawPath": address,
        "queryStringParameters": pairs,
        "headers": {},
    }
    if cookie is not None:
        event["cookies"] = [cookie]
    return dict(handler(event, SyncInvocation()))


def test_an_operator_looks_at_connections_and_steers_them(api: AdminFunction, stage: ConnectionStage) -> None:
    connection = stage.connect(confirmed=False)
    stage.run()
    (line,) = api.call("GET", "/api/connections").body
    assert (line["id"], line["held_for"], line["status"]) == (str(connection), "preview", "active")
    shown = api.call("GET", f"/api/connections/{connection}")
    assert shown.body["held_details"] == {"consequences": {"main": []}}
    assert KEY not in shown.text

    answers = [api.call("POST", f"/api/connections/{connection}/{change}") for change in CHANGES]
    assert [answer.status for answer in answers] == [200] * 5
    assert [answer.body["status"] for answer in answers[:4]] == ["paused", "active", "active", "active"]
    assert answers[3].body["held_for"] is None
    assert api.call("POST", f"/api/connections/{uuid4()}/pause").status == 404


def test_each_role_may_do_what_the_table_says(api: AdminFunction, stage: ConnectionStage) -> None:
    connection = stage.connect()
    reader = api.token("reader", Role.READ)
    assert api.call("GET", "/api/connections", token=reader).status == 200
    refused = [api.call("GET", f"/api/connections/{connection}", token=reader)]
    refused += [api.call("POST", f"/api/connections/{connection}/{change}", token=reader) for change in CHANGES]
    refused += [
        api.call(
            "POST",
            "/api/connections",
            token=reader,
            body={"integration": "airtable", "workspace": str(stage.workspace)},
        )
    ]
    assert {answer.status for answer in refused} == {403}


def test_an_account_is_connected_from_the_api_to_the_first_sync(
    api: AdminFunction, stage: ConnectionStage, airtable: AirtableSimulator
) -> None:
    base = airtable.base()
    table = airtable.table(base)
    fields = {each.name: each.id for each in table.fields}
    settings = {
        "base_id": base.id,
        "table_id": table.id,
        "fields": {"email": {"id": fields["Email"]}, "first_name": {"id": fields["First name"]}},
    }
    wanted = {"integration": "airtable", "workspace": str(stage.workspace), "settings": settings}
    path = api.call("POST", "/api/connections", body=wanted).body["path"]
    began = browse(path)
    assert began["statusCode"] == 302
    cookie = began["headers"]["set-cookie"].partition(";")[0]
    state = cookie.partition("=")[2]
    code = consent(began["headers"]["location"])

    assert browse(f"/oauth/airtable/callback?state={state}&code={code}").get("statusCode") == 400
    done = browse(f"/oauth/airtable/callback?state={state}&code={code}", cookie)
    assert done["statusCode"] == 200, done["body"]
    assert browse(f"/oauth/airtable/callback?state={state}&code={code}", cookie)["statusCode"] == 400
    assert browse(path)["statusCode"] == 400

    stage.contact("ada@example.com", first_name="Ada")
    (line,) = api.call("GET", "/api/connections").body
    handler({"schedule": "integration_sync.EveryQuarterHour"}, SyncInvocation())
    assert airtable.rows(table) == []
    assert api.call("POST", f"/api/connections/{line['id']}/confirm").status == 200
    report = handler({"schedule": "integration_sync.EveryQuarterHour"}, SyncInvocation())
    assert report["connections"] == {"none": 1}
    assert [row["Email"] for row in airtable.rows(table)] == ["ada@example.com"]
    (line,) = api.call("GET", "/api/connections").body
    assert (line["records"], line["rejects"], line["is_equal"]) == (1, 0, True)
    assert line["days_to_expiry"] in {59, 60, None}


def test_valid_starts_take_nothing_from_the_budget_for_strangers(
    api: AdminFunction, stage: ConnectionStage, airtable: AirtableSimulator
) -> None:
    wanted = {"integration": "airtable", "workspace": str(stage.workspace)}
    for number in range(MOST_REFUSALS + 2):
        path = api.call("POST", "/api/connections", body=wanted | {"label": f"base {number}"}).body["path"]
        assert browse(path)["statusCode"] == 302
    made_up = [
        browse(f"/oauth/airtable/start?ticket={number:043}")["statusCode"] for number in range(MOST_REFUSALS + 1)
    ]
    assert made_up == [400] * MOST_REFUSALS + [429]


def consent(address: str) -> str:
    """What somebody does at the provider: the code that it sends back."""
    import requests

    answer = requests.get(address, allow_redirects=False, timeout=5)
    location = answer.headers["location"]
    return dict(part.split("=", 1) for part in location.partition("?")[2].split("&"))["code"]


def test_a_removal_takes_the_grant_back(api: AdminFunction, stage: ConnectionStage, ledger: LedgerSimulator) -> None:
    from crm_relay.connections.disconnect import disconnect_requested

    granted = ledger.grant()
    connection = stage.connect(credentials=granted)
    api.call("POST", f"/api/connections/{connection}/remove")
    assert disconnect_requested(stage.db, stage.context, stage.now) == 1
    assert ledger.revoked == [granted["refresh_token"]]
    assert rows_of(stage.db, "select 1 as n from integration_secrets") == []
    assert one(stage.db, "select status from integration_connections")["status"] == "disconnected"
    assert api.call("POST", f"/api/connections/{connection}/sync").status == 409


def test_a_connection_whose_grant_cannot_be_read_is_removed_all_the_same_and_stops_no_other_removal(
    api: AdminFunction, stage: ConnectionStage, ledger: LedgerSimulator
) -> None:
    from crm_relay.connections.disconnect import disconnect_requested

    granted = ledger.grant()
    unreadable, readable = stage.connect(label="lost"), stage.connect(credentials=granted, label="kept")
    rows_of(
        stage.db, "update integration_secrets set ciphertext = '\\x00'::bytea where connection_id = :id", id=unreadable
    )
    for connection in (unreadable, readable):
        api.call("POST", f"/api/connections/{connection}/remove")
    assert disconnect_requested(stage.db, stage.context, stage.now) == 2
    assert ledger.revoked == [granted["refresh_token"]]
    assert {row["status"] for row in rows_of(stage.db, "select status from integration_connections")} == {
        "disconnected"
    }
