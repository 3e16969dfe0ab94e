"""Local streams: changes come to their function as Lambda's event source mapping brings them."""

import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from cache_digest.handler import handler
from cache_digest.wiring import installation
from crm_relay.edge_cache.dynamo.dynamo_table import DynamoTable
from crm_relay.edge_cache.keys import content_hash
from crm_relay.edge_cache.models import CacheItem
from local.aws.edge import Edge
from local.aws.local_aws import LocalAws
from local.aws.streams import StreamPoller, failed_from, passes
from tests.support.edge_cache.edge_attributes import attributes_of
from tests.support.edge_cache.edge_tables import NOW, TEMPLATE, edge_aws, source_row

SAMPLE = Path(__file__).parents[3] / "events" / "cache_digest" / "modify.json"
ATTEMPTS = TEMPLATE.functions["cache_digest"].streams[0].attempts


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    with edge_aws() as aws:
        installation.forget()
        yield aws
    installation.forget()


@pytest.fixture
def table(aws: LocalAws) -> DynamoTable:
    return DynamoTable(aws.references[("EdgeCache", None)])


class StreamRecorder:
    """A function that keeps the row numbers of each batch; `fails` are those that it cannot bear."""

    def __init__(self, fails: set[int] | None = None, *, reports: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.fails = fails or set()
        self.reports = reports

    def __call__(self, _function: str, event: Mapping[str, Any]) -> Any:
        records = {number_of(record): record["dynamodb"]["SequenceNumber"] for record in event["Records"]}
        self.batches.append(list(records))
        failed = [sequence for number, sequence in records.items() if number in self.fails]
        if failed and not self.reports:
            raise RuntimeError("poison")
        return {"batchItemFailures": [{"itemIdentifier": sequence} for sequence in failed]}


def number_of(record: Mapping[str, Any]) -> int:
    return UUID(record["dynamodb"]["Keys"]["sk"]["S"]).int


def put(aws: LocalAws, *numbers: int, version: int = 1) -> None:
    """By PutItem: of an UpdateItem that makes an item, moto's stream tells two changes."""
    for number in numbers:
        item = CacheItem("prospects", UUID(int=number), version, "{}", NOW, NOW)
        aws.client("dynamodb").put_item(TableName=aws.references[("EdgeCache", None)], Item=attributes_of(item))


def given_up(aws: LocalAws) -> list[dict[str, Any]]:
    url = aws.queue_url("CacheDigestDeadLetterQueue")
    found = aws.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"])["DDBStreamBatchInfo"] for message in found]


def test_changes_come_once_in_order_and_only_those_of_rows(aws: LocalAws, table: DynamoTable) -> None:
    function = StreamRecorder()
    poller = StreamPoller(TEMPLATE, aws, function)
    put(aws, 3, 1, 2)
    table.set_config({"name": "value"})
    assert poller.drain() > 3
    put(aws, 5)
    poller.drain()
    assert function.batches == [[3, 1, 2], [5]]


def test_a_record_has_the_fields_that_lambda_gives(aws: LocalAws) -> None:
    seen: list[Mapping[str, Any]] = []
    put(aws, 1)
    put(aws, 1, version=2)
    StreamPoller(TEMPLATE, aws, lambda _, event: seen.extend(event["Records"])).drain()
    sample = json.loads(SAMPLE.read_text())["Records"][0]
    assert seen[1].keys() == sample.keys()
    assert seen[1]["dynamodb"].keys() == sample["dynamodb"].keys()
    assert seen[1]["dynamodb"]["OldImage"]["version"] == {"N": "1"}
    assert seen[1]["eventSourceARN"] == aws.references[("EdgeCache", "StreamArn")]


def test_a_batch_is_cut_in_halves_until_the_poison_stands_alone_and_is_given_up(
    aws: LocalAws,
) -> None:
    function = StreamRecorder({3})
    put(aws, 1, 2, 3, 4)
    StreamPoller(TEMPLATE, aws, function, pause=0).drain()
    assert function.batches == [[1, 2, 3, 4], [1, 2], [3, 4], *[[3]] * ATTEMPTS, [4]]
    assert [batch["batchSize"] for batch in given_up(aws)] == [1]


def test_after_a_partial_answer_it_goes_on_from_the_first_that_failed(aws: LocalAws) -> None:
    function = StreamRecorder({3}, reports=True)
    put(aws, 1, 2, 3, 4)
    StreamPoller(TEMPLATE, aws, function, pause=0).drain()
    assert function.batches[:4] == [[1, 2, 3, 4], [3, 4], [3], [3]]
    assert function.batches[-1] == [4]


def test_the_function_keeps_the_digests_through_the_local_edge(aws: LocalAws, table: DynamoTable) -> None:
    edge = Edge(TEMPLATE, handlers={"cache_digest": handler})
    try:
        poller = StreamPoller(TEMPLATE, aws, edge.invoke)
        rows = [source_row(UUID(int=number), 1) for number in range(40)]
        table.write(rows, now=NOW)
        poller.drain()
        table.write([source_row(UUID(int=0), 2, None)], now=NOW)
        poller.drain()
        assert poller.drain() == 0
    finally:
        edge.stop()
    hashes = [content_hash(row.row_id, 1, "{}") for row in rows[1:]]
    assert sum(table.digests("prospects").values()) == sum(hashes)


def test_in_the_background_changes_arrive_without_being_asked_for(aws: LocalAws) -> None:
    arrived = threading.Event()
    poller = StreamPoller(TEMPLATE, aws, lambda *_: arrived.set())
    poller.start()
    put(aws, 1)
    assert arrived.wait(10)
    poller.stop()
    poller.stop()


@pytest.mark.parametrize("answer", [{"batchItemFailures": [{"itemIdentifier": "9"}]}, {"batchItemFailures": [{}]}, "x"])
def test_an_answer_that_cannot_be_read_means_the_whole_batch(answer: Any) -> None:
    assert failed_from(answer, [{"dynamodb": {"SequenceNumber": "1"}}]) == 0


def test_no_answer_means_that_all_is_done() -> None:
    assert failed_from(None, [{"dynamodb": {"SequenceNumber": "1"}}]) is None
    assert failed_from({"batchItemFailures": []}, [{"dynamodb": {"SequenceNumber": "1"}}]) is None


def test_a_filter_lets_through_what_matches_one_of_its_patterns() -> None:
    patterns = [{"a": {"b": [{"prefix": "x"}, "y"]}}]
    assert [passes(patterns, {"a": {"b": text}}) for text in ("xyz", "y", "yy")] == [True, True, False]
    assert not passes(patterns, {"a": "x"})
    assert passes([], {})
