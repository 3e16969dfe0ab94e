"""integrity_check as Lambda runs it, on a DynamoDB table and its stream: two thousand rows of which four differ."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import boto3
import pytest

from crm_relay.edge_cache.keys import BUCKETS, ENTITIES, bucket_of
from crm_relay.edge_cache.replication.run import SyncRun
from crm_relay.platform.aws import queue
from crm_relay.platform.aws.lease import Lease
from crm_relay.platform.clock import Deadline, utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from integrity_check import wiring
from integrity_check.handler import handler
from integrity_check.order import read_order
from tests.support.edge_cache.edge_tables import MotoStage, TableOfNewRows, edge_aws
from tests.support.platform.rows import one, rows_of
from tests.support.processes.commands import Commands

EVENTS = Path(__file__).parents[3] / "events" / "integrity_check"
SUMS = len(ENTITIES) * BUCKETS // 64
"""So many items hold the sums of the buckets."""
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
        wiring.installation.forget()
        yield stage
        wiring.installation.forget()


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
    """New rows written; without the full resyncs that come first elsewhere, and sweep every bucket of every entity."""
    rows_of(
        database,
        "insert into edge_resyncs (entity, generation, ordered_by, phase, finished_at) "
        "select entity, 1, 'a test', 'done', now() from edge_entities",
    )
    run = SyncRun(database, TableOfNewRows(stage.name or ""), utc_now, Deadline.after(600))
    written: int = run.to_cache()["written"]
    return written


def test_four_rows_among_two_thousand_that_differ_are_found_mended_and_put_back(
    stage: MotoStage, database: Database
) -> None:
    rows_of(
        database,
        "insert into prospects (name, contact_email, updated_at) select 'P' || n, 'p' || n || '@example.com', "
        "now() - interval '1 day' from generate_series(1, 2000) n",
    )
    assert sync(stage, database) == 2000
    for _page_of_the_stream in range(5):
        stage.records()
    stage.catch_up()
    clean = handler(event("hourly"), CONTEXT)
    assert (clean["found"], clean["items_read"] < 4 * 64 + 5) == (0, True)

    ids = [row["id"] for row in rows_of(database, "select id from prospects where name in ('P5', 'P50', 'P500')")]
    sound, planted = edge_entries(stage, ids), plant_drift(stage, *ids)
    stage.catch_up()
    # With "full" every bucket would be read, which moto is too slow for.
    dry = handler({"fix": True, "dry_run": True}, CONTEXT)
    assert (dry["found"], dry["fixed"], dry["run"]) == (4, 0, None)
    hourly = handler(event("hourly"), CONTEXT)
    assert hourly["checks"]["drift"]["found"] == 4
    assert hourly["items_read"] <= SUMS + 0.01 * 2000
    nightly = handler(event("nightly") | {"full": False}, CONTEXT)
    assert nightly["fixed"] == 4
    stage.catch_up()
    assert handler(event("hourly"), CONTEXT)["found"] == 0
    assert {row_id: found[1] for row_id, found in edge_entries(stage, planted).items()} == {
        row_id: sound[row_id][1] if row_id in sound else None for row_id in planted
    }

    assert len(wiring.revert_fixes(wiring.installation(), nightly["run"], "ada").fixes) == 4
    assert edge_entries(stage, planted) == planted
    stage.catch_up()
    assert handler(event("hourly"), CONTEXT)["found"] == 4


EdgeEntry = tuple[int, str | None] | tuple[None, None]


def edge_entries(stage: MotoStage, ids: Iterable[UUID]) -> dict[UUID, EdgeEntry]:
    """Version and content of each item; nothing where there is none."""
    wanted = list(ids)
    there = stage.table.get("prospects", wanted)
    return {each: (there[each].version, there[each].doc) if each in there else (None, None) for each in wanted}


def plant_drift(stage: MotoStage, changed: UUID, behind: UUID, gone: UUID) -> dict[UUID, EdgeEntry]:
    """Others write over an item, put back an old one, delete one, and make one of a row that never was."""
    there, ghost = stage.table.get("prospects", [changed, behind]), uuid4()
    items: dict[UUID, EdgeEntry] = {
        changed: (there[changed].version, '{"name": "Mallory"}'),
        behind: (there[behind].version - 1, there[behind].doc),
        ghost: (1, '{"name": "Nobody"}'),
    }
    for row_id, (version, doc) in items.items():
        stage.put_by_others("prospects", row_id, version={"N": str(version)}, doc={"S": doc})
    key = {"pk": {"S": f"prospects#{bucket_of(gone):03x}"}, "sk": {"S": str(gone)}}
    stage.client.delete_item(TableName=stage.name, Key=key)
    planted = edge_entries(stage, [*items, gone])
    assert planted == {**items, gone: (None, None)}
    return planted


def test_two_runs_do_not_meet_and_a_dry_run_waits_for_nobody(stage: MotoStage, database: Database) -> None:
    lease = Lease(wiring.installation().settings.coordination_table, "integrity", 60)
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


@pytest.fixture
def commands(stage: MotoStage) -> Iterator[Commands]:
    del stage  # its settings are in the environment
    with Commands(os.environ) as commands:
        yield commands


def command(commands: Commands, *arguments: str) -> tuple[int, Any]:
    """Exit code and answer, in a process of its own."""
    done = commands.run("integrity", *arguments, "--json")
    assert done.stdout or done.returncode == 2, done.stderr
    return done.returncode, json.loads(done.stdout) if done.stdout else None


def test_the_command_tells_by_its_exit_code_what_it_found_and_takes_a_fix_back(
    stage: MotoStage, database: Database, commands: Commands
) -> None:
    sync(stage, database)
    assert command(commands, "check")[0] == 0
    rows_of(database, "insert into emails (status) values ('draft')")
    code, found = command(commands, "check", "--fix", "--dry-run")
    assert (code, found["run"], found["checks"]["orphaned_email"]["fixable"]) == (1, None, 1)
    code, done = command(commands, "check", "--fix")
    assert (code, done["fixed"]) == (1, 1)
    assert one(database, "select orphaned from emails") == {"orphaned": True}
    assert command(commands, "check")[0] == 0
    code, back = command(commands, "revert", done["run"])
    assert (code, len(back["fixes"])) == (0, 1)
    assert one(database, "select orphaned from emails") == {"orphaned": False}
    assert [command(commands, "revert", "nonsense")[0], command(commands, "check", "--approve", "nonsense")[0]] == [
        2,
        2,
    ]


@pytest.mark.parametrize(("name", "repeats"), [("nightly", True), ("hourly", False), ("dry_run", False)])
def test_at_night_erasures_that_are_not_complete_are_repeated(
    stage: MotoStage, database: Database, monkeypatch: pytest.MonkeyPatch, name: str, repeats: bool
) -> None:
    sqs, s3 = boto3.client("sqs"), boto3.client("s3")
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 5})}
    monkeypatch.setenv("DEFERRED_QUEUE_URL", sqs.create_queue(QueueName="deferred", Attributes=redrive)["QueueUrl"])
    s3.create_bucket(Bucket="oversize")
    monkeypatch.setenv("OVERSIZE_BUCKET", "oversize")
    monkeypatch.setattr(queue, "_LOOK_SECONDS", 0)
    wiring.installation.forget()
    rows_of(database, "insert into unfinished_erasures (addresses) values (array['ada@example.com'])")
    done = handler(event(name), CONTEXT)
    assert done.get("erasures") == ({"complete": 1, "incomplete": 0, "failed": 0, "given_up": 0} if repeats else None)
    left = rows_of(database, "select from unfinished_erasures")
    assert len(left) == (0 if repeats else 1)
