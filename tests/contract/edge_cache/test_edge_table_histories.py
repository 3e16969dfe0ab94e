"""Any history leaves DynamoDB (moto) and the twin with the same items, and with digests that are their sums."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from crm_relay.edge_cache.dynamo.keep_digests import keep_digests
from crm_relay.edge_cache.keys import bucket_of
from crm_relay.edge_cache.models import CacheItem
from crm_relay.edge_cache.table import EdgeTable
from local.aws.local_aws import LocalAws
from tests.support.edge_cache.edge_tables import NOW, MotoStage, TwinStage, edge_aws, recomputed, source_row

# Two share a bucket, so that one's replay meets the other's news.
IDS = [UUID(int=number) for number in range(3)]
IDS.append(next(UUID(int=n) for n in range(3, 10**6) if bucket_of(UUID(int=n)) == bucket_of(IDS[0])))
BUCKETS = {bucket_of(row_id) for row_id in IDS}
ROWS = st.sampled_from(IDS)
DOCS = st.sampled_from(['{"a": 1}', '{"a": 2}', "{}"])
SECONDS = st.integers(0, 20)


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with edge_aws() as aws:
        yield aws


class History(RuleBasedStateMachine):
    """Writers, editors, pushers, deleters and a stream that is brought in pieces, late and again."""

    aws: LocalAws

    def __init__(self) -> None:
        super().__init__()
        self.moto, self.twin = MotoStage(self.aws), TwinStage()
        self.seen: CacheItem | None = None
        self.delivered = 0

    def both(self, verb: str, *arguments: Any, **named: Any) -> Any:
        """The same from both."""
        ours, theirs = (getattr(stage.table, verb)(*arguments, **named) for stage in (self.moto, self.twin))
        assert ours == theirs
        return ours

    @initialize()
    def begin(self) -> None:
        self.both("write", [source_row(row_id, 1) for row_id in IDS[:2]], now=NOW)

    @rule(row_id=ROWS, version=st.integers(1, 9), doc=st.none() | DOCS, generation=st.none() | st.integers(1, 3))
    def write(self, row_id: UUID, version: int, doc: str | None, generation: int | None) -> None:
        at = NOW + timedelta(seconds=version)
        self.both("write", [source_row(row_id, version, doc)], now=at, generation=generation)

    @rule(row_id=ROWS, doc=DOCS, seconds=SECONDS)
    def edit(self, row_id: UUID, doc: str, seconds: int) -> None:
        at = NOW + timedelta(seconds=seconds)
        self.both("edit", "prospects", row_id, doc, edited_at=at)

    @rule()
    def read_what_waits(self) -> None:
        waiting = self.both("unsynced", limit=10)
        assert len(waiting) == self.both("count_unsynced")
        self.seen = waiting[0] if waiting else None

    @rule(version=st.integers(1, 9), doc=st.none() | DOCS)
    def settle(self, version: int, doc: str | None) -> None:
        if self.seen:
            self.both("settle", self.seen, version=version, doc=doc, updated_at=NOW, now=NOW)

    @rule()
    def park(self) -> None:
        if self.seen:
            self.both("park", self.seen)

    @rule(row_id=ROWS, whose=ROWS)
    def restore(self, row_id: UUID, whose: UUID) -> None:
        item = self.both("get", "prospects", [row_id]).get(row_id) if row_id == whose else None
        self.both("restore", "prospects", row_id, item, now=NOW)

    @rule(row_id=ROWS)
    def rebuild(self, row_id: UUID) -> None:
        self.both("rebuild_digests", "prospects", [bucket_of(row_id)], now=NOW)

    @rule(size=st.integers(1, 6), back=st.integers(0, 6))
    def bring_a_batch(self, size: int, back: int) -> None:
        """Some of what was brought already comes again, as after a batch that failed in its middle."""
        first = max(0, self.delivered - back)
        batch = self.moto.records()[first : self.delivered + size]
        assert keep_digests(self.moto.store, batch) == []
        self.delivered = first + len(batch)

    @invariant()
    def the_items_are_the_same(self) -> None:
        for bucket in BUCKETS:
            self.both("bucket", "prospects", bucket)

    def teardown(self) -> None:
        assert keep_digests(self.moto.store, self.moto.records()[self.delivered :]) == []
        table: EdgeTable = self.moto.table
        assert dict(self.both("digests", "prospects")) == recomputed(table, "prospects", BUCKETS)


def test_any_history_leaves_both_the_same_and_the_digests_right(aws: LocalAws) -> None:
    run(aws, examples=4)


@pytest.mark.slow
def test_many_more_histories_leave_both_the_same(aws: LocalAws) -> None:
    run(aws, examples=40)


def run(aws: LocalAws, *, examples: int) -> None:
    kind = type("HistoryOnMoto", (History,), {"aws": aws})
    thorough = settings(
        max_examples=examples, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    run_state_machine_as_test(kind, settings=thorough)
