"""One suite for the cache's table: DynamoDB (moto) and the twin have to do the same."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from crm_relay.edge_cache.dynamo.digests import Digest, Position
from crm_relay.edge_cache.keys import UNSYNCED_SHARDS, Entity, bucket_of, content_hash, unsynced_key
from crm_relay.edge_cache.models import CacheItem, LateEdit, WriteOutcome, WriteResult
from crm_relay.edge_cache.table import EdgeTable
from crm_relay.platform.errors import RejectedInput
from local.aws.local_aws import LocalAws
from tests.support.edge_cache.edge_tables import (
    NOW,
    OTHER_DYNAMODB,
    DynamoStage,
    EdgeStage,
    MotoStage,
    OtherStage,
    TwinStage,
    dynamodb_at,
    edge_aws,
    recomputed,
    source_row,
)

ROW = UUID("7b0f9c52-3c50-4a55-9b6e-2f1f5a0f7d11")
BUCKET = bucket_of(ROW)
SAME_BUCKET = [row_id for row_id in (UUID(int=number) for number in range(60_000)) if bucket_of(row_id) == BUCKET]
DONE, UNCHANGED, EDITED = WriteOutcome.DONE, WriteOutcome.UNCHANGED, WriteOutcome.EDITED


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with edge_aws() as aws:
        yield aws


REAL = ["dynamodb", *(["another dynamodb"] if OTHER_DYNAMODB else [])]


@contextmanager
def real_stage(request: pytest.FixtureRequest) -> Iterator[DynamoStage]:
    """On moto, or on the DynamoDB that DYNAMODB_LOCAL_URL names."""
    aws: LocalAws = request.getfixturevalue("aws")
    is_moto = request.param == "dynamodb"
    with dynamodb_at(aws.endpoint_url if is_moto else OTHER_DYNAMODB or "") as url:
        yield MotoStage(aws) if is_moto else OtherStage(url)


@pytest.fixture(params=REAL)
def dynamo(request: pytest.FixtureRequest) -> Iterator[DynamoStage]:
    with real_stage(request) as stage:
        yield stage


@pytest.fixture(params=[*REAL, "twin"])
def stage(request: pytest.FixtureRequest) -> Iterator[EdgeStage]:
    if request.param == "twin":
        yield TwinStage()
        return
    with real_stage(request) as stage:
        yield stage


@pytest.fixture
def table(stage: EdgeStage) -> EdgeTable:
    return stage.table


def outcomes(results: list[WriteResult]) -> list[WriteOutcome]:
    return [result.outcome for result in results]


def write(
    table: EdgeTable, *versions: int, doc: str | None = "{}", generation: int | None = None
) -> list[WriteOutcome]:
    """ROW in these versions, one after the other."""
    rows = [source_row(ROW, version, doc) for version in versions]
    return [outcome for row in rows for outcome in outcomes(table.write([row], now=NOW, generation=generation))]


def item(table: EdgeTable, row_id: UUID = ROW, entity: Entity = "prospects") -> CacheItem:
    return table.get(entity, [row_id])[row_id]


def edit(table: EdgeTable, doc: str, seconds: float = 0, *, row_id: UUID = ROW) -> CacheItem:
    at = NOW + timedelta(seconds=seconds)
    return table.edit("prospects", row_id, doc, edited_at=at)


def test_a_row_comes_back_as_it_was_written(table: EdgeTable) -> None:
    row = source_row(ROW, 7, '{"name": "Zoë \\u0000 €", "score": 1.50}')
    assert outcomes(table.write([row], now=NOW)) == [DONE]
    assert item(table) == CacheItem("prospects", ROW, 7, row.doc, row.updated_at, NOW)


def test_a_replay_and_an_older_change_that_comes_late_change_nothing(table: EdgeTable) -> None:
    assert write(table, 3, 5, doc="new") == [DONE, DONE]
    assert write(table, 5, 4, 3, doc="old") == [UNCHANGED] * 3
    assert (item(table).version, item(table).doc) == (5, "new")


def test_versions_are_compared_as_numbers_however_long(table: EdgeTable) -> None:
    assert write(table, 9, 10, 2**62, 2**62 + 1) == [DONE] * 4
    assert write(table, 2**62) == [UNCHANGED]


def test_many_rows_cost_one_call_each_and_answer_in_their_order(stage: EdgeStage, table: EdgeTable) -> None:
    rows = [source_row(uuid4(), number) for number in range(1, 101)]
    before = table.calls
    results = table.write([*rows[:50], source_row(rows[0].row_id, 1), *rows[50:]], now=NOW)
    # What is refused has to be read where the endpoint does not send it along.
    assert 101 <= table.calls - before <= 101 + isinstance(stage, OtherStage)
    assert [result.row.row_id for result in results] == [each.row_id for each in [*rows[:50], rows[0], *rows[50:]]]
    assert sorted(outcomes(results)) == [DONE] * 100 + [UNCHANGED]
    assert len(table.get("prospects", [row.row_id for row in rows])) == 100


def test_a_deleted_row_leaves_a_tombstone_that_no_late_update_brings_back(table: EdgeTable) -> None:
    write(table, 5)
    assert write(table, 8, doc=None) == [DONE]
    assert write(table, 6, 8, doc="late") == [UNCHANGED] * 2
    assert item(table).doc is None
    assert write(table, 9, doc="again") == [DONE]
    assert item(table).doc == "again"


def test_a_delete_that_comes_before_its_insert_wins(table: EdgeTable) -> None:
    assert write(table, 8, doc=None) == [DONE]
    assert write(table, 2) == [UNCHANGED]
    assert item(table).doc is None


def test_what_has_expired_is_left_out_of_every_read(stage: EdgeStage, table: EdgeTable) -> None:
    write(table, 5, doc=None)
    stage.later(days=29)
    assert item(table).doc is None
    stage.later(days=1, seconds=1)
    assert table.get("prospects", [ROW]) == {}
    assert table.bucket("prospects", BUCKET) == []


def test_more_than_400_kb_is_refused_before_it_is_sent_counted_in_bytes(table: EdgeTable) -> None:
    before = table.calls
    (result,) = table.write([source_row(ROW, 1, "€" * 140_000)], now=NOW)
    assert (result.outcome, table.calls) == (WriteOutcome.TOO_LARGE, before)
    assert outcomes(table.write([source_row(ROW, 1, "x" * 400_000)], now=NOW)) == [DONE]
    with pytest.raises(RejectedInput):
        edit(table, "x" * 410_000)
    with pytest.raises(RejectedInput):
        table.settle(edit(table, "a"), version=2, doc="x" * 410_000, updated_at=NOW, now=NOW)
    assert item(table).doc == "a"


def test_an_edit_waits_and_no_write_goes_over_it(table: EdgeTable) -> None:
    write(table, 5, doc="old")
    edited = edit(table, "edited", 1)
    assert (edited.doc, edited.version, edited.edits, edited.edited_at) == ("edited", 5, 1, NOW + timedelta(seconds=1))
    assert write(table, 6, doc="newer") == [EDITED]
    assert write(table, 7, doc=None) == [EDITED]
    assert write(table, 5) == [UNCHANGED]
    assert item(table) == edited
    assert table.unsynced(limit=10) == [edited]


def test_an_edit_of_what_postgresql_never_had_has_version_zero(table: EdgeTable) -> None:
    edited = edit(table, "new")
    assert (edited.version, edited.updated_at, edited.written_at, edited.edits) == (0, NOW, NOW, 1)


def test_of_two_edits_the_later_one_stands_whatever_order_they_come_in(table: EdgeTable) -> None:
    later = edit(table, "later", 10)
    assert edit(table, "earlier", 5) == later
    assert edit(table, "later", 10) == later
    assert edit(table, "latest", 11).edits == 2


def test_two_different_edits_of_one_moment_both_count(table: EdgeTable) -> None:
    edit(table, "one", 10)
    assert (edit(table, "other", 10).doc, item(table).edits) == ("other", 2)


def test_an_edit_brings_a_deleted_item_back_until_it_is_decided(table: EdgeTable) -> None:
    write(table, 5, doc=None)
    edited = edit(table, "edited", 1)
    assert (item(table), edited.version) == (edited, 5)
    assert table.settle(edited, version=9, doc=None, updated_at=NOW, now=NOW)
    assert (item(table).doc, item(table).version) == (None, 9)


def test_settling_takes_the_edit_out_of_the_index(table: EdgeTable) -> None:
    seen = edit(table, "mine")
    now = NOW + timedelta(minutes=5)
    assert table.settle(seen, version=12, doc="agreed", updated_at=NOW, now=now)
    assert item(table) == CacheItem("prospects", ROW, 12, "agreed", NOW, now, edits=1)
    assert (table.unsynced(limit=5), table.count_unsynced()) == ([], 0)
    assert write(table, 12, 13) == [UNCHANGED, DONE]


def test_an_edit_made_during_a_push_is_not_settled_by_it(table: EdgeTable) -> None:
    seen = edit(table, "first")
    again = edit(table, "second", 1)
    assert not table.settle(seen, version=12, doc="first", updated_at=NOW, now=NOW)
    assert table.unsynced(limit=5) == [again]
    assert table.settle(again, version=13, doc="second", updated_at=NOW, now=NOW)


def test_settling_twice_is_once_and_never_goes_back(table: EdgeTable) -> None:
    seen = edit(table, "mine")
    assert table.settle(seen, version=12, doc="twelve", updated_at=NOW, now=NOW)
    assert table.settle(seen, version=12, doc="twelve", updated_at=NOW, now=NOW)
    write(table, 20, doc="twenty")
    assert table.settle(seen, version=12, doc="twelve", updated_at=NOW, now=NOW)
    assert item(table).doc == "twenty"


def test_what_is_gone_cannot_be_settled(table: EdgeTable) -> None:
    seen = edit(table, "mine")
    table.restore("prospects", ROW, None, now=NOW)
    assert not table.settle(seen, version=12, doc="mine", updated_at=NOW, now=NOW)
    assert table.get("prospects", [ROW]) == {}


def test_a_parked_edit_is_out_of_the_way_until_the_next_one(table: EdgeTable) -> None:
    seen = edit(table, "mine")
    table.park(seen)
    assert (table.unsynced(limit=5), table.count_unsynced()) == ([], 0)
    assert (write(table, 9), item(table)) == ([EDITED], seen)
    again = edit(table, "mine, mended", 1)
    table.park(seen)
    assert table.unsynced(limit=5) == [again]


def test_edits_come_oldest_first_and_no_more_than_asked_for(table: EdgeTable) -> None:
    ids = [uuid4() for _ in range(30)]
    for number, row_id in enumerate(reversed(ids)):
        edit(table, "mine", 30 - number, row_id=row_id)
    assert [each.row_id for each in table.unsynced(limit=100)] == ids
    assert [each.row_id for each in table.unsynced(limit=7)] == ids[:7]
    assert (table.count_unsynced(), table.count_unsynced(older_than=NOW + timedelta(seconds=11))) == (30, 10)


def test_edits_are_spread_over_all_shards() -> None:
    assert len({unsynced_key(UUID(int=number)) for number in range(500)}) == UNSYNCED_SHARDS


def test_a_bucket_holds_its_own_rows_by_id_and_nothing_else(table: EdgeTable) -> None:
    rows = [source_row(row_id, 1) for row_id in reversed(SAME_BUCKET)]
    table.write([*rows, source_row(ROW, 2, None), source_row(uuid4(), 1)], now=NOW)
    table.write([source_row(ROW, 1, "{}", "campaigns")], now=NOW)
    table.rebuild_digests("prospects", [BUCKET], now=NOW)
    found = table.bucket("prospects", BUCKET)
    assert [each.row_id for each in found] == sorted([*SAME_BUCKET, ROW], key=str)
    assert [each.doc for each in found if each.row_id == ROW] == [None]


def test_a_bucket_is_read_whole_however_large(table: EdgeTable) -> None:
    table.write([source_row(row_id, 1, "x" * 300_000) for row_id in SAME_BUCKET[:6]], now=NOW)
    before = table.items_read
    assert len(table.bucket("prospects", BUCKET)) == 6
    assert table.items_read - before == 6


def test_a_resync_stamps_what_is_as_it_should_be_and_writes_the_rest(table: EdgeTable) -> None:
    write(table, 5, doc="same")
    assert write(table, 5, doc="same", generation=2) == [DONE]
    assert write(table, 5, doc="same", generation=2) == [UNCHANGED]
    assert write(table, 6, doc="newer", generation=2) == [DONE]
    assert (item(table).generation, item(table).doc) == (2, "newer")
    assert write(table, 7) == [DONE]
    assert item(table).generation == 2


def test_a_resync_stamps_also_what_is_newer_or_waits_and_leaves_its_content(table: EdgeTable) -> None:
    write(table, 9, doc="newer")
    assert write(table, 5, doc="old", generation=3) == [UNCHANGED]
    edit(table, "edited")
    assert write(table, 10, doc="other", generation=4) == [EDITED]
    assert (item(table).generation, item(table).doc, item(table).version) == (4, "edited", 9)
    assert write(table, 10, generation=4) == [EDITED]


def test_an_item_is_put_back_as_it_was_or_removed(table: EdgeTable) -> None:
    write(table, 5, doc="before")
    before = item(table)
    write(table, 9, doc="after")
    table.restore("prospects", ROW, before, now=NOW + timedelta(hours=1))
    assert (item(table).version, item(table).doc, item(table).updated_at) == (5, "before", before.updated_at)
    seen = edit(table, "edited")
    table.restore("prospects", ROW, seen, now=NOW)
    assert not table.settle(seen, version=9, doc="x", updated_at=NOW, now=NOW)
    assert [each.doc for each in table.unsynced(limit=5)] == ["edited"]
    table.restore("prospects", ROW, None, now=NOW)
    assert (table.get("prospects", [ROW]), table.unsynced(limit=5)) == ({}, [])


def test_an_edit_is_recorded_over_what_was_seen_and_over_nothing_else(table: EdgeTable) -> None:
    fresh = CacheItem("prospects", ROW, 0, "first", NOW, NOW, 0, 1, NOW, NOW)
    assert table.record(None, fresh)
    assert not table.record(None, fresh)
    assert (item(table), item(table).said_at, table.unsynced(limit=5)) == (fresh, NOW, [fresh])
    later = NOW + timedelta(seconds=1)
    after = replace(fresh, doc="second", edits=2, edited_at=later, said_at=later)
    assert table.record(fresh, after)
    assert not table.record(fresh, replace(after, doc="third"))
    assert item(table) == after
    table.settle(after, version=9, doc="agreed", updated_at=NOW, now=NOW)
    assert not table.record(after, replace(after, doc="third"))
    assert (item(table).doc, item(table).said_at) == ("agreed", later)
    write(table, 10, doc="newer", generation=3)
    seen = item(table)
    assert table.record(seen, replace(seen, said_at=NOW))
    assert (item(table), item(table).generation, item(table).said_at) == (seen, 3, NOW)


def test_a_parked_edit_is_put_back_into_the_index(table: EdgeTable) -> None:
    seen = edit(table, "mine")
    table.park(seen)
    assert table.record(seen, replace(seen, edits=seen.edits + 1))
    assert [each.doc for each in table.unsynced(limit=5)] == ["mine"]


def test_an_edit_is_recorded_over_a_tombstone_that_has_expired(stage: EdgeStage, table: EdgeTable) -> None:
    write(table, 5, doc=None)
    fresh = CacheItem("prospects", ROW, 0, "first", NOW, NOW, 0, 1, NOW, NOW)
    assert not table.record(None, fresh)
    stage.later(days=31)
    assert table.record(None, fresh)
    assert item(table).doc == "first"


def test_an_item_is_put_back_over_what_was_seen_and_over_nothing_else(table: EdgeTable) -> None:
    write(table, 5, doc="before")
    before = item(table)
    write(table, 9, doc="after")
    seen = item(table)
    assert table.put_back("prospects", ROW, before, seen=seen, now=NOW)
    assert (item(table).version, item(table).doc) == (5, "before")
    assert not table.put_back("prospects", ROW, before, seen=seen, now=NOW)
    again = edit(table, "edited")
    for wanted in (before, None):
        assert not table.put_back("prospects", ROW, wanted, seen=before, now=NOW)
        assert not table.put_back("prospects", ROW, wanted, seen=None, now=NOW)
    assert item(table) == again
    assert table.put_back("prospects", ROW, None, seen=again, now=NOW)
    assert table.put_back("prospects", ROW, None, seen=None, now=NOW)
    assert table.get("prospects", [ROW]) == {}
    assert table.put_back("prospects", ROW, before, seen=None, now=NOW)
    assert item(table).doc == "before"


def test_late_edits_are_kept_once_each_until_they_are_forgotten(table: EdgeTable) -> None:
    edits = [
        LateEdit("emails", ROW, json.dumps({"number": number}), NOW + timedelta(seconds=number % 4))
        for number in (3, 1, 2, 5)
    ]
    for each in (*edits, edits[0]):
        table.keep_late(each)
    kept = table.late_edits(limit=10)
    assert sorted(kept, key=lambda each: each.doc) == sorted(edits, key=lambda each: each.doc)
    assert [each.edited_at for each in kept] == sorted(each.edited_at for each in edits)
    assert len(table.late_edits(limit=2)) == 2
    table.forget_late([*kept[:3], kept[0]])
    assert table.late_edits(limit=10) == kept[3:]
    with pytest.raises(RejectedInput):
        table.keep_late(LateEdit("emails", ROW, "x" * 410_000, NOW))


def test_configuration_is_set_name_by_name(table: EdgeTable) -> None:
    assert table.get_config() == {}
    table.set_config({"to_cache_at": "2026-11-20", "pk": "x"})
    table.set_config({"pk": "y"})
    assert table.get_config() == {"to_cache_at": "2026-11-20", "pk": "y"}


def test_the_digests_are_the_sums_of_what_is_there(stage: EdgeStage, table: EdgeTable) -> None:
    rows = [source_row(row_id, number, f'"{number}"') for number, row_id in enumerate(SAME_BUCKET[:5], 1)]
    table.write([*rows, source_row(UUID(int=0), 3)], now=NOW)
    table.write([source_row(SAME_BUCKET[0], 9, None), source_row(SAME_BUCKET[1], 9, "other")], now=NOW)
    edit(table, "edited", row_id=SAME_BUCKET[2])
    table.restore("prospects", SAME_BUCKET[3], None, now=NOW)
    stage.catch_up()
    other = bucket_of(UUID(int=0))
    assert table.digests("prospects") == recomputed(table, "prospects", {BUCKET, other})
    assert table.digests("prospects")[other] == content_hash(UUID(int=0), 3, "{}")
    assert table.digests("campaigns") == {}


def test_an_emptied_bucket_has_no_digest(stage: EdgeStage, table: EdgeTable) -> None:
    write(table, 5)
    write(table, 6, doc=None)
    stage.catch_up()
    assert table.digests("prospects") == {}


def test_every_item_is_told_page_by_page(table: EdgeTable) -> None:
    some = range(bucket_of(ROW) - 60, bucket_of(ROW) + 40)
    ids = [row_id for row_id in (UUID(int=number) for number in range(2000)) if bucket_of(row_id) in some]
    table.write([source_row(row_id, 1) for row_id in ids] + [source_row(ROW, 1, None)], now=NOW)
    table.write([source_row(row_id, 1, "{}", "emails") for row_id in ids], now=NOW)
    pages = list(table.every_item("prospects", some))
    assert pages
    assert sorted(each.row_id for page in pages for each in page) == sorted([*ids, ROW])
    assert [each for page in table.every_item("prospects", some[:60]) for each in page if each.row_id == ROW] == []


def rebuild_while(stage: EdgeStage, change: Callable[[], object]) -> None:
    """A digest that a lost stream has left wrong is rebuilt; `change` happens after it."""
    write(stage.table, 5)
    stage.catch_up()
    assert stage.table.rebuild_digests("prospects", [BUCKET], now=NOW) == {BUCKET: content_hash(ROW, 5, "{}")}
    change()
    stage.catch_up()


def test_a_rebuild_and_later_changes_agree(stage: EdgeStage, table: EdgeTable) -> None:
    rebuild_while(stage, lambda: write(table, 6, doc="later"))
    assert table.digests("prospects") == {BUCKET: content_hash(ROW, 6, "later")}


def test_an_email_is_found_by_its_prospect(dynamo: DynamoStage) -> None:
    stage = dynamo
    prospect, ids = uuid4(), [uuid4() for _ in range(3)]
    for number, row_id in enumerate(ids):
        doc = json.dumps({"prospect_id": str(prospect), "created_at": f"2026-11-2{9 - number}T00:00:00.000000Z"})
        stage.table.edit("emails", row_id, doc, edited_at=NOW)
    stage.table.edit("emails", uuid4(), '{"prospect_id": null, "created_at": "2026"}', edited_at=NOW)
    stage.table.write([source_row(ids[0], 2, None, "emails")], now=NOW)
    stage.table.settle(item(stage.table, ids[0], "emails"), version=2, doc=None, updated_at=NOW, now=NOW)
    found = stage.client.query(
        TableName=stage.name,
        IndexName="by_prospect",
        KeyConditionExpression="gsi2pk = :p",
        ExpressionAttributeValues={":p": {"S": f"prospect#{prospect}"}},
    )["Items"]
    assert [each["sk"]["S"] for each in found] == [str(ids[2]), str(ids[1])]


def put(stage: DynamoStage, pk: str, sk: str, **attributes: object) -> None:
    stage.client.put_item(TableName=stage.name, Item={"pk": {"S": pk}, "sk": {"S": sk}, **attributes})


def test_what_others_left_in_the_index_hides_no_edit(dynamo: DynamoStage) -> None:
    for number in range(20):
        put(dynamo, f"prospects#{number:03x}", f"nothing {number}", gsi1pk={"S": "UNSYNCED#0"}, gsi1sk={"S": "0"})
    ids = [row_id for row_id in (UUID(int=n) for n in range(200)) if unsynced_key(row_id) == "UNSYNCED#0"][:3]
    for row_id in ids:
        edit(dynamo.table, "mine", row_id=row_id)
    assert {each.row_id for each in dynamo.table.unsynced(limit=3)} == set(ids)


@pytest.mark.parametrize("said", [{}, {"edited_at": {"S": "yesterday"}}])
def test_an_edit_of_others_that_does_not_say_since_when_it_waits_is_settled(
    dynamo: DynamoStage, said: dict[str, object]
) -> None:
    """Nor how many edits there were."""
    place = {"gsi1pk": {"S": unsynced_key(ROW)}, "gsi1sk": {"S": "soon"}}
    dynamo.put_by_others("prospects", ROW, doc={"S": "{}"}, version={"N": "3"}, **place, **said)
    (waiting,) = dynamo.table.unsynced(limit=3)
    assert waiting.edited_at is not None
    assert dynamo.table.settle(waiting, version=4, doc="agreed", updated_at=NOW, now=NOW)
    assert dynamo.table.unsynced(limit=3) == []
    assert (item(dynamo.table).doc, item(dynamo.table).edited_at) == ("agreed", None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("expires_at", {"N": "1"}),
        ("expires_at", {"S": "soon"}),
        ("deleted", {"BOOL": True}),
        ("gsi2pk", {"S": "prospect#other"}),
        ("gsi2sk", {"S": "2026"}),
    ],
)
def test_an_attribute_that_others_changed_shows_in_the_item_and_in_its_digest(
    dynamo: DynamoStage, name: str, value: dict[str, object]
) -> None:
    write(dynamo.table, 5)
    dynamo.client.update_item(
        TableName=dynamo.name,
        Key={"pk": {"S": f"prospects#{BUCKET:03x}"}, "sk": {"S": str(ROW)}},
        UpdateExpression="SET #n = :v",
        ExpressionAttributeNames={"#n": name},
        ExpressionAttributeValues={":v": value},
    )
    assert item(dynamo.table).altered == (name,)
    assert dynamo.table.rebuild_digests("prospects", [BUCKET], now=NOW)[BUCKET] != content_hash(ROW, 5, "{}")
    write(dynamo.table, 6)
    assert item(dynamo.table).altered == ()
    assert dynamo.table.rebuild_digests("prospects", [BUCKET], now=NOW) == {BUCKET: content_hash(ROW, 6, "{}")}


def test_an_item_under_a_key_where_nobody_looks_for_it_is_none_of_ours(dynamo: DynamoStage) -> None:
    put(dynamo, f"prospects#{(BUCKET + 1) % 4096:03x}", str(ROW), doc={"S": "{}"}, version={"N": "3"})
    assert dynamo.table.bucket("prospects", (BUCKET + 1) % 4096) == []
    assert dynamo.table.rebuild_digests("prospects", [(BUCKET + 1) % 4096], now=NOW) == {(BUCKET + 1) % 4096: 0}


def test_digests_are_never_written_over_those_of_another_writer(dynamo: DynamoStage) -> None:
    store = dynamo.store
    first, second, third = (Digest(total, Position("stream", total), None) for total in (1, 2, 3))
    assert store.write_chunk("prospects", {}, {0: first, 1: first})
    assert not store.write_chunk("prospects", {}, {2: second, 1: second})
    assert not store.write_chunk("prospects", {0: second}, {0: third})
    assert store.read_chunk("prospects", 0) == {0: first, 1: first}
    assert store.write_chunk("prospects", {0: first, 1: first}, {0: replace(second, mark="m"), 2: second})
    assert store.write_chunk("prospects", {0: second}, {0: third})
    assert store.read_chunk("prospects", 0) == {0: third, 1: first, 2: second}


def test_a_whole_chunk_fits_into_one_update(dynamo: DynamoStage) -> None:
    store = dynamo.store
    position = Position("2026-11-20T11:58:04.811", 10**40)
    full = {bucket: Digest(2**60 * 10**6, position, "0123456789abcdef") for bucket in range(64)}
    later = {
        bucket: replace(digest, mark=None, position=replace(position, sequence=10**40 + 1))
        for bucket, digest in full.items()
    }
    assert store.write_chunk("prospects", {}, full)
    assert store.write_chunk("prospects", full, later)
    assert store.read_chunk("prospects", 0) == later
    assert store.totals("prospects") == dict.fromkeys(range(64), 2**60 * 10**6)
