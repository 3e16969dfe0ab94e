"""What changes many customers in one statement is noted many to a line, and reaches Mautic like everything else."""

from uuid import UUID, uuid4

import pytest

from crm_relay.customers import store
from crm_relay.customers.models import SyncOptions
from crm_relay.customers.syncing.preview import preview
from crm_relay.platform.clock import utc_now
from tests.support.customers.mautic_harness import MauticHarness

FEW, MANY = 120, 250


@pytest.fixture
def harness(harness: MauticHarness) -> MauticHarness:
    """With as many customers as are noted one by one, and some more; all are synced."""
    harness.sql(
        """insert into customer_profiles (id, first_name, lead_score)
           select md5(n::text)::uuid, 'Ada', n from generate_series(1, :many) n""",
        many=MANY,
    )
    harness.sql(
        "insert into customer_emails (customer_id, email) select id, id || '@example.com' from customer_profiles"
    )
    harness.sync()
    return harness


def noted(harness: MauticHarness) -> tuple[list[UUID], list[UUID]]:
    """One by one, and many to a line."""
    single = harness.sql("select customer_id from mautic_dirty order by 1")
    bulk = harness.sql("select unnest(customer_ids) as customer_id from mautic_dirty_bulk order by 1")
    return [row["customer_id"] for row in single], [row["customer_id"] for row in bulk]


def customers(harness: MauticHarness, *, limit: int = MANY) -> list[UUID]:
    rows = harness.sql("select id from customer_profiles where lead_score <= :limit order by id", limit=limit)
    return [row["id"] for row in rows]


def test_a_run_leaves_neither_list_behind(harness: MauticHarness) -> None:
    assert noted(harness) == ([], [])
    assert harness.disagreements() == []


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
    harness: MauticHarness, statement: str, count: int
) -> None:
    harness.sql(statement, count=count)

    changed = customers(harness, limit=count)
    assert noted(harness) == ((changed, []) if count <= FEW else ([], changed))
    lines = harness.sql("select cardinality(customer_ids) as n from mautic_dirty_bulk order by seq")
    assert [row["n"] for row in lines] == {FEW + 1: [120, 1], MANY: [120, 120, 10]}.get(count, [])


def test_a_bulk_change_is_seen_by_the_dry_run_and_made_by_the_run(harness: MauticHarness) -> None:
    harness.sql("update customer_profiles set first_name = 'Bea', last_name = 'Lima'")

    seen = preview(harness.db, harness.run().mautic, SyncOptions(), utc_now())
    assert seen.actions == {"update": MANY}
    assert harness.sync().updated == MANY

    assert noted(harness) == ([], [])
    assert harness.disagreements() == []


def test_a_bulk_deletion_is_counted_before_the_run_begins(harness: MauticHarness) -> None:
    harness.sql(
        "delete from customer_emails where customer_id in (select id from customer_profiles where lead_score <= 200)"
    )

    report = harness.sync()

    assert report.needs_operator
    assert report.requests == 0


def test_more_lines_than_one_statement_spreads_are_spread_and_each_customer_stands_there_once(
    harness: MauticHarness,
) -> None:
    one, another = uuid4(), uuid4()
    harness.sql(
        """insert into mautic_dirty_bulk (customer_ids)
           select array[cast(:one as uuid), cast(:another as uuid)] from generate_series(1, :lines)""",
        one=one,
        another=another,
        lines=store.BULK_LINES + 1,
    )

    store.spread_bulk_notes(harness.db)

    single, bulk = noted(harness)
    assert bulk == []
    # Once a statement: two were needed.
    assert single == sorted([one, another] * 2)


def test_whoever_is_deleted_with_every_trace_leaves_the_bulk_lines_too(harness: MauticHarness) -> None:
    harness.sql("update customer_profiles set first_name = 'Bea'")
    person = customers(harness)[0]

    store.delete_customers(harness.db, [person])

    assert noted(harness)[1] == [each for each in customers(harness) if each != person]
