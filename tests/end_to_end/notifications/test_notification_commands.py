"""`crm-relay notification …` as an operator uses it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from tests.conftest import fresh_database
from tests.support.notifications.planted_week import PlantedWeek, plant_week
from tests.support.platform.rows import one
from tests.support.processes.commands import Commands

LINES = {"EMAIL_FROM": "CRM <crm@example.com>", "APP_URL": "https://crm.example.com", "COLUMNS": "160"}
OWN = {
    "slug": "deal_closed_won",
    "name": "Won",
    "category": "deal",
    "title_template": "{{deal.name}} is ours",
    "message_template": "{{deal.name}}: {{deal.value}}",
    "variables": [{"name": "deal.name", "required": True}, {"name": "deal.value", "type": "money"}],
}


@pytest.fixture(scope="module")
def own_url(postgres_url: str) -> Iterator[str]:
    with fresh_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="module")
def database(own_url: str) -> Iterator[Database]:
    database = Database(own_url)
    yield database
    database.close()


@pytest.fixture(scope="module")
def week(database: Database) -> PlantedWeek:
    return plant_week(database, utc_now())


@pytest.fixture(scope="module")
def commands(own_url: str) -> Iterator[Commands]:
    with Commands({"DATABASE_URL": own_url} | LINES) as made:
        yield made


def run(commands: Commands, *arguments: str) -> tuple[int, Any]:
    """Exit code and answer of `crm-relay notification … --json`."""
    done = commands.run("notification", *arguments, "--json")
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


def test_deliveries_are_listed_and_counted(commands: Commands, week: PlantedWeek) -> None:
    code, rows = run(commands, "list", "--user", "ada@example.com", "--channel", "email")
    assert (code, len(rows)) == (1, 5)
    assert {row["state"] for row in rows} == {"sent", "failed", "unknown"}
    assert run(commands, "list", "--user", str(week.bob), "--state", "waiting")[0] == 0
    assert run(commands, "list", "--user", "nobody@example.com")[0] == 2
    code, channels = run(commands, "list", "--counts")
    email = next(each for each in channels if each["channel"] == "email")
    assert (code, email["held"], email["in_digests"]) == (1, {"do_not_disturb": 5}, 5)
    shown = commands.run("notification", "list", "--limit", "3")
    assert "task_assigned" in shown.stdout
    assert "Northwind" not in shown.stdout


def test_why_names_every_gate(commands: Commands, database: Database, week: PlantedWeek) -> None:
    made = one(database, "select id from notifications where user_id = :bob limit 1", bob=week.bob)["id"]
    code, found = run(commands, "why", str(made))
    assert (code, found["template"]) == (0, "task_assigned (version 1)")
    email = next(each for each in found["channels"] if each["channel"] == "email")
    assert (email["state"], email["reason"]) == ("waiting", "do_not_disturb")
    gates = {each["gate"]: each["verdict"] for each in email["gates"]}
    assert (gates["do_not_disturb"], gates["muted"]) == ("hold", "passes")
    assert len(gates) == 10
    shown = commands.run("notification", "why", str(made))
    assert "do_not_disturb: hold" in shown.stdout
    assert run(commands, "why", str(uuid4()))[0] == 2


def test_the_simulated_week_is_shown(commands: Commands, week: PlantedWeek) -> None:
    code, found = run(commands, "preview", "ada@example.com", "--frequency", "never", "--channel", "in_app")
    assert (code, found["notifications"]) == (0, 5)
    email = {each["channel"]: each for each in found["then"]}["email"]
    assert email["skipped"] == {"muted": 5}
    assert found["lines"][0]["channel"] in {"in_app", "email"}
    shown = commands.run("notification", "preview", "ada@example.com", "--frequency", "daily_digest")
    assert "With these settings" in shown.stdout
    assert run(commands, "preview", "ada@example.com", "--zone", "Mars/Olympus")[0] == 2
    assert run(commands, "preview", "ada@example.com", "--quiet-hours", "22:00-08:00", "--category", "deal")[0] == 0


def test_settings_are_shown_as_they_act(commands: Commands, week: PlantedWeek) -> None:
    code, found = run(commands, "settings", str(week.cleo))
    own = next(each for each in found["categories"] if each["category"] == "assignment")
    assert (code, own["frequency"], own["source"]) == (0, "daily_digest", "person")
    assert "now in_app: send (daily_digest)" in commands.run("notification", "settings", str(week.cleo)).stdout


def test_a_template_is_kept_shown_and_sent(
    commands: Commands, database: Database, week: PlantedWeek, tmp_path: Path
) -> None:
    file = tmp_path / "won.json"
    file.write_text(json.dumps(OWN))
    organization = str(week.org)
    assert run(commands, "save-template", str(file), "--organization", organization)[1]["version"] == 1
    code, listed = run(commands, "templates", "--organization", organization)
    assert (code, len(listed)) == (0, 10)
    values = json.dumps({"deal": {"name": "Northwind", "value": 5, "currency": "EUR"}})
    code, shown = run(
        commands, "template", "deal_closed_won", "--organization", organization, "--values", values, "--locale", "de"
    )
    assert (code, shown["message"]) == (0, "Northwind: 5,00\N{NO-BREAK SPACE}€")
    code, sent = run(commands, "test", "deal_closed_won", "--user", "ada@example.com", "--values", values)
    assert (code, sent["channels"]) == (0, {"in_app": "sent"})
    row = one(database, "select title from notifications where id = :id", id=UUID(sent["notification_id"]))
    assert row["title"] == "Northwind is ours"


@pytest.mark.parametrize("text", ["{", "[]", json.dumps(OWN | {"title_template": "{{x}}"})])
def test_a_file_with_problems_is_refused(commands: Commands, week: PlantedWeek, tmp_path: Path, text: str) -> None:
    file = tmp_path / "bad.json"
    file.write_text(text)
    done = commands.run("notification", "save-template", str(file), "--organization", str(week.org))
    assert done.returncode == 2
    missing = commands.run("notification", "save-template", "nothing.json", "--organization", str(week.org))
    assert missing.returncode == 2
