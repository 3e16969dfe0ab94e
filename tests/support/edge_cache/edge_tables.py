"""The cache's table on moto and in memory, as the contract suite and others take them."""

import contextlib
import itertools
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid4

import pytest

from crm_relay.edge_cache.dynamo.dynamo_digests import DynamoDigests
from crm_relay.edge_cache.dynamo.dynamo_table import DynamoTable
from crm_relay.edge_cache.dynamo.keep_digests import keep_digests
from crm_relay.edge_cache.items import content, key_of
from crm_relay.edge_cache.keys import Entity, bucket_of, content_hash
from crm_relay.edge_cache.models import CacheItem, SourceRow, WriteOutcome, WriteResult
from crm_relay.edge_cache.table import EdgeTable
from crm_relay.platform.aws.dynamo import Table
from crm_relay.platform.aws.queue import aws_client
from local.aws.arrivals import watch_moto
from local.aws.local_aws import LocalAws
from local.aws.moto_server import client_of
from local.template.template import SamTemplate
from tests.support.edge_cache.edge_twin import EdgeTwin

TEMPLATE = SamTemplate.read(Path(__file__).parents[3] / "template.yaml")
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
_numbers = itertools.count(1)


class EdgeStage:
    """A table, the time that it is told, and its stream; `name` is None for the twin."""

    table: EdgeTable
    name: str | None = None

    def __init__(self) -> None:
        self.now = NOW

    def clock(self) -> datetime:
        """What the table takes for the present."""
        return self.now

    def later(self, **duration: float) -> datetime:
        """The clock goes on."""
        self.now += timedelta(**duration)
        return self.now

    def catch_up(self) -> None:
        """The stream has brought everything."""

    def put_by_others(self, entity: Entity, row_id: UUID, **attributes: Any) -> None:
        """Somebody writes attributes of an item without asking anybody; DynamoDB's JSON."""
        raise AssertionError("only a real table has others")


class TwinStage(EdgeStage):
    """In memory."""

    def __init__(self) -> None:
        super().__init__()
        self.table = EdgeTwin(clock=self.clock)


class TableOfNewRows(DynamoTable):
    """Many rows that are not there yet, a few at a call: the conditions that a write has would be true of all."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._name = name

    def write(self, rows: Sequence[SourceRow], *, now: datetime, generation: int | None = None) -> list[WriteResult]:
        assert generation is None
        for first in range(0, len(rows), 25):
            items = [
                key_of(row.entity, row.row_id)
                | content(row.entity, row.doc, version=row.version, updated_at=row.updated_at, now=now)
                for row in rows[first : first + 25]
            ]
            puts = [{"PutRequest": {"Item": item}} for item in items]
            answer = aws_client("dynamodb").batch_write_item(RequestItems={self._name: puts})
            assert not answer["UnprocessedItems"]
        return [WriteResult(row, WriteOutcome.DONE) for row in rows]


class DynamoStage(EdgeStage):
    """A table of its own, made as the template says, in the DynamoDB that `client` reaches."""

    name: str

    def __init__(self, client: Any, streams: Any) -> None:
        super().__init__()
        self.name = f"edge-{uuid4().hex[:8]}-{next(_numbers)}"
        properties = TEMPLATE.evaluate(TEMPLATE.resources("AWS::DynamoDB::Table")["EdgeCache"])
        names = ["BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "LocalSecondaryIndexes"]
        stream = {"StreamEnabled": True, **properties["StreamSpecification"]}
        self.client, self._streams = client, streams
        made = self.client.create_table(
            TableName=self.name, StreamSpecification=stream, **{name: properties[name] for name in names}
        )
        self.client.get_waiter("table_exists").wait(TableName=self.name, WaiterConfig={"Delay": 1})
        self.stream_arn = made["TableDescription"].get("LatestStreamArn")
        self.store = DynamoDigests(Table(self.name))
        self.table = DynamoTable(self.name, clock=self.clock)
        self._read: list[dict[str, Any]] = []
        self._iterator: str | None = None
        self._done = 0

    def records(self) -> list[dict[str, Any]]:
        """The whole stream so far."""
        if self.stream_arn is None:
            pytest.skip("this DynamoDB has no streams")
        if self._iterator is None:
            shards = self._streams.describe_stream(StreamArn=self.stream_arn)["StreamDescription"]["Shards"]
            self._iterator = self._streams.get_shard_iterator(
                StreamArn=self.stream_arn, ShardId=shards[0]["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
        page = self._streams.get_records(ShardIterator=self._iterator)
        self._iterator = page["NextShardIterator"]
        self._read += [record | {"eventSourceARN": self.stream_arn} for record in page["Records"]]
        return self._read

    def catch_up(self) -> None:
        records = self.records()
        assert keep_digests(self.store, records[self._done :]) == []
        self._done = len(records)

    def put_by_others(self, entity: Entity, row_id: UUID, **attributes: Any) -> None:
        key = {"pk": {"S": f"{entity}#{bucket_of(row_id):03x}"}, "sk": {"S": str(row_id)}}
        self.client.put_item(TableName=self.name, Item=key | attributes)


class MotoStage(DynamoStage):
    """On moto."""

    def __init__(self, aws: LocalAws) -> None:
        watch_moto()
        super().__init__(aws.client("dynamodb"), aws.client("dynamodbstreams"))


class OtherStage(DynamoStage):
    """On the DynamoDB that DYNAMODB_LOCAL_URL names, which has to be the endpoint of the environment too."""

    def __init__(self, url: str) -> None:
        super().__init__(client_of(url, "dynamodb"), client_of(url, "dynamodbstreams"))


OTHER_DYNAMODB = os.environ.get("DYNAMODB_LOCAL_URL")
"""A second implementation, such as DynamoDB Local or dynalite, on which the contract suite runs too."""


@contextlib.contextmanager
def dynamodb_at(url: str) -> Iterator[str]:
    """The program's own client reaches the one at `url`."""
    access = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": "us-east-1"}
    try:
        with patch.dict(os.environ, access | {"AWS_ENDPOINT_URL": url}):
            aws_client.cache_clear()
            yield url
    finally:
        aws_client.cache_clear()


@contextlib.contextmanager
def edge_aws() -> Iterator[LocalAws]:
    """A moto server that boto3 finds."""
    aws = LocalAws.start(TEMPLATE)
    try:
        with patch.dict(os.environ, aws.environment):
            aws_client.cache_clear()
            yield aws
    finally:
        aws_client.cache_clear()
        aws.stop()


def source_row(row_id: UUID, version: int, doc: str | None = "{}", entity: Entity = "prospects") -> SourceRow:
    """As PostgreSQL has it; a later version has a later time."""
    return SourceRow(entity, row_id, version, NOW + timedelta(seconds=version % 1000), doc)


def recomputed(table: EdgeTable, entity: Entity, buckets: set[int]) -> dict[int, int]:
    """What the digests have to be, from the items."""
    sums = {bucket: sum(map(hash_of, table.bucket(entity, bucket))) for bucket in buckets}
    return {bucket: total for bucket, total in sums.items() if total}


def hash_of(item: CacheItem) -> int:
    """What an item adds."""
    return 0 if item.doc is None else content_hash(item.row_id, item.version, item.doc)
