"""cache_sync as Lambda would call it, with the table of the template in a local AWS."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid4

import pytest

from cache_sync import wiring
from cache_sync.handler import handler
from crm_relay.edge_cache.dynamo.dynamo_table import DynamoTable
from crm_relay.edge_cache.keys import bucket_of
from crm_relay.edge_cache.record_email import record_email
from crm_relay.edge_cache.replication import resync as resync_module
from crm_relay.platform.aws.lease import Lease
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput, TransientError
from local.aws.local_aws import LocalAws
from local.runtime.lambda_context import LocalLambdaContext
from tests.support.edge_cache.edge_tables import TEMPLATE, edge_aws
from tests.support.platform.rows import one, rows_of

EVENTS = Path(__file__).parents[3] / "events" / "cache_sync"


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with edge_aws() as aws:
        yield aws


@pytest.fixture(autouse=True)
def function(aws: LocalAws, database_url: str) -> Iterator[None]:
    """Configured for a database of its own; the table is the module's."""
    settings = {"DATABASE_URL": database_url, "POWERTOOLS_METRICS_DISABLED": "true"}
    with patch.dict(os.environ, aws.environment | settings):
        wiring.installation.forget()
        yield
        wiring.installation().database.close()
    wiring.installation.forget()


@pytest.fixture
def table() -> DynamoTable:
    return DynamoTable(os.environ["EDGE_CACHE_TABLE"])


def call(event: dict[str, Any]) -> dict[str, Any]:
    return dict(handler(event, LocalLambdaContext.of(TEMPLATE.functions["cache_sync"])))


def sample(name: str) -> dict[str, Any]:
    return dict(json.loads((EVENTS / f"{name}.json").read_text()))


def test_a_row_goes_to_the_edge_and_an_email_comes_back(database: Database, table: DynamoTable) -> None:
    prospect = one(database, "insert into prospects (name) values ('Ada') returning id")["id"]
    email = uuid4()
    record_email(table, {"id": str(email), "subject": "From the edge"}, utc_now())
    back, there = call(sample("to_postgres")), call(sample("to_cache"))
    assert (back["written"], back["finished"], there["finished"]) == (1, True, True)
    assert json.loads(table.get("prospects", [prospect])[prospect].doc or "")["name"] == "Ada"
    assert one(database, "select subject from emails where id = :id", id=email)["subject"] == "From the edge"
    assert table.get("emails", [email])[email].edited_at is None
    logged = rows_of(database, "select distinct direction, status, ordered_by from sync_log order by direction")
    assert [tuple(row.values()) for row in logged] == [
        ("resync", "success", "schedule"),
        ("to_cache", "success", "schedule"),
        ("to_postgres", "success", "schedule"),
    ]


def test_a_resync_clears_away_what_the_source_does_not_have(
    database: Database, table: DynamoTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resync_module, "BUCKETS", 64)  # a query each: moto is slow
    rows = [row_id for row_id in map(UUID, range_of_ids()) if bucket_of(row_id) < 64][:20]
    rows_of(
        database, "insert into mailboxes (id, email) select id, 'm' from unnest(:ids::uuid[]) as ids (id)", ids=rows
    )
    call(sample("to_cache"))
    database.run_script("alter table mailboxes disable trigger user")
    rows_of(database, "delete from mailboxes where id = :id", id=rows[0])
    answer = call(sample("resync"))
    assert [(each["entity"], each["phase"]) for each in answer["entities"]] == [("mailboxes", "done")]
    found = table.get("mailboxes", rows)
    assert [found[row_id].doc is None for row_id in rows] == [True] + [False] * 19


def range_of_ids() -> Iterator[str]:
    """Always the same."""
    return (str(UUID(int=number)) for number in range(1, 5000))


def test_one_run_a_direction_at_a_time(aws: LocalAws) -> None:
    lease = Lease(os.environ["COORDINATION_TABLE"], "edge:to_cache", 60)
    assert lease.acquire()
    assert call(sample("to_cache"))["stepped_aside"]
    assert call(sample("resync"))["stepped_aside"]
    assert call(sample("to_postgres"))["finished"], "the other direction does not wait"
    lease.release()
    assert "stepped_aside" not in call(sample("to_cache"))


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"direction": "sideways"},
        {"direction": "resync", "entities": []},
        {"direction": "resync", "entities": ["x"]},
    ],
)
def test_an_order_that_nobody_understands_names_what_is_allowed(event: dict[str, Any]) -> None:
    with pytest.raises(RejectedInput, match=r"to_cache, to_postgres, resync|prospects, campaigns, mailboxes, emails"):
        call(event)


def test_with_the_database_away_it_raises_and_the_lease_is_free_again(database: Database) -> None:
    call(sample("to_cache"))
    with patch.dict(os.environ, {"DATABASE_URL": "postgresql://nobody:x@127.0.0.1:9/nothing"}):
        wiring.installation.forget()
        with pytest.raises(TransientError):
            call(sample("to_cache"))
    wiring.installation.forget()
    assert call(sample("to_cache"))["finished"]


def test_an_order_of_the_queue_is_carried_out_in_its_name(database: Database) -> None:
    body = json.dumps({"direction": "to_cache", "entities": ["mailboxes"], "ordered_by": "ada"})
    answer = call({"Records": [{"messageId": "1", "body": body}]})
    assert answer["finished"]
    names = rows_of(database, "select distinct ordered_by from sync_log")
    assert [row["ordered_by"] for row in names] == ["ada"]
