"""`crm-relay cache …` as an operator uses it, against the table of a running stack."""

import os
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid4

import pytest

from crm_relay.edge_cache.dynamo.dynamo_table import DynamoTable
from crm_relay.edge_cache.record_email import record_email
from crm_relay.platform.aws.queue import aws_client
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from tests.end_to_end.cli.test_command_line import as_json, crm_relay, stack
from tests.support.platform.rows import one, rows_of

__all__ = ["stack"]


@pytest.fixture
def database(stack: dict[str, Any]) -> Iterator[Database]:
    database = Database(stack["database_url"])
    yield database
    database.close()


@pytest.fixture
def table(stack: dict[str, Any]) -> Iterator[DynamoTable]:
    with patch.dict(os.environ, stack["environment"]):
        aws_client.cache_clear()
        yield DynamoTable(stack["environment"]["EDGE_CACHE_TABLE"])
    aws_client.cache_clear()


def cache(stack: dict[str, Any], *arguments: str) -> tuple[int, Any]:
    """Exit code and answer of `crm-relay cache … --json`."""
    done = crm_relay(stack, "cache", *arguments, "--json")
    assert done.stdout, done.stderr
    return done.returncode, as_json(done)


def record(table: DynamoTable, row_id: UUID, subject: str) -> None:
    record_email(table, {"id": str(row_id), "subject": subject}, utc_now())


def test_an_operator_sees_both_directions_through_and_takes_a_decision_back(
    stack: dict[str, Any], database: Database, table: DynamoTable
) -> None:
    email = uuid4()
    one(database, "insert into prospects (name) values ('Ada') returning id")
    record(table, email, "first")
    code, (back, there) = cache(stack, "sync")
    assert (code, back["direction"], back["written"], there["direction"]) == (0, "to_postgres", 1, "to_cache")
    code, directions = cache(stack, "status")
    assert (code, [each["pending"] for each in directions]) == (0, [0, 0])

    rows_of(database, "update emails set subject = 'PostgreSQL''s' where id = :id", id=email)
    record(table, email, "the edge's")
    assert cache(stack, "sync")[0] == 0
    code, (logged,) = cache(stack, "conflicts")
    assert (code, logged["winner"], logged["differing"]) == (1, "edge", ["subject"])
    assert "PostgreSQL's" in cache(stack, "conflicts", str(logged["id"]))[1]["postgres_doc"]
    assert cache(stack, "revert", str(logged["id"]))[0] == 0
    assert crm_relay(stack, "cache", "revert", str(logged["id"])).returncode != 0
    assert cache(stack, "sync")[0] == 0
    assert "PostgreSQL's" in str(table.get("emails", [email])[email].doc)
    assert cache(stack, "conflicts") == (0, [])


def test_what_disappeared_is_held_back_until_it_is_allowed(stack: dict[str, Any], database: Database) -> None:
    rows_of(database, "insert into mailboxes (email) select 'm' || n from generate_series(1, 20) n")
    cache(stack, "sync")
    rows_of(database, "delete from mailboxes")
    code, (_, there) = cache(stack, "sync")
    assert (code, there["held_back"]) == (1, ["mailboxes"])
    assert cache(stack, "status")[0] == 1
    code, (_, there) = cache(stack, "sync", "mailboxes", "--allow-shrink")
    assert (code, there["deleted"]) == (0, 20)
    assert cache(stack, "status")[0] == 0


def test_what_is_parked_is_tried_again(stack: dict[str, Any], database: Database, table: DynamoTable) -> None:
    email = uuid4()
    rows_of(database, "alter table emails add constraint short check (length(subject) < 50) not valid")
    record(table, email, "x" * 60)
    assert cache(stack, "sync")[0] == 1
    assert cache(stack, "status")[0] == 1
    code, (line,) = cache(stack, "parked")
    assert (code, line["id"]) == (1, str(email))
    rows_of(database, "alter table emails drop constraint short")
    assert cache(stack, "retry", "emails", str(email)) == (0, {"tried_again": 1})
    assert crm_relay(stack, "cache", "retry", "emails").returncode != 0
    assert cache(stack, "sync")[0] == 0
    assert cache(stack, "parked") == (0, [])
    assert one(database, "select length(subject) as n from emails where id = :id", id=email) == {"n": 60}


def test_a_resync_runs_to_its_end(stack: dict[str, Any], table: DynamoTable) -> None:
    code, answer = cache(stack, "resync", "emails")
    assert (code, [(each["entity"], each["phase"]) for each in answer["entities"]]) == (0, [("emails", "done")])


def test_an_unknown_table_or_direction_is_named(stack: dict[str, Any]) -> None:
    for wrong in (["resync", "customers"], ["sync", "--direction", "sideways"]):
        done = crm_relay(stack, "cache", *wrong)
        assert done.returncode != 0
        assert "must be" in done.stdout + done.stderr
