"""`crm-relay campaign …` as an operator uses it: from a file to an activated campaign, seen beforehand, and back."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from crm_relay.platform.database import Database
from tests.end_to_end.cli.test_command_line import as_json, crm_relay, stack
from tests.support.campaigns.campaign_files import file, mail
from tests.support.platform.rows import one, rows_of

__all__ = ["stack"]

TASK = {"channel": "task", "delay": {"hours": 1}, "task": {"title": "Ring"}}
NOBODY = "6a0f6f3e-0000-4000-8000-000000000000"
YAML = """
name: From YAML
zone: Europe/Lisbon
steps:
  - channel: task
    task: {title: Ring}
"""


@pytest.fixture
def database(stack: dict[str, Any]) -> Iterator[Database]:
    database = Database(stack["database_url"])
    rows_of(database, "update organizations set postal_address = '1 Example Street'")
    rows_of(
        database,
        """insert into email_identities (from_address, is_default) values ('ada@example.com', true)
           on conflict do nothing""",
    )
    yield database
    database.close()


def campaign(stack: dict[str, Any], *arguments: str) -> tuple[int, Any]:
    """Exit code and answer of `crm-relay campaign … --json`."""
    done = crm_relay(stack, "campaign", *arguments, "--json")
    assert done.stdout, done.stderr
    return done.returncode, as_json(done)


def written(folder: Path, given: Any) -> str:
    path = folder / "campaign.json"
    path.write_text(json.dumps(given))
    return str(path)


def contact(database: Database, address: str) -> str:
    return str(one(database, "insert into contacts (email) values (:address) returning id", address=address)["id"])


def test_an_operator_goes_from_a_file_to_a_campaign_that_runs(
    stack: dict[str, Any], database: Database, tmp_path: Path
) -> None:
    first = contact(database, "ana@example.com")
    contact(database, "bo@example.com")
    people = tmp_path / "people.csv"
    people.write_text("Name,Email\nBo, BO@example.com \nNobody,nobody@example.com\n")

    code, made = campaign(stack, "create", written(tmp_path, file(mail(), TASK, name="Launch")))
    assert (code, made["status"], made["steps"]) == (0, "draft", 2)
    assert campaign(stack, "enroll", "Launch", "--contact", first)[1]["enrolled"] == 1
    code, listed = campaign(stack, "enroll", made["id"], "--csv", str(people))
    assert (code, listed["enrolled"], listed["unknown"]) == (1, 1, 1)

    code, ahead = campaign(stack, "simulate", "Launch", "--days", "10", "--recipient", "ana@example.com")
    assert (code, ahead["status"], ahead["recipients"]) == (0, "draft", 2)
    assert [(entry["contact_id"], entry["action"]) for entry in ahead["calendar"]] == [
        (first, "email"),
        (first, "work"),
    ]

    assert campaign(stack, "activate", "Launch")[1]["scheduled"] == 2
    assert campaign(stack, "activate", "Launch")[1]["changed"] is False
    assert campaign(stack, "pause", "Launch")[1]["status"] == "paused"
    assert campaign(stack, "resume", "Launch")[1]["status"] == "active"
    place = str(one(database, "select id from campaign_enrollments where contact_id = :id", id=first)["id"])
    assert campaign(stack, "pause", "--enrollment", place)[1]["status"] == "paused"
    assert campaign(stack, "resume", "--enrollment", place)[1]["status"] == "active"

    code, shown = campaign(stack, "show", "Launch")
    assert (code, shown["people"], {each["by"] for each in shown["history"]}) == (0, {"active": 2}, {"operator"})
    assert [each["name"] for each in campaign(stack, "list", "--status", "active")[1]] == ["Launch"]


def test_what_an_operator_reads_without_json_says_the_same(
    stack: dict[str, Any], database: Database, tmp_path: Path
) -> None:
    (tmp_path / "campaign.yaml").write_text(YAML)
    address = f"{uuid4()}@example.com"
    contact(database, address)
    for arguments in (
        ("create", str(tmp_path / "campaign.yaml")),
        ("enroll", "From YAML", "--address", address),
        ("simulate", "From YAML"),
        ("show", "From YAML"),
        ("list",),
    ):
        done = crm_relay(stack, "campaign", *arguments)
        assert done.returncode == 0, done.stderr
        assert "From YAML" in done.stdout or arguments[0] == "enroll"


def test_every_problem_of_a_file_is_told_and_nothing_is_kept(
    stack: dict[str, Any], database: Database, tmp_path: Path
) -> None:
    given = file(mail(subject="{{x}}"), {"channel": "task"}, name="Wrong", zone="Mars")

    done = crm_relay(stack, "campaign", "create", written(tmp_path, given))

    assert done.returncode == 2
    for path in ("zone:", "steps.0.subject:", "steps.1.task.title:"):
        assert path in done.stderr
    assert one(database, "select count(*) as n from campaigns where name = 'Wrong'")["n"] == 0


def test_what_is_due_is_done_by_command(stack: dict[str, Any], database: Database, tmp_path: Path) -> None:
    everyday = {"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "start": "00:00", "end": "23:59"}
    step = {"channel": "task", "task": {"title": "Ring"}}
    campaign(stack, "create", written(tmp_path, file(step, name="Now", window=everyday)))
    campaign(stack, "enroll", "Now", "--contact", contact(database, f"{uuid4()}@example.com"))
    campaign(stack, "activate", "Now")

    code, done = campaign(stack, "run")

    assert (code, done["finished"], done["errors"]) == (0, True, 0)
    assert campaign(stack, "show", "Now")[1]["people"] in ({"completed": 1}, {"active": 1})


def test_a_campaign_is_edited_cancelled_and_archived_by_command(
    stack: dict[str, Any], database: Database, tmp_path: Path
) -> None:
    campaign(stack, "create", written(tmp_path, file(TASK, name="Ending")))
    campaign(stack, "enroll", "Ending", "--contact", contact(database, f"{uuid4()}@example.com"))
    campaign(stack, "activate", "Ending")

    defined = campaign(stack, "edit", "Ending")[1]
    edited = campaign(stack, "edit", "Ending", written(tmp_path, {"name": "Ended", "late_policy": "skip"}))
    refused = crm_relay(stack, "campaign", "edit", "Ended", written(tmp_path, {"steps": []}))
    cancelled = campaign(stack, "cancel", "Ended")[1]
    archived = campaign(stack, "archive", "Ended")[1]

    assert (defined["name"], defined["late_policy"]) == ("Ending", "send")
    assert (edited[0], edited[1]["changed"]) == (0, ["late_policy", "name"])
    assert (refused.returncode, "steps" in refused.stderr) == (2, True)
    assert (cancelled["status"], cancelled["stopped"], archived["status"]) == ("cancelled", 1, "archived")
    changes = {each["change"]: each["by"] for each in campaign(stack, "show", "Ended")[1]["history"]}
    assert {changes[each] for each in ("edited", "cancelled", "archived")} == {"operator"}


def test_an_incident_is_listed_and_closed_by_command(stack: dict[str, Any], database: Database) -> None:
    number = one(
        database,
        """insert into incidents (kind, subject, title, opened_at)
           values ('unknown_event', 'contact_sneezed', 'An event of an unknown type', now()) returning id""",
    )["id"]

    listed = crm_relay(stack, "incident", "list", "--kind", "unknown_event", "--json")
    closed = crm_relay(stack, "incident", "close", str(number), "--json")
    after = crm_relay(stack, "incident", "list", "--kind", "unknown_event", "--json")

    assert (listed.returncode, [each["id"] for each in as_json(listed)]) == (1, [number])
    assert (closed.returncode, as_json(closed)["closed_by"]) == (0, "operator")
    assert (after.returncode, as_json(after)) == (0, [])
    assert crm_relay(stack, "incident", "close", "999999999").returncode == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["create", "nothing.json"],
        ["create", "README.md"],
        ["enroll", "Nowhere", "--contact", NOBODY],
        ["enroll", "Launch"],
        ["activate", "Nowhere"],
        ["pause"],
        ["cancel"],
        ["cancel", "Launch", "--enrollment", NOBODY],
        ["archive", "Nowhere"],
        ["edit", "Nowhere"],
        ["pause", "Launch", "--enrollment", NOBODY],
        ["resume", "--enrollment", NOBODY],
        ["simulate", "Launch", "--days", "0"],
        ["simulate", "Nowhere"],
        ["show", NOBODY],
    ],
    ids=" ".join,
)
def test_wrong_use_is_exit_2(stack: dict[str, Any], arguments: list[str]) -> None:
    done = crm_relay(stack, "campaign", *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_our_webhook_is_registered_in_resend_once_and_its_secret_is_shown_once(stack: dict[str, Any]) -> None:
    first = crm_relay(stack, "campaign", "webhook", "--url", "https://crm.example.com/")
    second = crm_relay(stack, "campaign", "webhook", "--url", "https://crm.example.com")

    assert (first.returncode, second.returncode) == (0, 0)
    assert "whsec_" in first.stdout
    assert "registered already" in second.stdout
    assert "whsec_" not in second.stdout
    wrong = crm_relay(stack, "campaign", "webhook", "--url", "crm.example.com")
    assert (wrong.returncode, "the whole address" in wrong.stderr) == (2, True)


def test_a_paused_sender_is_resumed_by_its_id_and_nobody_else(stack: dict[str, Any], database: Database) -> None:
    paused = one(
        database,
        """insert into email_identities (from_address, paused_at, paused_reason)
           values (:address, now(), 'bounces') returning id""",
        address=f"{uuid4()}@example.com",
    )["id"]

    assert crm_relay(stack, "campaign", "resume-sender", str(paused)).returncode == 0
    assert one(database, "select paused_at from email_identities where id = :id", id=paused)["paused_at"] is None
    assert crm_relay(stack, "campaign", "resume-sender", NOBODY).returncode == 2
