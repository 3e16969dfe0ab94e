"""Pitches at the command line and through the API; and who reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner

from admin_api import wiring
from cli.main import app
from crm_relay.connections.people.why import connections_of
from crm_relay.connections.pitches.park import free_stranded
from crm_relay.connections.pitches.show_pitches import show_pitch
from crm_relay.consent.person import Person
from crm_relay.integrity.connections.unsynced import contradicting_connections
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.http.callers import Role
from local.simulators.gmail import GmailSimulator
from tests.support.connections.gmail_stage import GmailStage
from tests.support.function_settings import WITHOUT_AWS
from tests.support.operations.admin_function import AdminFunction, admin_function
from tests.support.platform.rows import parse, rows_of

LATER = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> Iterator[AdminFunction]:
    yield admin_function(monkeypatch, database, database_url)
    wiring.installation.forget()


@pytest.fixture
def env_file(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in WITHOUT_AWS.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / ".env"
    path.write_text(f"DATABASE_URL={database_url}\n", encoding="utf-8")
    return path


def asked(env_file: Path, *words: str) -> tuple[int, Any]:
    done = CliRunner().invoke(app, ["pitch", *words, "--env-file", str(env_file), "--json"])
    assert done.stdout, done.stderr
    return done.exit_code, json.loads(done.stdout)


def parked(gmail: GmailStage, sim: GmailSimulator) -> UUID:
    pitch = gmail.pitch()
    sim.fault("lost", match="drafts/send")
    gmail.sync()
    for message in sim.sent():
        sim.delete_message(message)
    gmail.pass_time(7 * 3600)
    gmail.sync()
    assert gmail.status(pitch) == "unknown"
    return pitch


def test_an_operator_finds_and_settles_an_unclear_pitch(
    gmail: GmailStage, gmail_sim: GmailSimulator, env_file: Path
) -> None:
    pitch = str(parked(gmail, gmail_sim))
    code, lines = asked(env_file, "list", "--status", "unknown", "--workspace", str(gmail.workspace))
    assert (code, [each["id"] for each in lines]) == (1, [pitch])
    code, shown = asked(env_file, "why", pitch)
    assert (code, shown["exits"]) == (1, ["sent", "not-sent"])
    assert "settle" in shown["because"]
    code, done = asked(env_file, "settle", pitch, "--not-sent")
    assert (code, done["status"], done["changed"]) == (0, "failed", True)
    assert asked(env_file, "send", pitch)[1]["status"] == "queued"
    assert asked(env_file, "cancel", pitch)[1]["status"] == "cancelled"
    assert asked(env_file, "list")[0] == 0
    history = rows_of(
        gmail.db, "select change_type from entity_history where entity_type = 'pitch' order by changed_at"
    )
    assert [row["change_type"] for row in history] == ["pitch_not_sent", "pitch_send", "pitch_cancel"]


def test_the_api_does_the_same_for_who_may(api: AdminFunction, gmail: GmailStage, gmail_sim: GmailSimulator) -> None:
    pitch = parked(gmail, gmail_sim)
    (line,) = api.call("GET", "/api/pitches", query={"status": "unknown"}).body
    assert (line["id"], line["recipient"]) == (str(pitch), "ada@example.com")
    assert api.call("GET", f"/api/pitches/{pitch}").body["exits"] == ["sent", "not-sent"]
    answer = api.call("POST", f"/api/pitches/{pitch}/sent")
    assert (answer.status, answer.body["status"]) == (200, "sent")
    assert api.call("POST", f"/api/pitches/{pitch}/cancel").status == 409
    assert api.call("POST", f"/api/pitches/{uuid4()}/send").status == 404
    reader = api.token("reader", Role.READ)
    calls = [("GET", "/api/pitches"), ("GET", f"/api/pitches/{pitch}"), ("POST", f"/api/pitches/{pitch}/send")]
    assert {api.call(*each, token=reader).status for each in calls} == {403}


def test_why_says_what_a_pitch_waits_for(gmail: GmailStage) -> None:
    waiting = gmail.pitch()
    assert show_pitch(gmail.db, waiting).because == "It waits for the next sync of its mailbox."
    gmail.sync()
    assert show_pitch(gmail.db, waiting).because == "It left."
    second = gmail.pitch()
    rows_of(gmail.db, "update integration_connections set status = 'disconnected'")
    assert "No mailbox" in show_pitch(gmail.db, second).because
    rows_of(gmail.db, "update pitches set connection_id = :id where id = :pitch", id=gmail.connection, pitch=second)
    assert "disconnected" in show_pitch(gmail.db, second).because
    ada = Person(frozenset({"ada@example.com"}), frozenset())
    assert {(row["kind"], row["status"]) for row in connections_of(gmail.db, ada).mail} == {
        ("pitch", "sent"),
        ("pitch", "queued"),
    }


def test_pitches_of_a_mailbox_that_is_removed_are_free_or_parked(gmail: GmailStage, gmail_sim: GmailSimulator) -> None:
    gmail_sim.fault("lost", match="drafts/send")
    left = gmail.pitch("left@example.com")
    gmail.sync()
    gmail_sim.fault("429", match="drafts/send")
    waits = gmail.pitch("waits@example.com")
    gmail.sync()
    rows_of(gmail.db, "update integration_connections set status = 'disconnected'")
    gmail.pass_time()
    assert free_stranded(gmail.db, gmail.now()) == 2
    assert free_stranded(gmail.db, gmail.now()) == 0
    assert (gmail.status(left), gmail.status(waits)) == ("unknown", "queued")
    assert gmail.incidents() == ["pitch_unknown"]
    again = gmail.link("sales@example.org")
    gmail.sync(again)
    assert gmail.sent("sales@example.org") == ["waits@example.com"]


def test_members_read_pitches_of_their_own_workspaces_alone(gmail: GmailStage) -> None:
    mine = gmail.pitch()
    other = GmailStage(gmail.db, gmail.url, gmail.sim)
    other.pitch("other@example.com")
    user = uuid4()
    rows_of(gmail.db, "insert into user_profiles (id, org_id) values (:id, :org)", id=user, org=gmail.org)
    rows_of(
        gmail.db,
        "insert into workspace_members (workspace_id, user_id) values (:workspace, :user)",
        workspace=gmail.workspace,
        user=user,
    )

    def read(tx: Transaction) -> list[dict[str, Any]]:
        tx.run(parse("select set_config('app.user_id', :user, true)"), user=str(user))
        tx.run(parse("set local role authenticated"))
        return tx.run(parse("select id from pitches"))

    assert [row["id"] for row in gmail.db.transact(read)] == [mine]


def test_the_integrity_check_finds_pitches_that_wait_for_somebody(gmail: GmailStage, gmail_sim: GmailSimulator) -> None:
    unclear = parked(gmail, gmail_sim)
    gmail.sync()
    second = gmail.link("sales@example.org", label="sales")
    for connection in (gmail.connection, second):
        rows_of(
            gmail.db, "update integration_connections set next_sync_at = :at where id = :id", at=LATER, id=connection
        )
    forgotten, fresh = gmail.pitch(), gmail.pitch()
    old = gmail.now() - timedelta(days=2)
    rows_of(gmail.db, "update pitches set updated_at = :old, created_at = :old where id = :id", old=old, id=forgotten)

    def found() -> dict[str, str]:
        rows = contradicting_connections(
            gmail.db, now=gmail.now(), settled_before=gmail.now() + timedelta(seconds=5), limit=50
        )
        return {row["id"]: row["what"] for row in rows if row["entity"] == "pitches"}

    assert found() == {str(unclear): "nobody knows whether it left", str(forgotten): "due for more than a day"}
    assert str(fresh) not in found()
    # Claimed by each run, and finished by none.
    sql = "update pitches set updated_at = :now, lease = gen_random_uuid() where id = :id"
    rows_of(gmail.db, sql, now=gmail.now(), id=forgotten)
    assert str(forgotten) in found()
