"""Digests follow the stream exactly, however it is cut, repeated and interrupted."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_relay.edge_cache.dynamo.digests import MARK, Digest, DigestChange, Position, advance, change_in
from crm_relay.edge_cache.dynamo.keep_digests import keep_digests
from crm_relay.edge_cache.keys import ENTITIES, Entity, bucket_in, bucket_of, content_hash, partition_key
from crm_relay.edge_cache.models import CacheItem
from crm_relay.platform.errors import TransientError
from tests.support.edge_cache.edge_attributes import attributes_of
from tests.support.edge_cache.edge_tables import NOW, TEMPLATE, source_row
from tests.support.edge_cache.edge_twin import EdgeTwin

ROW = UUID(int=7)
BUCKET = bucket_of(ROW)
EVENTS = Path(__file__).parents[3] / "events" / "cache_digest"


@dataclass
class Store:
    """Digests in memory. `conflicts` says how many writes meet another writer, `away` how many find nobody."""

    kept: dict[tuple[Entity, int], Digest] = field(default_factory=dict)
    conflicts: int = 0
    away: int = 0
    writes: int = 0

    def read_chunk(self, entity: Entity, chunk: int) -> Mapping[int, Digest]:
        return {bucket: one for (of, bucket), one in self.kept.items() if of == entity and bucket // 64 == chunk}

    def write_chunk(self, entity: Entity, before: Mapping[int, Digest], after: Mapping[int, Digest]) -> bool:
        if self.away:
            self.away -= 1
            raise TransientError("away")
        if self.conflicts:
            self.conflicts -= 1
            return False
        assert all(self.kept.get((entity, bucket)) == before.get(bucket) for bucket in after)
        self.kept |= {(entity, bucket): digest for bucket, digest in after.items()}
        self.writes += 1
        return True

    @property
    def totals(self) -> dict[tuple[Entity, int], int]:
        return {where: digest.total for where, digest in self.kept.items() if digest.total}


STEPS = st.tuples(st.integers(0, 5), st.integers(1, 9), st.none() | st.sampled_from(["a", "b"]), st.booleans())


def stream_of(steps: list[tuple[int, int, str | None, bool]]) -> EdgeTwin:
    """A twin whose stream nobody has read yet."""
    twin = EdgeTwin(keep=False)
    for number, version, doc, rebuilds in steps:
        twin.write([source_row(UUID(int=number), version, doc)], now=NOW)
        if rebuilds:
            twin.rebuild_digests("prospects", [bucket_of(UUID(int=number))], now=NOW)
    return twin


def expected(twin: EdgeTwin) -> dict[tuple[Entity, int], int]:
    """Computed from the items."""
    sums: dict[tuple[Entity, int], int] = {}
    for page in twin.every_item("prospects"):
        for item in page:
            if item.doc is not None:
                where = (item.entity, bucket_of(item.row_id))
                sums[where] = sums.get(where, 0) + content_hash(item.row_id, item.version, item.doc)
    return sums


@settings(deadline=None)
@given(st.lists(STEPS, max_size=20), st.lists(st.tuples(st.integers(1, 8), st.integers(0, 2), st.integers(0, 6))))
def test_batches_that_fail_are_cut_and_come_again_leave_the_right_sums(
    steps: list[tuple[int, int, str | None, bool]], deliveries: list[tuple[int, int, int]]
) -> None:
    twin, store = stream_of(steps), Store()
    done = 0
    for size, away, conflicts in deliveries:
        store.away, store.conflicts = away, conflicts
        batch = twin.records[done : done + size]
        failed = keep_digests(store, batch)
        numbers = [record["dynamodb"]["SequenceNumber"] for record in batch]
        # As Lambda does: from the first that failed; every third time from somewhere before it.
        done += min(map(numbers.index, failed), default=len(batch))
        done = max(0, done - size) if size % 3 == 0 else done
    store.away = store.conflicts = 0
    assert keep_digests(store, twin.records[done:]) == []
    assert store.totals == expected(twin)


def test_a_chunk_that_cannot_be_written_is_told_by_its_first_record_and_the_others_are_kept() -> None:
    twin, store = stream_of([(number, 1, "a", False) for number in range(6)]), Store(away=1)
    failed = keep_digests(store, twin.records)
    chunks = [bucket_of(UUID(int=number)) // 64 for number in range(6)]
    assert failed == [twin.records[0]["dynamodb"]["SequenceNumber"]]
    assert len(store.totals) == sum(chunk != chunks[0] for chunk in chunks)


def test_a_batch_costs_one_write_a_chunk() -> None:
    twin, store = stream_of([(7, version, "a", False) for version in range(1, 30)]), Store()
    keep_digests(store, twin.records)
    assert store.writes == 1


def test_another_stream_of_the_same_table_begins_anew() -> None:
    late, early = Position("2026-11-21T00:00:00.000", 1), Position("2026-11-20T00:00:00.000", 900)
    digest = advance(Digest(5, early), DigestChange("prospects", 1, late, delta=2))
    assert digest == Digest(7, late)
    assert advance(digest, DigestChange("prospects", 1, replace(early, sequence=901), delta=9)) == digest


def mark(sequence: int, total: int | None = None, name: str = "m") -> DigestChange:
    return DigestChange("prospects", 1, Position("s", sequence), mark=name, total=total)


def delta(sequence: int) -> DigestChange:
    return DigestChange("prospects", 1, Position("s", sequence), delta=1)


@pytest.mark.parametrize(
    ("changes", "total"),
    [
        ([mark(1), mark(2, 50)], 50),
        ([mark(1), delta(2), mark(3, 50)], 1),
        ([mark(1), mark(2, 50), delta(3)], 51),
        ([mark(1, 50)], 0),
        ([mark(1), mark(2, name="other"), mark(3, 50)], 0),
        ([mark(1), mark(2, name="other"), mark(3, 50), mark(4, 60, name="other")], 60),
    ],
)
def test_a_rebuild_counts_only_if_nothing_changed_between_its_marks(changes: list[DigestChange], total: int) -> None:
    digest = Digest()
    for change in changes:
        digest = advance(digest, change)
    assert digest.total == total
    for change in changes:
        assert advance(digest, change) == digest


def record(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None, **keys: str) -> dict[str, Any]:
    at = {"pk": {"S": keys.get("pk", partition_key("prospects", BUCKET))}, "sk": {"S": keys.get("sk", str(ROW))}}
    images = {"OldImage": old, "NewImage": new}
    images_at = {name: dict(image) | at for name, image in images.items() if image is not None}
    return {"eventSourceARN": "a/stream/s", "dynamodb": {"Keys": at, "SequenceNumber": "5", **images_at}}


ITEM = attributes_of(CacheItem("prospects", ROW, 3, "doc", NOW, NOW))


def test_the_content_is_hashed_as_it_is_whoever_wrote_it() -> None:
    change = change_in(record(ITEM, ITEM | {"doc": {"S": "by hand"}}))
    assert change
    assert change.delta == content_hash(ROW, 3, "by hand") - content_hash(ROW, 3, "doc")


@pytest.mark.parametrize(
    "image",
    [{}, {"doc": {"N": "1"}}, {"doc": {"S": "x"}, "version": {"S": "x"}}, {"doc": {"S": "x"}, "version": {"N": "1.5"}}],
)
def test_no_item_however_mangled_stops_the_stream(image: Mapping[str, Any]) -> None:
    assert keep_digests(Store(), [record(None, image), record(image, None)]) == []


@pytest.mark.parametrize(
    "keys", [{"pk": "digest#prospects"}, {"pk": "config"}, {"pk": "prospects#zzz"}, {"pk": "orders#001"}, {"sk": "x"}]
)
def test_what_is_no_row_is_in_no_digest(keys: dict[str, str]) -> None:
    assert change_in(record(None, ITEM, **keys)) is None


def test_a_mark_that_expires_is_nothing() -> None:
    assert change_in(record({"mark": {"S": "m"}}, None, sk=MARK)) is None


def test_a_stamp_or_an_expired_tombstone_is_nothing() -> None:
    tombstone = attributes_of(CacheItem("prospects", ROW, 3, None, NOW, NOW))
    assert change_in(record(tombstone, None)) is None
    assert change_in(record(ITEM, ITEM | {"generation": {"N": "9"}})) is None


def test_the_sample_events_tell_a_life_that_ends_at_nothing() -> None:
    store = Store()
    totals = []
    for case in ("insert", "modify", "remove", "ttl_delete"):
        event = json.loads((EVENTS / f"{case}.json").read_text())
        assert keep_digests(store, event["Records"]) == []
        totals.append(sum(store.totals.values()))
    assert [total > 0 for total in totals] == [True, True, False, False]
    assert totals[0] != totals[1]


def test_the_stream_is_filtered_to_the_rows_of_every_entity() -> None:
    (source,) = TEMPLATE.functions["cache_digest"].streams
    (pattern,) = source.patterns
    prefixes = {rule["prefix"] for rule in pattern["dynamodb"]["Keys"]["pk"]["S"]}
    assert prefixes == {f"{entity}#" for entity in ENTITIES}


def test_a_partition_s_name_leads_back_to_its_bucket() -> None:
    assert bucket_in(partition_key("emails", 175)) == ("emails", 175)
    assert [bucket_in(name) for name in ("emails#0AF", "emails#0a", "emails", "digest#emails")] == [None] * 4
