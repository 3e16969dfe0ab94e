"""Stands in for Lambda's event source mapping: brings a table's changes to its function, in order."""

import json
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from local.aws.arrivals import ARRIVALS, watch_moto
from local.aws.local_aws import LocalAws
from local.aws.queues import Invoke
from local.template.template import SamTemplate, StreamSource

Record = dict[str, Any]
logger = logging.getLogger(__name__)
_GATHER_SECONDS = 0.25
"""As often as Lambda reads a shard: changes that are written together share a batch."""
_IDLE_SECONDS = 60.0


@dataclass
class _StreamSource:
    function: str
    stream: StreamSource
    iterators: dict[str, str] = field(default_factory=dict)


class StreamPoller:
    """`pause` in seconds before a batch is tried again.

    https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html
    """

    def __init__(self, template: SamTemplate, aws: LocalAws, invoke: Invoke, pause: float = 0.2) -> None:
        watch_moto()
        self._aws = aws
        self._streams = aws.client("dynamodbstreams")
        self._invoke = invoke
        self._pause = pause
        self._sources = [
            _StreamSource(name, stream) for name, one in template.functions.items() for stream in one.streams
        ]
        self._reading = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def drain(self) -> int:
        """Delivers until no shard has anything more, and returns how many records were read."""
        total = 0
        while read := self._read():
            total += read
        return total

    def start(self) -> None:
        """One thread for all: an order is kept within a shard, and moto has one."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._poll_until_stopped, name="streams", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Waits for the batch that runs; safe to call twice."""
        self._stopping.set()
        ARRIVALS.note(0)
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _poll_until_stopped(self) -> None:
        while not self._stopping.wait(_GATHER_SECONDS):
            seen = ARRIVALS.number
            if not self._read():
                ARRIVALS.wait_past(seen, _IDLE_SECONDS, self._stopping)

    def _read(self) -> int:
        with self._reading:
            return sum(self._poll(source) for source in self._sources)

    def _poll(self, source: _StreamSource) -> int:
        """A batch of each shard, parents before children."""
        arn = self._aws.references[(source.stream.table_logical_id, "StreamArn")]
        shards = self._streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
        return sum(self._poll_shard(source, arn, shard["ShardId"]) for shard in shards)

    def _poll_shard(self, source: _StreamSource, arn: str, shard: str) -> int:
        iterator = source.iterators.get(shard) or self._first_iterator(arn, shard)
        page = self._streams.get_records(ShardIterator=iterator, Limit=source.stream.batch_size)
        records = [_as_lambda_gets_it(record, arn) for record in page["Records"]]
        wanted = [record for record in records if passes(source.stream.patterns, record)]
        self._deliver(source, wanted, source.stream.attempts)
        source.iterators[shard] = page["NextShardIterator"]
        return len(records)

    def _first_iterator(self, arn: str, shard: str) -> str:
        found = self._streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
        return str(found["ShardIterator"])

    def _deliver(self, source: _StreamSource, records: Sequence[Record], attempts: int) -> None:
        failed_from = self._attempt(source, records) if records else None
        if failed_from is None:
            return
        rest = records[failed_from:]
        if failed_from == 0 and len(rest) > 1 and source.stream.bisects:
            # A split does not count as an attempt.
            middle = len(rest) // 2
            self._deliver(source, rest[:middle], attempts)
            self._deliver(source, rest[middle:], attempts)
        elif attempts > 1:
            time.sleep(self._pause)
            self._deliver(source, rest, attempts - 1)
        else:
            self._give_up(source, rest)

    def _attempt(self, source: _StreamSource, records: Sequence[Record]) -> int | None:
        """From which record on it has to be done again; None where all are done."""
        try:
            answer = self._invoke(source.function, {"Records": list(records)})
        except Exception:
            logger.exception("%s failed on %d records", source.function, len(records))
            return 0
        return failed_from(answer, records) if source.stream.partial_failures else None

    def _give_up(self, source: _StreamSource, records: Sequence[Record]) -> None:
        """As Lambda does: where they stood, not what they said."""
        numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
        content = {"startSequenceNumber": numbers[0], "endSequenceNumber": numbers[-1], "batchSize": len(numbers)}
        logger.error("%s gave up %d records", source.function, len(numbers))
        if source.stream.dead_letters is not None:
            url = self._aws.queue_url(source.stream.dead_letters)
            self._aws.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps({"DDBStreamBatchInfo": content}))


def failed_from(answer: Any, records: Sequence[Record]) -> int | None:
    """Index of the first record that a function gave back; 0 where its answer cannot be read, as Lambda does it."""
    numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
    try:
        failed = [item["itemIdentifier"] for item in (answer or {}).get("batchItemFailures") or []]
        return min((numbers.index(number) for number in failed), default=None)
    except (TypeError, KeyError, AttributeError, ValueError):
        return 0


def passes(patterns: Sequence[Mapping[str, Any]], record: Mapping[str, Any]) -> bool:
    """Whether a filter lets the record through; knows values and prefixes, which is what the template uses.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
    """
    return not patterns or any(_matches(pattern, record) for pattern in patterns)


def _matches(pattern: Any, found: Any) -> bool:
    if isinstance(pattern, list):
        return any(_matches_value(rule, found) for rule in pattern)
    return isinstance(found, Mapping) and all(_matches(rule, found.get(name)) for name, rule in pattern.items())


def _matches_value(rule: Any, found: Any) -> bool:
    if isinstance(rule, Mapping):
        (kind,) = rule
        if kind != "prefix":
            raise ValueError(f"the local stack knows no filter of kind {kind}")
        return isinstance(found, str) and found.startswith(rule["prefix"])
    return bool(rule == found)


def _as_lambda_gets_it(record: Mapping[str, Any], arn: str) -> Record:
    """Times as seconds, and the stream's name, which Lambda adds."""
    content = dict(record["dynamodb"])
    content["ApproximateCreationDateTime"] = content["ApproximateCreationDateTime"].timestamp()
    return {**record, "dynamodb": content, "eventSourceARN": arn}
