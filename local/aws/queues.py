"""Stands in for Lambda's event source mapping: brings a queue's messages to its function."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local.aws.arrivals import ARRIVALS, holds_messages, watch_moto
from local.aws.local_aws import LocalAws
from local.template.template import REGION, QueueSource, SamTemplate

Invoke = Callable[[str, Mapping[str, Any]], Any]
logger = logging.getLogger(__name__)
_LOOK_SECONDS = 1.0
"""While a queue holds messages that will become visible."""
_IDLE_SECONDS = 60.0


@dataclass(frozen=True)
class _QueueSource:
    function: str
    queue: QueueSource


@dataclass(frozen=True)
class _Round:
    received: set[str]
    deleted: int


class QueuePoller:
    """`visibility_seconds` shortens how long a failed message stays away (default: the queue's own).

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    """

    def __init__(
        self, template: SamTemplate, aws: LocalAws, invoke: Invoke, visibility_seconds: int | None = None
    ) -> None:
        watch_moto()
        self._aws = aws
        self._sqs = aws.client("sqs")
        self._invoke = invoke
        self._visibility = {} if visibility_seconds is None else {"VisibilityTimeout": visibility_seconds}
        self._sources = [_QueueSource(name, queue) for name, one in template.functions.items() for queue in one.queues]
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def drain(self) -> int:
        """Delivers until no queue shows a message, and returns how many left their queue for good.

        A failed message is invisible for its queue's time-out and therefore stays; nothing is waited for.
        """
        total, seen, progress = 0, set[str](), True
        while progress:
            rounds = [self._poll(source) for source in self._sources]
            received = {message for one in rounds for message in one.received}
            deleted = sum(one.deleted for one in rounds)
            progress = bool(deleted or received - seen)
            seen |= received
            total += deleted
        return total

    def start(self) -> None:
        """One thread for each of a mapping's concurrent batches."""
        self._stopping.clear()
        for source in self._sources:
            for _ in range(source.queue.maximum_concurrency):
                thread = threading.Thread(target=self._poll_until_stopped, args=[source], daemon=True)
                thread.start()
                self._threads.append(thread)

    def stop(self) -> None:
        """Waits for the batches that run; safe to call twice."""
        self._stopping.set()
        ARRIVALS.note(0)
        while self._threads:
            self._threads.pop().join()

    def _poll_until_stopped(self, source: _QueueSource) -> None:
        url = self._aws.queue_url(source.queue.queue_logical_id)
        while not self._stopping.is_set():
            seen = ARRIVALS.number
            if not self._poll(source).received:
                seconds = _LOOK_SECONDS if holds_messages(url) else _IDLE_SECONDS
                ARRIVALS.wait_past(seen, seconds, self._stopping)

    def _poll(self, source: _QueueSource) -> _Round:
        url = self._aws.queue_url(source.queue.queue_logical_id)
        answer = self._sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=min(source.queue.batch_size, 10),
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
            WaitTimeSeconds=0,
            **self._visibility,
        )
        messages = answer.get("Messages", [])
        done = self._deliver(source, messages) if messages else []
        if done:
            self._delete(url, done)
        return _Round({message["MessageId"] for message in messages}, len(done))

    def _deliver(self, source: _QueueSource, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        arn = self._aws.queue_arn(source.queue.queue_logical_id)
        event = {"Records": [_record(message, arn) for message in messages]}
        try:
            answer = self._invoke(source.function, event)
        except Exception:
            logger.exception("%s failed on a batch of %d", source.function, len(messages))
            return []
        failed = failed_messages(answer, {message["MessageId"] for message in messages})
        if not source.queue.partial_failures:
            return messages
        return [message for message in messages if message["MessageId"] not in failed]

    def _delete(self, url: str, messages: list[dict[str, Any]]) -> None:
        entries = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(messages)]
        self._sqs.delete_message_batch(QueueUrl=url, Entries=entries)


def failed_messages(answer: Any, sent: set[str]) -> set[str]:
    """The ids that a function gave back; the whole batch where its answer cannot be read, as Lambda does it."""
    if answer is None:
        return set()
    try:
        failed = set(_identifiers(answer))
    except (TypeError, KeyError, AttributeError):
        return sent
    return sent if failed - sent else failed  # a stranger's id discredits the answer


def _identifiers(answer: Mapping[str, Any]) -> Iterator[str]:
    for item in answer.get("batchItemFailures") or []:
        if not item["itemIdentifier"]:
            raise KeyError("itemIdentifier")
        yield item["itemIdentifier"]


def _record(message: Mapping[str, Any], arn: str) -> dict[str, Any]:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html#example-standard-queue-message-event"""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {
            name: {"stringValue": value.get("StringValue"), "dataType": value["DataType"]}
            for name, value in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": REGION,
    }
