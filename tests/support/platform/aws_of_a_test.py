"""An AWS of one's own for a test of the inbox, and servers that misbehave."""

import contextlib
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aws_lambda_powertools.utilities.circuit_breaker import base as breaker

from crm_relay.platform.aws.queue import aws_client
from local.aws.moto_server import MotoServer, client_of
from tests.support.customers.mautic_webhook_function import configure
from webhook_replay import wiring as replay_wiring


class Aws:
    """The queues, the bucket and the table of one test, in a moto server."""

    def __init__(self, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.endpoint = endpoint
        self._sqs, self.s3, self.dynamodb = (client_of(endpoint, service) for service in ("sqs", "s3", "dynamodb"))
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
        replay_wiring.dependencies.forget()
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


@contextlib.contextmanager
def running_aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """A moto server, in which this test's things have names of their own: moto's state is one for the whole process."""
    server = MotoServer()
    server.start()
    yield Aws(server.url, monkeypatch)
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
    """The messages that stay in their queue."""
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


class Silent:
    """Accepts connections and never says a word."""

    def __enter__(self) -> "Silent":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._accepted: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    @property
    def connections(self) -> int:
        """How many came."""
        return len(self._accepted)

    def _accept(self) -> None:
        while True:
            try:
                self._accepted.append(self._listener.accept()[0])
            except OSError:
                return

    def __exit__(self, *_: object) -> None:
        self._listener.close()


def wait_until(condition: Callable[[], bool]) -> None:
    """At most five seconds."""
    until = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)
