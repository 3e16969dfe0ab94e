"""integrity_check as Lambda runs it, on a DynamoDB table and its stream: two thousand rows of which one differs."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from crm_relay.edge_cache.run import SyncRun
from crm_relay.platform.clock import Deadline, utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.lease import Lease
from integrity_check import wiring
from integrity_check.handler import handler
from integrity_check.wiring import read_order
from tests.support.edge_tables import MotoStage, edge_aws
from tests.support.rows import one, rows_of

EVENTS = Path(__file__).parents[2] / "events" / "integrity_check"
CONTEXT: Any = SimpleNamespace(aws_request_id="1", get_remaining_time_in_millis=lambda: 900_000)


def event(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture
def stage(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[MotoStage]:
    with edge_aws() as aws:
        stage = MotoStage(aws)
        monkeypatch.delenv("CRM_RELAY_SECRET_ID", raising=False)
        monkeypatch.setenv("DATABASE_URL", database_url)
        monkeypatch.setenv("EDGE_CACHE_TABLE", stage.name or "")
        monkeypatch.setenv("COORDINATION_TABLE", _leases(stage))
        wiring.world.forget()
        yield stage
        wiring.world.forget()


def _leases(stage: MotoStage) -> str:
    name = f"leases-{stage.name}"
    stage.client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    return name


def sync(stage: MotoStage, database: Database) -> int:
    """Rows written; without the full resyncs that come first elsewhere, which sweep every bucket of every entity."""
    rows_of(
        database,
        "insert into edge_resyncs (entity, generation, ordered_by, phase, finished_at) "
        "select entity, 1, 'a test', 'done', now() from edge_entities",
    )
    written: int = SyncRun(database, stage.table, utc_now, Deadline.after(600)).to_cache()["written"]
    return written


def test_one_changed_row_among_two_thousand_is_found_mended_and_put_back(stage: MotoStage, database: Database) -> None:
    rows_of(
        database,
        "insert into prospects (name, contact_email, updated_at) select 'P' || n, 'p' || n || '@example.com', "
        "now() - interval '1 day' from generate_series(1, 2000) n",
    )
    assert sync(stage, database) == 2000
    for _page_of_the_stream in range(5):
        stage.catch_up()
    clean = handler(event("hourly"), CONTEXT)
    assert (clean["found"], clean["items_read"] < 4 * 64 + 5) == (0, True)

    row_id = one(database, "select id from prospects where name = 'P1234'")["id"]
    found = stage.table.get("prospects", [row_id])[row_id]
    stage.put_by_others(
        "prospects", row_id, version={"N": str(found.version)}, doc={"S": (found.doc or "").replace("P1234", "P0")}
    )
    stage.catch_up()
    # With "full" every bucket would be read, which moto is too slow for.
    dry = handler({"fix": True, "dry_run": True}, CONTEXT)
    assert (dry["found"], dry["fixed"], dry["run"]) == (1, 0, None)
    hourly = handler(event("hourly"), CONTEXT)
    assert hourly["checks"]["drift"]["found"] == 1
    assert hourly["items_read"] < 2000 * 0.2
    nightly = handler(event("nightly") | {"full": False}, CONTEXT)
    assert nightly["fixed"] == 1
    stage.catch_up()
    assert handler(event("hourly"), CONTEXT)["found"] == 0
    assert stage.table.get("prospects", [row_id])[row_id].doc == found.doc

    assert len(wiring.world().revert(nightly["run"], "ada").fixes) == 1
    assert "P0" in (stage.table.get("prospects", [row_id])[row_id].doc or "")


def test_two_runs_do_not_meet_and_a_dry_run_waits_for_nobody(stage: MotoStage, database: Database) -> None:
    lease = Lease(wiring.world().settings.coordination_table, "integrity", 60)
    assert lease.acquire()
    assert handler(event("nightly"), CONTEXT) == {"success": True, "stepped_aside": True}
    assert handler(event("dry_run"), CONTEXT)["success"]
    lease.release()
    assert "checks" in handler(event("hourly"), CONTEXT)


@pytest.mark.parametrize("wrong", [{"fix": 1}, {"full": "yes"}, {"approve": "drift"}, {"approve": ["nonsense"]}])
def test_an_order_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(RejectedInput):
        read_order(wrong, 100)


def test_an_order_says_what_shall_be_done() -> None:
    order = read_order({"fix": True, "approve": ["drift"]}, 7)
    assert order == replace(read_order({}, 7), fix=True, approved=frozenset({"drift"}))


def command(*arguments: str) -> tuple[int, Any]:
    """Exit code and answer, in a process of its own."""
    program = str(Path(sys.executable).with_name("crm-relay"))
    done = subprocess.run([program, "integrity", *arguments, "--json"], capture_output=True, text=True, check=False)
    assert done.stdout or done.returncode == 2, done.stderr
    return done.returncode, json.loads(done.stdout) if done.stdout else None


def test_the_command_tells_by_its_exit_code_what_it_found_and_takes_a_fix_back(
    stage: MotoStage, database: Database
) -> None:
    sync(stage, database)
    assert command("check")[0] == 0
    rows_of(database, "insert into emails (status) values ('draft')")
    code, found = command("check", "--fix", "--dry-run")
    assert (code, found["run"], found["checks"]["orphaned_email"]["fixable"]) == (1, None, 1)
    code, done = command("check", "--fix")
    assert (code, done["fixed"]) == (1, 1)
    assert one(database, "select orphaned from emails") == {"orphaned": True}
    assert command("check")[0] == 0
    code, back = command("revert", done["run"])
    assert (code, len(back["fixes"])) == (0, 1)
    assert one(database, "select orphaned from emails") == {"orphaned": False}
    assert [command("revert", "nonsense")[0], command("check", "--approve", "nonsense")[0]] == [2, 2]
