"""What changes many customers in one statement is noted many to a line, and reaches Mautic like everything else."""

from uuid import UUID, uuid4

import pytest

from crm_relay.customers import store
from crm_relay.customers.models import SyncOptions
from crm_relay.customers.syncing.preview import preview
from crm_relay.platform.clock import utc_now
from tests.support.customers.mautic_world import MauticWorld

FEW, MANY = 120, 250


@pytest.fixture
def world(world: MauticWorld) -> MauticWorld:
    """With as many customers as are noted one by one, and some more; all are synced."""
    world.sql(
        """insert into customer_profiles (id, first_name, lead_score)
           select md5(n::text)::uuid, 'Ada', n from generate_series(1, :many) n""",
        many=MANY,
    )
    world.sql("insert into customer_emails (customer_id, email) select id, id || '@example.com' from customer_profiles")
    world.sync()
    return world


def noted(world: MauticWorld) -> tuple[list[UUID], list[UUID]]:
    """One by one, and many to a line."""
    single = world.sql("select customer_id from mautic_dirty order by 1")
    bulk = world.sql("select unnest(customer_ids) as customer_id from mautic_dirty_bulk order by 1")
    return [row["customer_id"] for row in single], [row["customer_id"] for row in bulk]


def customers(world: MauticWorld, *, limit: int = MANY) -> list[UUID]:
    rows = world.sql("select id from customer_profiles where lead_score <= :limit order by id", limit=limit)
    return [row["id"] for row in rows]


def test_a_run_leaves_neither_list_behind(world: MauticWorld) -> None:
    assert noted(world) == ([], [])
    assert world.disagreements() == []


@pytest.mark.parametrize(
    "statement",
    [
        "update customer_profiles set first_name = 'Bea' where lead_score <= :count",
        """delete from customer_emails
           where customer_id in (select id from customer_profiles where lead_score <= :count)""",
        """insert into customer_phones (customer_id, phone_e164)
           select id, '+351900000000' from customer_profiles where lead_score <= :count""",
    ],
    ids=["update", "delete", "insert"],
)
@pytest.mark.parametrize("count", [1, FEW, FEW + 1, MANY])
def test_up_to_120_rows_are_noted_one_by_one_and_more_120_to_a_line(
    world: MauticWorld, statement: str, count: int
) -> None:
    world.sql(statement, count=count)

    changed = customers(world, limit=count)
    assert noted(world) == ((changed, []) if count <= FEW else ([], changed))
    lines = world.sql("select cardinality(customer_ids) as n from mautic_dirty_bulk order by seq")
    assert [row["n"] for row in lines] == {FEW + 1: [120, 1], MANY: [120, 120, 10]}.get(count, [])


def test_a_bulk_change_is_seen_by_the_dry_run_and_made_by_the_run(world: MauticWorld) -> None:
    world.sql("update customer_profiles set first_name = 'Bea', last_name = 'Lima'")

    seen = preview(world.db, world.run().mautic, SyncOptions(), utc_now())
    assert seen.actions == {"update": MANY}
    assert world.sync().updated == MANY

    assert noted(world) == ([], [])
    assert world.disagreements() == []


def test_a_bulk_deletion_is_counted_before_the_run_begins(world: MauticWorld) -> None:
    world.sql(
        "delete from customer_emails where customer_id in (select id from customer_profiles where lead_score <= 200)"
    )

    report = world.sync()

    assert report.needs_operator
    assert report.requests == 0


def test_more_lines_than_one_statement_spreads_are_spread_and_each_customer_stands_there_once(
    world: MauticWorld,
) -> None:
    one, another = uuid4(), uuid4()
    world.sql(
        """insert into mautic_dirty_bulk (customer_ids)
           select array[cast(:one as uuid), cast(:another as uuid)] from generate_series(1, :lines)""",
        one=one,
        another=another,
        lines=store.BULK_LINES + 1,
    )

    store.spread_bulk_notes(world.db)

    single, bulk = noted(world)
    assert bulk == []
    # Once a statement: two were needed.
    assert single == sorted([one, another] * 2)


def test_whoever_is_deleted_with_every_trace_leaves_the_bulk_lines_too(world: MauticWorld) -> None:
    world.sql("update customer_profiles set first_name = 'Bea'")
    person = customers(world)[0]

    store.delete_customers(world.db, [person])

    assert noted(world)[1] == [each for each in customers(world) if each != person]
