"""`crm-relay erase` as an operator uses it."""

import os
import subprocess
from typing import Any

from crm_relay.platform.database import Database
from tests.conftest import ROOT
from tests.end_to_end.cli.test_command_line import COMMAND, as_json, crm_relay, stack
from tests.support.platform.rows import one

__all__ = ["stack"]

WHO = "customer20@example.com"


def count(stack: dict[str, Any], address: str) -> int:
    database = Database(stack["database_url"])
    found = one(database, "select count(*) as n from customer_emails where normalise_address(email) = :a", a=address)
    database.close()
    return int(found["n"])


def test_from_preview_by_way_of_the_question_to_the_receipt(stack: dict[str, Any]) -> None:
    preview = crm_relay(stack, "erase", WHO, "--dry-run", "--json")
    assert preview.returncode == 0
    assert as_json(preview)["rows"]["customer_emails"] >= 1
    assert count(stack, WHO) == 1

    environment = {**os.environ, "CRM_RELAY_STACK_FILE": stack["stack_file"], "COLUMNS": "120"}
    asked = subprocess.run(
        [COMMAND, "erase", WHO],
        cwd=ROOT,
        env=environment,
        input="n\n",
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert asked.returncode == 2
    assert "Erase this for good?" in asked.stderr
    assert count(stack, WHO) == 1

    erased = crm_relay(stack, "erase", WHO, "--yes", "--json")
    assert (erased.returncode, as_json(erased)["complete"]) == (0, True), erased.stdout
    assert WHO not in erased.stdout
    assert count(stack, WHO) == 0
    ledger = as_json(crm_relay(stack, "why", WHO, "--json"))["ledger"]
    assert [entry["kind"] for entry in ledger] == ["erased"]


def test_what_cannot_be_reached_is_exit_1(stack: dict[str, Any]) -> None:
    environment = {**os.environ, "CRM_RELAY_STACK_FILE": stack["stack_file"]}
    environment |= stack["environment"] | {"MAUTIC_URL": "http://127.0.0.1:9"}

    done = subprocess.run(
        [COMMAND, "erase", "customer21@example.com", "--yes", "--json"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 1
    assert set(as_json(done)["unreached"]) == {"mautic_contacts"}
    assert count(stack, "customer21@example.com") == 1


def test_nobody_is_wrong_use(stack: dict[str, Any]) -> None:
    done = crm_relay(stack, "erase", "6a0f6f3e-0000-4000-8000-000000000000", "--yes")

    assert done.returncode == 2
    assert "no address, and no id" in " ".join(done.stderr.split())
