"""A verified delivery survives the database, DynamoDB and its own poison."""

import base64
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import boto3
import pytest
from aws_lambda_powertools.utilities.circuit_breaker import base as breaker
from moto.server import ThreadedMotoServer

from crm_relay.inbox.defer import Deferred
from crm_relay.inbox.replay import list_deferred, replay_failed
from crm_relay.platform.circuit import DatabaseCircuit
from crm_relay.platform.database import Database
from crm_relay.platform.errors import TransientError
from crm_relay.platform.queue import aws_client
from mautic_webhook import wiring as webhook_wiring
from tests.support.counting_proxy import CountingProxy
from tests.support.log import listening, quiet_about
from tests.support.mautic_hooks import body_of, delivery, opened, recorded, subscription
from tests.support.mautic_webhook_function import ENVIRONMENT, NOWHERE, configure, counts, deliver, tables
from tests.support.rows import add_customer, one, rows_of
from webhook_replay import wiring as replay_wiring
from webhook_replay.handler import handler as replay_handler

AWAY = "postgresql://nobody:secret@127.0.0.1:9/crm"
EMAIL = "hook.one@example.com"
UNSUBSCRIBE = recorded("97_hook_unsubscribe_get__lead_channel_subscription_changed").body
DEFERRED = {"status": 202, "success": True, "deferred": True}


class Aws:
    """The queues, the bucket and the table of one test, in a moto server."""

    def __init__(self, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.endpoint = endpoint
        session = boto3.Session("test", "test", region_name="us-east-1")
        self._sqs, self.s3, self.dynamodb = (
            session.client(service, endpoint_url=endpoint) for service in ("sqs", "s3", "dynamodb")
        )
        self.name = f"deferred-{secrets.token_hex(6)}"
        self.queue = self._sqs.create_queue(QueueName=self.name)["QueueUrl"]
        self.s3.create_bucket(Bucket=self.name)
        self.dynamodb.create_table(
            TableName=self.name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        )
        self._monkeypatch = monkeypatch

    def configure(self, database_url: str, **settings: str) -> None:
        """Both functions, in this AWS unless `settings` says otherwise."""
        known = {"AWS_ENDPOINT_URL": self.endpoint, "DEFERRED_QUEUE_URL": self.queue}
        known |= {"OVERSIZE_BUCKET": self.name, "COORDINATION_TABLE": self.name}
        configure(self._monkeypatch, database_url, **(known | settings))
        replay_wiring.world.forget()
        aws_client.cache_clear()
        # As in a new execution environment: Powertools counts failures in its module.
        breaker._LOCAL_FAILURES.clear()

    def messages(self) -> list[str]:
        """Takes everything out of the queue."""
        taken: list[str] = []
        while found := self._sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                self._sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
                taken.append(message["Body"])
        return taken

    def circuit(self) -> str | None:
        """The stored state of the database's circuit."""
        items = self.dynamodb.scan(TableName=self.name)["Items"]
        return items[0]["state"]["S"] if items else None


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """A moto server, in which this test's things have names of their own: moto's state is one for the whole process."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield Aws(f"http://{host}:{port}", monkeypatch)
    server.stop()
    aws_client.cache_clear()


def sqs_event(*messages: str, queue: str | None = None) -> dict[str, Any]:
    """Records of the deferred queue that the function is configured for, or of another one."""
    queue = queue or os.environ["DEFERRED_QUEUE_URL"].rpartition("/")[2]
    return {
        "Records": [
            {
                "messageId": f"message-{number}",
                "receiptHandle": "handle",
                "body": body,
                "attributes": {},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{queue}",
                "awsRegion": "us-east-1",
            }
            for number, body in enumerate(messages)
        ]
    }


def failures(answer: dict[str, Any]) -> list[str]:
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


# --- the database is away --------------------------------------------------------------------------------------------


def test_a_delivery_waits_in_the_queue_and_is_applied_once(database: Database, database_url: str, aws: Aws) -> None:
    customer = add_customer(database, EMAIL)
    aws.configure(AWAY)
    with quiet_about(EMAIL):
        assert deliver(UNSUBSCRIBE) == DEFERRED
    (message,) = aws.messages()
    assert set(json.loads(message)) == {
        "source",
        "workspace_name",
        "dedupe_key",
        "received_at",
        "headers",
        "body_base64",
    }
    assert base64.b64decode(json.loads(message)["body_base64"]) == UNSUBSCRIBE

    aws.configure(database_url)
    assert failures(replay_handler(sqs_event(message, message), None)) == []
    after = tables(database)
    assert [row["customer_id"] for row in after["customer_email_engagement"]] == [customer]
    assert after["customer_profiles"][0]["marketing_opt_in"] is False
    assert failures(replay_handler(sqs_event(message), None)) == []
    assert counts(deliver(UNSUBSCRIBE)) == (0, 1, 0, 0)
    assert tables(database) == after


def test_a_body_too_large_for_a_message_waits_in_the_bucket(database: Database, database_url: str, aws: Aws) -> None:
    event = opened()
    event["stat"]["email"]["customHtml"] = "x" * 1_000_000
    body = delivery(email_on_open=[event])
    aws.configure(AWAY)
    assert deliver(body) == DEFERRED
    (message,) = aws.messages()
    key = json.loads(message)["object_key"]
    assert key.startswith("oversize/mautic/")
    assert aws.s3.get_object(Bucket=aws.name, Key=key)["Body"].read() == body

    aws.configure(database_url)
    assert failures(replay_handler(sqs_event(message), None)) == []
    assert one(database, "select body from webhook_inbox")["body"].encode() == body


def test_the_largest_body_that_stands_in_a_message_fits_into_one(aws: Aws) -> None:
    aws.configure(AWAY)
    body = body_of({"timestamp": "2026-11-20T12:25:53+00:00", "filler": ""})
    body = body.replace(b'"filler":""', b'"filler":"' + b"x" * (675_000 - len(body)) + b'"')
    assert deliver(body) == DEFERRED
    (message,) = aws.messages()
    assert len(body) == 675_000
    assert len(message) < 2**20


def test_where_the_queue_is_away_as_well_nobody_says_that_it_worked(aws: Aws) -> None:
    aws.configure(AWAY, AWS_ENDPOINT_URL=NOWHERE)
    with quiet_about(EMAIL):
        answer = deliver(UNSUBSCRIBE)
    assert answer == {"status": 503, "error": "temporarily unavailable", "details": []}


def test_only_verified_deliveries_reach_the_queue(aws: Aws) -> None:
    aws.configure(AWAY)
    assert deliver(UNSUBSCRIBE, headers={})["status"] == 401
    assert deliver(b"no JSON")["status"] == 400
    assert aws.messages() == []


def test_an_error_that_nobody_foresaw_defers_the_delivery_too(database: Database, database_url: str, aws: Aws) -> None:
    rows_of(database, "alter table customer_email_engagement rename column verdict to opinion")
    aws.configure(database_url)
    with quiet_about(EMAIL):
        assert deliver(UNSUBSCRIBE) == DEFERRED
    assert rows_of(database, "select id from webhook_inbox") == []

    rows_of(database, "alter table customer_email_engagement rename column opinion to verdict")
    assert failures(replay_handler(sqs_event(*aws.messages()), None)) == []
    assert len(tables(database)["customer_email_engagement"]) == 1


def test_a_delivery_whose_commit_got_no_answer_is_applied_once(database: Database, database_url: str, aws: Aws) -> None:
    add_customer(database, "bounce.api@example.com")
    body = recorded("97_hook_bounce_by_api_dnc_reason2__lead_channel_subscription_changed").body
    with CountingProxy(database_url, cut_after="commit") as proxy:
        aws.configure(proxy.url)
        assert deliver(body) == DEFERRED
    _wait_until(lambda: len(rows_of(database, "select id from webhook_inbox")) == 1)

    aws.configure(database_url)
    assert failures(replay_handler(sqs_event(*aws.messages()), None)) == []
    assert counts(deliver(body)) == (0, 1, 0, 0)
    assert one(database, "select bounce_count from customer_emails")["bounce_count"] == 1


# --- the circuit -----------------------------------------------------------------------------------------------------


def test_after_two_failures_nobody_waits_for_the_database_any_more(
    database: Database, database_url: str, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _Silent() as silent:
        aws.configure(f"postgresql://nobody:secret@127.0.0.1:{silent.port}/crm")
        monkeypatch.setattr(webhook_wiring, "_DATABASE_SECONDS", 0.3)
        webhook_wiring.world.forget()
        for number in range(4):
            assert deliver(delivery(email_on_open=[opened(tracking=f"t{number}")])) == DEFERRED
        assert silent.connections == 2
        assert aws.circuit() == "OPEN"
    # In another environment as well, once it has met the failure itself.
    aws.configure(AWAY)
    assert deliver(delivery(email_on_open=[opened(tracking="t5")])) == DEFERRED
    assert len(aws.messages()) == 5


def test_the_circuit_closes_again_by_itself(database_url: str, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.configure(database_url)
    circuit, calls = DatabaseCircuit(aws.name, name="closes", seconds_open=1), []

    def work(*, fails: bool) -> str:
        calls.append(fails)
        if fails:
            raise TransientError("away")
        return "done"

    for _ in range(3):
        with pytest.raises(TransientError):
            circuit.call(lambda: work(fails=True))
    assert calls == [True, True]
    time.sleep(2.1)
    assert [circuit.call(lambda: work(fails=False)) for _ in range(3)] == ["done"] * 3
    assert aws.circuit() == "CLOSED"


def test_a_webhook_survives_dynamodb_being_away(
    database: Database, database_url: str, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.configure(AWAY, AWS_ENDPOINT_URL_DYNAMODB=NOWHERE)
    for number in range(4):
        assert deliver(delivery(email_on_open=[opened(tracking=f"t{number}")])) == DEFERRED
    monkeypatch.setenv("DATABASE_URL", database_url)
    webhook_wiring.world.forget()
    assert deliver(UNSUBSCRIBE)["status"] == 200


def test_the_healthy_path_knows_nothing_of_aws(database_url: str) -> None:
    program = """
import json, os, sys
from mautic_webhook.handler import handler
from tests.support.mautic_hooks import delivery, http_event, opened
answers = [handler(http_event(delivery(email_on_open=[opened(tracking=str(n))])), None)["statusCode"] for n in range(3)]
print(json.dumps([answers, sorted({"boto3", "botocore.session"} & set(sys.modules))]))
"""
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **ENVIRONMENT, "DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(run.stdout.splitlines()[-1]) == [[200, 200, 200], []]


# --- poison ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("poison", ["no JSON", "[]", "{}", '{"source": "nobody"}', '{"source": 5, "body_base64": "x"}'])
def test_poison_stays_in_its_queue_and_holds_nobody_up(database_url: str, aws: Aws, poison: str) -> None:
    aws.configure(AWAY)
    deliver(UNSUBSCRIBE)
    (good,) = aws.messages()
    aws.configure(database_url)
    assert failures(replay_handler(sqs_event(poison, good, poison), None)) == ["message-0", "message-2"]


def test_what_the_queue_gave_up_is_kept_counted_and_can_be_replayed(
    database: Database, database_url: str, aws: Aws
) -> None:
    aws.configure(AWAY)
    deliver(UNSUBSCRIBE)
    (message,) = aws.messages()
    aws.configure(database_url)
    with listening() as said:
        answer = replay_handler(sqs_event(message, message, "no JSON", queue="deferred-dead-letters"), None)
    assert failures(answer) == []
    assert "FailedTasks" in said()
    assert EMAIL not in said()
    tasks = rows_of(database, "select source, payload, replayed_at from failed_tasks order by source")
    assert [task["source"] for task in tasks] == ["mautic", "unknown"]
    assert base64.b64decode(tasks[0]["payload"]).decode() == message
    waiting = list_deferred(database)
    assert [(row["kept_in"], row["source"]) for row in waiting] == [
        ("failed_tasks", "mautic"),
        ("failed_tasks", "unknown"),
    ]

    replayed = replay_failed(database, Deferred(aws.queue, aws.name))
    assert (replayed.sent, replayed.unreadable) == (1, 1)
    assert [row["source"] for row in list_deferred(database)] == ["unknown"]
    assert failures(replay_handler(sqs_event(*aws.messages()), None)) == []
    assert len(tables(database)["customer_email_engagement"]) == 1
    replay_handler(sqs_event(message, queue="deferred-dead-letters"), None)
    assert [row["source"] for row in list_deferred(database)] == ["unknown", "mautic"]


def test_an_unapplied_delivery_of_the_inbox_is_replayed_too(database: Database, database_url: str, aws: Aws) -> None:
    aws.configure(database_url)
    deliver(UNSUBSCRIBE)
    rows_of(database, "update webhook_inbox set applied_at = null")
    rows_of(database, "delete from customer_email_engagement")
    assert [row["kept_in"] for row in list_deferred(database)] == ["inbox"]
    assert replay_failed(database, Deferred(aws.queue, aws.name)).sent == 1
    assert failures(replay_handler(sqs_event(*aws.messages()), None)) == []
    assert list_deferred(database) == []
    assert len(tables(database)["customer_email_engagement"]) == 1


def test_while_the_database_is_away_nothing_leaves_either_queue(aws: Aws) -> None:
    aws.configure(AWAY)
    deliver(UNSUBSCRIBE)
    (message,) = aws.messages()
    assert failures(replay_handler(sqs_event(message, message), None)) == ["message-0", "message-1"]
    assert failures(replay_handler(sqs_event(message, queue="dead"), None)) == ["message-0"]


def test_many_deferred_deliveries_of_one_customer_end_as_if_nothing_had_happened(
    database: Database, database_url: str, aws: Aws
) -> None:
    customer: UUID = add_customer(database, EMAIL)
    aws.configure(AWAY)
    for second in range(6):
        event = subscription(new="bounced", at=f"2026-11-20T12:00:{second:02}+00:00")
        assert deliver(delivery(lead_channel_subscription_changed=[event])) == DEFERRED
    messages = aws.messages()
    aws.configure(database_url)
    assert failures(replay_handler(sqs_event(*reversed(messages), *messages[:3]), None)) == []
    row = one(database, "select customer_id, bounce_count, is_valid from customer_emails")
    assert row == {"customer_id": customer, "bounce_count": 6, "is_valid": False}


# --- servers that misbehave ------------------------------------------------------------------------------------------


class _Silent:
    """Accepts connections and never says a word."""

    def __enter__(self) -> "_Silent":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._accepted: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    @property
    def connections(self) -> int:
        return len(self._accepted)

    def _accept(self) -> None:
        while True:
            try:
                self._accepted.append(self._listener.accept()[0])
            except OSError:
                return

    def __exit__(self, *_: object) -> None:
        self._listener.close()


def _wait_until(condition: Any) -> None:
    until = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)
