"""A delivery of EmailBison survives the database being away, and an answer to its commit that never came."""

import json
from collections.abc import Callable, Iterator

import pytest

from bison_webhook import wiring
from crm_relay.platform.database import Database
from tests.support.log import quiet_about
from tests.support.outreach.bison_events import address, counters, logged, mail
from tests.support.outreach.bison_webhook_function import (
    ENVIRONMENT,
    NORTHWIND,
    TOKENS,
    deliver,
    plant_workspaces,
    tables,
)
from tests.support.platform.aws_of_a_test import Aws, failures, running_aws, sqs_event, wait_until
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.platform.rows import one, rows_of
from webhook_replay.handler import handler as replay_handler

AWAY = "postgresql://nobody:secret@127.0.0.1:9/crm"
DEFERRED = {"status": 202, "success": True, "deferred": True}
BODY = mail("lead_interested", 1)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """The queue, the bucket and the table of this test."""
    with running_aws(monkeypatch) as running:
        yield running


@pytest.fixture
def connect(aws: Aws, database: Database) -> Callable[[str], None]:
    """Both functions, with the database at that address."""
    plant_workspaces(database)
    settings = {name: value for name, value in ENVIRONMENT.items() if name.startswith("BISON")}

    def connected(url: str) -> None:
        aws.configure(url, **settings)
        wiring.dependencies.forget()

    return connected


def test_a_delivery_waits_in_the_queue_and_counts_once(
    database: Database, database_url: str, aws: Aws, connect: Callable[[str], None]
) -> None:
    connect(AWAY)
    with quiet_about(address(1)), quiet_about(TOKENS[NORTHWIND]):
        assert deliver(BODY) == DEFERRED
    (message,) = aws.messages()
    assert json.loads(message)["workspace_name"] == NORTHWIND
    assert TOKENS[NORTHWIND] not in message

    connect(database_url)
    assert failures(replay_handler(sqs_event(message, message), None)) == []
    assert counters(database) == {"positive_replies_mtd": 1}
    assert logged(database, "origin, success") == [{"origin": "deferred", "success": True}]
    assert one(database, "select sum(deliveries)::integer as n from webhook_delivery_slots")["n"] == 1
    after = tables(database)
    assert deliver(BODY)["duplicates"] == 1
    assert tables(database) == after


def test_a_deferred_delivery_of_another_workspace_waits_until_its_number_is_right(
    database: Database, database_url: str, aws: Aws, connect: Callable[[str], None]
) -> None:
    rows_of(database, "update workspaces set bison_workspace_id = 99 where name = :name", name=NORTHWIND)
    connect(AWAY)
    deliver(BODY)
    connect(database_url)
    (message,) = aws.messages()
    assert failures(replay_handler(sqs_event(message), None)) == []
    assert counters(database) == {}
    rows_of(database, "update workspaces set bison_workspace_id = 17 where name = :name", name=NORTHWIND)
    assert failures(replay_handler(sqs_event(message), None)) == []
    assert counters(database) == {"positive_replies_mtd": 1}


def test_a_delivery_whose_commit_got_no_answer_counts_once(
    database: Database, database_url: str, aws: Aws, connect: Callable[[str], None]
) -> None:
    with CountingProxy(database_url, cut_after="commit") as proxy:
        connect(proxy.url)
        assert deliver(BODY) == DEFERRED
    wait_until(lambda: counters(database) == {"positive_replies_mtd": 1})
    connect(database_url)
    assert failures(replay_handler(sqs_event(*aws.messages()), None)) == []
    assert counters(database) == {"positive_replies_mtd": 1}


def test_a_call_without_a_token_is_refused_also_while_the_database_is_away(
    aws: Aws, connect: Callable[[str], None]
) -> None:
    connect(AWAY)
    assert deliver(BODY, token="a-token-that-is-nobodys")["status"] == 401
    assert aws.messages() == []


def test_a_body_that_says_nothing_is_not_deferred(aws: Aws, connect: Callable[[str], None]) -> None:
    connect(AWAY)
    assert deliver(b"no JSON")["status"] == 400
    assert aws.messages() == []
