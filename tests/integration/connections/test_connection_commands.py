"""`crm-relay connection …` as an operator and as a script use it: what is printed, exit codes, and never a token."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner

from cli.main import app
from local.simulators.airtable import AirtableSimulator, SimulatedTable
from tests.support.connections.connection_stage import ConnectionStage
from tests.support.function_settings import WITHOUT_AWS
from tests.support.platform.rows import one, rows_of


@dataclass
class Console:
    """The commands over a simulated Airtable; `printed` is all that any of them has said."""

    stage: ConnectionStage
    airtable: AirtableSimulator
    settings: Path
    table: SimulatedTable
    printed: list[str] = field(default_factory=list)

    def invoke(self, *words: str, key: str | None = None) -> Any:
        given = None if key is None else f"{key}\n"
        done = CliRunner().invoke(app, ["connection", *words], input=given, env={"COLUMNS": "250"})
        self.printed += [done.stdout, done.stderr]
        return done

    def asked(self, *words: str, key: str | None = None) -> tuple[int, Any]:
        """Exit code and answer of `crm-relay connection … --json`."""
        done = self.invoke(*words, "--json", key=key)
        assert done.stdout, done.stderr
        return done.exit_code, json.loads(done.stdout)

    def refused(self, *words: str, key: str | None = None) -> tuple[int, str]:
        """Exit code and the one line that a command ends with; no result is printed."""
        done = self.invoke(*words, key=key)
        lines = [line for line in done.stderr.splitlines() if line.startswith("crm-relay:")]
        assert (done.stdout, len(lines), done.stderr.splitlines()[-1]) == ("", 1, lines[0])
        return done.exit_code, lines[0].removeprefix("crm-relay: ")

    def add(self, *words: str, key: str | None = None) -> tuple[int, Any]:
        where = ("--workspace", str(self.stage.workspace), "--settings", str(self.settings))
        return self.asked("add", "airtable", *where, *words, key=key or self.airtable.token())

    def connected(self) -> str:
        code, made = self.add()
        assert (code, made["valid"]) == (0, True)
        return str(made["id"])

    def row(self, connection: str) -> dict[str, Any]:
        return self.stage.row(UUID(connection))


@pytest.fixture
def console(stage: ConnectionStage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Console]:
    with AirtableSimulator() as simulator:
        client = simulator.client("https://crm.example.com/oauth/airtable/callback")
        environment = {
            **WITHOUT_AWS,
            "DATABASE_URL": stage.url,
            "PUBLIC_URL": "https://crm.example.com",
            "CONNECTION_KEY": f"file:{tmp_path / 'key'}",
            "AIRTABLE_URL": simulator.url,
            "AIRTABLE_OAUTH_URL": simulator.url,
            "AIRTABLE_CLIENT_ID": client.client_id,
            "AIRTABLE_CLIENT_SECRET": client.secret or "",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        base = simulator.base()
        table = simulator.table(base)
        fields = {each.name: each.id for each in table.fields}
        chosen = {"email": {"id": fields["Email"]}, "first_name": {"id": fields["First name"]}}
        settings = tmp_path / "airtable.json"
        settings.write_text(json.dumps({"base_id": base.id, "table_id": table.id, "fields": chosen}))
        made = Console(stage, simulator, settings, table)
        yield made
        secrets = [client.secret or "no secret", *(each.access_token or "none" for each in simulator.account.grants)]
        assert [secret for secret in secrets if secret in "".join(made.printed)] == []


def test_an_operator_goes_from_a_key_to_a_synced_table(console: Console) -> None:
    console.stage.contact("ada@example.com", first_name="Ada")
    connection = console.connected()
    assert console.asked("test", connection) == (0, {"valid": True})

    code, before = console.asked("sync", connection, "--dry-run")
    assert (code, before["success"], console.airtable.rows(console.table)) == (0, True, [])
    assert console.row(connection)["confirmed_at"] is None
    assert console.refused("sync", connection) == (2, "look at it first with --dry-run, then repeat with --confirm")
    assert console.airtable.rows(console.table) == []

    code, done = console.asked("sync", connection, "--confirm")
    assert (code, done["success"], done["created"], done["failed"]) == (0, True, 1, 0)
    assert [row["Email"] for row in console.airtable.rows(console.table)] == ["ada@example.com"]
    code, (line,) = console.asked("list", "--workspace", str(console.stage.workspace))
    assert (code, line["id"], line["records"], line["is_equal"]) == (0, connection, 1, True)
    code, shown = console.asked("show", connection)
    assert (code, shown["rejects"], shown["syncs"][0]["records_created"]) == (0, [], 1)


@pytest.mark.parametrize("words", [("list",), ("show", "{id}"), ("test", "{id}"), ("sync", "{id}", "--dry-run")])
def test_what_is_reported_is_fit_to_be_read(console: Console, words: tuple[str, ...]) -> None:
    connection = console.connected()
    done = console.invoke(*(word.format(id=connection) for word in words))
    assert done.exit_code == 0, done.output
    assert done.stdout.strip()
    assert not done.stdout.lstrip().startswith(("{", "["))


def test_a_key_that_opens_nothing_is_kept_and_said(console: Console) -> None:
    code, made = console.add(key="pat-that-nobody-issued")
    assert (code, made["valid"]) == (1, False)
    assert console.asked("test", made["id"]) == (1, {"valid": False})
    code, answer = console.asked("reconnect", made["id"], key=console.airtable.token())
    assert (code, answer) == (0, {"valid": True})
    assert console.asked("test", made["id"]) == (0, {"valid": True})
    assert "pat-that-nobody-issued" not in "".join(console.printed)


def test_oauth_begins_with_an_address_and_no_key(console: Console) -> None:
    code, made = console.add("--oauth", key="unused")
    assert code == 0
    assert made["address"].startswith("https://crm.example.com/oauth/airtable/start?ticket=")
    assert rows_of(console.stage.db, "select id from integration_connections") == []
    code, again = console.asked("reconnect", console.connected(), "--oauth")
    assert code == 0
    assert again["address"].startswith("https://crm.example.com/oauth/airtable/start?ticket=")


def test_pause_and_resume_say_the_state(console: Console) -> None:
    connection = console.connected()
    for _ in range(2):
        code, paused = console.asked("pause", connection)
        assert (code, paused["status"], console.row(connection)["sync_enabled"]) == (0, "paused", False)
    code, resumed = console.asked("resume", connection)
    assert (code, resumed["status"], console.row(connection)["sync_enabled"]) == (0, "active", True)
    steered = rows_of(console.stage.db, "select action from integration_activity order by created_at, id")
    actions = sorted(row["action"] for row in steered)
    assert actions == ["connected", "operator_pause", "operator_pause", "operator_resume"]


def test_a_removal_forgets_the_key_and_says_that_nothing_took_it_back(console: Console) -> None:
    connection = console.connected()
    code, done = console.asked("remove", connection)
    assert (code, done["was_revoked"]) == (1, False)
    assert rows_of(console.stage.db, "select connection_id from integration_secrets") == []
    assert console.row(connection)["status"] == "disconnected"
    code, said = console.refused("pause", connection)
    assert (code, said) == (2, "the connection was removed: connect the account again")


def test_the_key_is_rotated_and_every_account_still_opens(console: Console) -> None:
    connection = console.connected()
    assert console.asked("rotate-key") == (0, {"encrypted_again": 1})
    assert one(console.stage.db, "select key_version from integration_secrets")["key_version"] == 2
    assert console.asked("test", connection) == (0, {"valid": True})


def test_a_list_that_needs_somebody_says_so_by_its_exit_code(console: Console) -> None:
    connection = console.connected()
    rows_of(console.stage.db, "update integration_connections set held_for = 'reconnect'")
    assert console.asked("list")[0] == 1
    code, said = console.refused("sync", connection, "--confirm")
    assert (code, said) == (2, "the account has to be connected again first")


@pytest.mark.parametrize("verb", ["show", "test", "sync", "pause", "resume", "reconnect", "remove"])
def test_an_unknown_connection_is_named_in_one_line(console: Console, verb: str) -> None:
    assert console.refused(verb, str(uuid4())) == (2, "no such connection")


def test_what_cannot_be_added_is_said_before_a_key_is_asked_for(console: Console, tmp_path: Path) -> None:
    where = ("--workspace", str(console.stage.workspace))
    wrong = tmp_path / "wrong.json"
    wrong.write_text("no JSON")
    code, said = console.refused("add", "fax", *where)
    assert (code, said) == (2, "no such integration: it is one of airtable, gmail, mailchimp")
    assert console.refused("add", "airtable", "--workspace", "nobody's") == (2, "no such workspace")
    assert console.refused("add", "airtable", *where, "--settings", str(wrong)) == (2, f"{wrong} is not JSON")
    assert rows_of(console.stage.db, "select id from integration_connections") == []


def test_a_vendor_that_is_away_is_named_and_nothing_is_forgotten(console: Console) -> None:
    connection = console.connected()
    console.airtable.fault("503", times=20)
    code, said = console.refused("test", connection)
    assert (code, said.endswith("; try again")) == (1, True)
    assert len(rows_of(console.stage.db, "select connection_id from integration_secrets")) == 1
