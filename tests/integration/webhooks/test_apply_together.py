"""Deliveries of one source share a transaction and two messages, and none of them can stop the others."""

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from crm_relay.consent.erase import block_return
from crm_relay.consent.person import Person
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput, TransientError
from crm_relay.webhooks.models import Delivered, DeliveryOutcome
from crm_relay.webhooks.people.redact import NOTHING_LEFT
from crm_relay.webhooks.receive import LARGEST_BATCH, apply_all_stored, apply_stored, apply_together
from crm_relay.webhooks.source import Received
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.platform.rows import one, rows_of
from tests.support.platform.tasks_source import RECEIVED, Tasks, delivered

PROCESSED, DUPLICATE = DeliveryOutcome(processed=1), DeliveryOutcome(duplicates=1)
WRITTEN = "select task_key from failed_tasks order by task_key"


@pytest.fixture
def counted(database_url: str) -> Iterator[tuple[CountingProxy, Database]]:
    """A connection whose messages are counted."""
    with CountingProxy(database_url) as proxy:
        database = Database(proxy.url)
        yield proxy, database
        database.close()


def written(database: Database) -> list[str]:
    return [row["task_key"] for row in rows_of(database, WRITTEN)]


def test_a_batch_costs_two_messages_whatever_its_size(counted: tuple[CountingProxy, Database]) -> None:
    proxy, database = counted
    for size in (1, LARGEST_BATCH):
        proxy.forget()
        deliveries = [delivered(f"{size}-{number:02}") for number in range(size)]
        assert apply_all_stored(database, Tasks().source, deliveries) == [PROCESSED] * size
        assert len(proxy.queries) == 2
        assert proxy.queries[-1].endswith("commit")


def test_more_than_a_batch_is_applied_in_several(counted: tuple[CountingProxy, Database]) -> None:
    tasks, (proxy, database) = Tasks(), counted
    outcomes = apply_all_stored(database, tasks.source, [delivered(f"{number}") for number in range(120)])
    assert outcomes == [PROCESSED] * 120
    assert tasks.decided == tasks.committed == [50, 50, 20]
    assert len(proxy.queries) == 6


def test_what_is_large_does_not_share_a_transaction(database: Database) -> None:
    tasks = Tasks()
    apply_all_stored(database, tasks.source, [delivered(f"{number}", text="x" * 1_500_000) for number in range(3)])
    assert tasks.committed == [2, 1]


def test_a_delivery_that_is_in_a_batch_twice_is_kept_once_and_decided_twice(database: Database) -> None:
    outcomes = apply_all_stored(database, Tasks().source, [delivered("a"), delivered("b"), delivered("a")])
    assert outcomes == [PROCESSED, PROCESSED, DUPLICATE]
    assert one(database, "select count(*)::integer as n from webhook_inbox")["n"] == 2


def test_reading_more_costs_a_message_more(counted: tuple[CountingProxy, Database]) -> None:
    proxy, database = counted
    apply_stored(database, Tasks().source, delivered("a"))
    proxy.forget()
    assert apply_stored(database, Tasks().source, delivered("a")) == DUPLICATE
    assert len(proxy.queries) == 3


def test_a_row_that_somebody_else_wrote_meanwhile_is_met_in_a_second_attempt(
    counted: tuple[CountingProxy, Database],
) -> None:
    tasks, (proxy, database) = Tasks(), counted
    rows_of(database, "insert into failed_tasks (source, task_key, payload) values ('task', 'a', '')")
    proxy.forget()
    assert apply_all_stored(database, tasks.source, [delivered("a"), delivered("b")]) == [DUPLICATE, PROCESSED]
    assert tasks.committed == [2]
    assert written(database) == ["a", "b"]


def test_copies_of_one_event_that_race_are_counted_once(database: Database, database_url: str) -> None:
    start = threading.Barrier(6)

    def together(number: int) -> list[DeliveryOutcome | Exception]:
        mine = Database(database_url)
        start.wait()
        found = [
            apply_stored(mine, Tasks().source, delivered(f"task {task}", text=f"copy {number}")) for task in range(10)
        ]
        mine.close()
        return list(found)

    with ThreadPoolExecutor(6) as threads:
        outcomes = [each for found in threads.map(together, range(6)) for each in found]
    assert (outcomes.count(PROCESSED), outcomes.count(DUPLICATE)) == (10, 50)
    assert len(written(database)) == 10


@pytest.mark.parametrize(
    ("poison", "kind"),
    [
        (delivered(""), RejectedInput),
        (Delivered("task", b"[]", RECEIVED), TypeError),
        (delivered("bad", text="no statement can hold \0"), RejectedInput),
    ],
)
def test_one_that_cannot_be_applied_does_not_stop_the_others(
    database: Database, poison: Delivered, kind: type[Exception]
) -> None:
    first, failure, last = apply_all_stored(database, Tasks().source, [delivered("a"), poison, delivered("b")])
    assert (first, last) == (PROCESSED, PROCESSED)
    assert isinstance(failure, kind)
    assert written(database) == ["a", "b"]
    assert one(database, "select count(*)::integer as n from webhook_inbox")["n"] == 2


def test_a_database_that_is_away_is_not_asked_for_each_of_fifty() -> None:
    away = Database("postgresql://nobody:secret@127.0.0.1:9/crm")
    failures = apply_all_stored(away, Tasks().source, [delivered(f"{number}") for number in range(50)])
    assert len(failures) == 50
    assert len({id(each) for each in failures if isinstance(each, TransientError)}) == 2


def test_what_is_refused_waits_with_its_reason_and_the_others_do_not(database: Database) -> None:
    refused, processed = apply_all_stored(database, Tasks().source, [delivered("a", refused="why"), delivered("b")])
    assert (refused, processed) == (DeliveryOutcome(refused="why"), PROCESSED)
    waiting = "select applied_at is null as waits, error from webhook_inbox order by id"
    assert sorted(row["error"] or "" for row in rows_of(database, waiting) if row["waits"]) == ["why"]
    assert one(database, "select count(applied_at)::integer as n from webhook_inbox")["n"] == 1


def test_an_erased_person_is_cut_out_of_the_own_delivery_only(database: Database) -> None:
    block_return(database, Person(addresses=frozenset(["lea@example.com"])), datetime(2026, 11, 1, tzinfo=UTC))
    texts = ["to lea@example.com", "to ada@example.com"]
    apply_all_stored(database, Tasks().source, [delivered(text, text=text) for text in texts])
    bodies = [row["body"] for row in rows_of(database, "select body from webhook_inbox")]
    assert sorted(body.count("nobody") for body in bodies) == [0, 2]
    assert not any("lea@" in body for body in bodies)


def test_an_emptied_delivery_has_no_effect_and_is_no_poison(database: Database) -> None:
    nothing = Delivered("task", NOTHING_LEFT.encode(), RECEIVED)
    outcomes = apply_all_stored(database, Tasks().source, [delivered("a"), nothing, nothing, delivered("b")])
    assert outcomes == [PROCESSED, DeliveryOutcome(ignored=1), DUPLICATE, PROCESSED]


def test_after_a_connection_lost_at_the_commit_applying_again_is_safe(database: Database, database_url: str) -> None:
    with CountingProxy(database_url, cut_after="commit") as proxy:
        cut = Database(proxy.url)
        received: Received[Mapping[str, str]] = Received(delivered("a"), {"task": "a"})
        with pytest.raises(TransientError, match="unknown"):
            apply_together(cut, Tasks().source, [received])
        cut.close()
    assert apply_stored(database, Tasks().source, delivered("a")) in (PROCESSED, DUPLICATE)
    assert written(database) == ["a"]
