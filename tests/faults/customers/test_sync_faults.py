"""Whatever goes wrong on the way to Mautic, both sides end in agreement and nobody stands there twice."""

import os
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from crm_relay.customers.models import SyncOptions
from crm_relay.customers.syncing.sync_customers import sync_contacts
from crm_relay.platform.aws.lease import Lease, LeaseLost
from crm_relay.platform.database import Database, Row
from crm_relay.platform.errors import FatalError, TransientError
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.platform.sql import Query, SqlValue
from crm_relay.providers.mautic.client import Mautic
from local.simulators.mautic import MauticFault
from tests.support.customers.mautic_harness import CLIENT, FreeLease, MauticHarness
from tests.support.processes.killed_process import KilledHttp, Killer

HOLDER = "select customer_id from customer_emails where email = :email"
SMALL = SyncOptions(batch_size=4, pause_seconds=0)


def with_customers(harness: MauticHarness) -> None:
    """Everything that takes another way: segments, fraction, opt-out, refused value, one address twice."""
    for number in range(6):
        harness.customer(f"c{number}@example.com", segments=("vip", "new") if number % 2 else ("regular",))
    harness.customer("fraction@example.com", spent="0.75")
    harness.set_profile(harness.customer("out@example.com"), marketing_opt_in=False)
    nowhere = harness.customer("nowhere@example.com")
    harness.sql(
        "insert into customer_addresses (customer_id, state, is_primary) values (:id, 'Atlantis', true)", id=nowhere
    )
    harness.customer("twin@example.com", created_days_ago=9)
    harness.customer("twin@example.com", created_days_ago=3)


def change_customers(harness: MauticHarness) -> None:
    """A second round on top of the first: edits, moves, an opt-out, a deletion here and one there."""
    ids = [row["id"] for row in harness.sql("select id from customer_profiles order by created_at, id")]
    harness.set_profile(ids[0], first_name="Changed")
    harness.set_profile(ids[1], marketing_opt_in=False)
    harness.leave(ids[2], "regular")
    harness.join(ids[2], "inactive")
    harness.sql("update customer_emails set email = 'moved@example.com' where email = 'c3@example.com'")
    harness.sql(f"delete from customer_profiles where id in ({HOLDER})", email="c4@example.com")
    gone = harness.simulator.contact_by("email", "c5@example.com")
    if gone is not None:
        harness.simulator.delete_contact(gone.id)
    harness.sql(f"update customer_profiles set last_name = 'Again' where id in ({HOLDER})", email="c5@example.com")


def until_agreement(harness: MauticHarness) -> None:
    """Runs as the schedule would bring them, until none has anything to do."""
    for _ in range(6):
        harness.now += timedelta(hours=25)
        if harness.sync(options=SMALL).requests == 0:
            break
    assert harness.disagreements() == []


FAULTS = {
    "500 before writing": MauticFault("batch", "500_before"),
    "500 after a partial write": MauticFault("batch", "500_after_partial", after_items=2),
    "500 again and again": MauticFault("batch", "500_after_partial", times=9, after_items=1),
    "429": MauticFault("batch", "429", times=2),
    "429 without end": MauticFault("batch", "429", times=30),
    "no answer": MauticFault("batch", "hang", seconds=1.5),
    "answer lost after writing": MauticFault("batch", "drop"),
    "token expired in the middle": MauticFault("batch", "expire_token"),
    "token refused": MauticFault("oauth", "500_before"),
    "segment call fails": MauticFault("segments", "500_before"),
    "segment call without answer": MauticFault("contacts/add", "drop"),
    "PUT of a fraction fails": MauticFault("PUT", "500_after_partial"),
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("second_round", [False, True], ids=["first round", "second round"])
def test_a_fault_of_mautic_leaves_no_trace_after_the_next_runs(
    harness: MauticHarness, name: str, second_round: bool
) -> None:
    with_customers(harness)
    if second_round:
        harness.sync(options=SMALL)
        change_customers(harness)
    fault = FAULTS[name]
    harness.simulator.faults.add(MauticFault(fault.match, fault.kind, fault.times, fault.after_items, fault.seconds))

    harness.sync(options=SMALL, timeout=1)
    harness.simulator.faults.clear()

    until_agreement(harness)


def test_a_slow_down_does_not_use_up_the_rows_attempts(harness: MauticHarness) -> None:
    ana = harness.customer("ana@example.com")
    harness.simulator.faults.add(MauticFault("batch", "429", times=50))

    report = harness.sync()

    assert report.stopped is not None
    assert harness.status(ana) == {}
    assert len(harness.pauses) == 4, "it waited, each time longer"
    assert harness.pauses == sorted(harness.pauses)


def test_a_mautic_that_fails_on_everything_stops_the_run_and_uses_up_no_attempt(harness: MauticHarness) -> None:
    ana = harness.customer("ana@example.com")
    harness.simulator.faults.add(MauticFault("/api/", "500_before", times=50))

    report = harness.sync()
    harness.simulator.faults.clear()

    assert report.stopped is not None
    assert harness.status(ana) == {}
    until_agreement(harness)


def test_a_batch_that_mautic_cannot_take_is_cut_until_the_bad_row_stands_alone(harness: MauticHarness) -> None:
    good = [harness.customer(f"g{number}@example.com") for number in range(39)]
    bad = harness.customer("bad@example.com")
    harness.simulator.faults.add(MauticFault("batch", "500_before", times=999, in_body="bad@example.com"))

    report = harness.sync(options=SyncOptions(batch_size=40, pause_seconds=0))

    assert set(report.failures) == {bad}
    assert "alone" in report.failures[bad]
    assert all(harness.contact(each) is not None for each in good)
    assert len(harness.simulator.contacts) == len(good), "cutting made no duplicate"
    assert harness.status(bad)["attempts"] == 1
    assert harness.simulator.count("POST", "batch/new") <= 2 * 7 + 8, "halves, not one by one"
    harness.simulator.faults.clear()
    until_agreement(harness)


def test_an_edit_that_mautic_cannot_take_is_found_the_same_way(harness: MauticHarness) -> None:
    good = [harness.customer(f"g{number}@example.com") for number in range(15)]
    bad = harness.customer("bad@example.com")
    harness.sync()
    for each in (*good, bad):
        harness.set_profile(each, first_name="Changed")
    harness.simulator.faults.add(
        MauticFault("batch", "500_after_partial", times=999, after_items=0, in_body="bad@example.com")
    )

    report = harness.sync(options=SyncOptions(batch_size=16, pause_seconds=0))

    assert set(report.failures) == {bad}
    assert all(harness.contact(each).fields["firstname"] == "Changed" for each in good)


def test_batches_shrink_while_mautic_is_slow_and_grow_again(harness: MauticHarness) -> None:
    for number in range(60):
        harness.customer(f"c{number}@example.com")
    run = harness.run(options=SyncOptions(batch_size=20, pause_seconds=0))
    durations = iter([15.0, 15.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    ticks = iter(tick for duration in durations for tick in (0.0, duration))
    run.clock = lambda: next(ticks)

    sync_contacts(run)

    assert [each.items for each in harness.simulator.requests if "batch/new" in each.path] == [20, 10, 5, 10, 15]
    assert harness.disagreements() == []


def test_after_a_partial_write_only_the_rest_is_sent_again(harness: MauticHarness) -> None:
    for number in range(4):
        harness.customer(f"c{number}@example.com")
    harness.simulator.faults.add(MauticFault("batch/new", "500_after_partial", after_items=3))

    harness.sync()

    sent = [each.items for each in harness.simulator.requests if "batch/new" in each.path]
    assert sent == [4, 1]
    assert len(harness.simulator.contacts) == 4
    assert harness.disagreements() == []


def test_after_a_request_without_an_answer_the_next_run_begins_with_half_the_batch(harness: MauticHarness) -> None:
    for number in range(8):
        harness.customer(f"c{number}@example.com")
    harness.simulator.faults.add(MauticFault("batch", "hang", seconds=1.5))
    options = SyncOptions(batch_size=8, pause_seconds=0)
    harness.sync(timeout=1, options=options)
    harness.simulator.forget_requests()
    harness.now += timedelta(minutes=15)

    harness.sync(options=options)

    assert [each.items for each in harness.simulator.requests if "batch/new" in each.path] == [4, 4]
    assert harness.disagreements() == []


def test_without_an_answer_the_lease_is_left_to_run_out(harness: MauticHarness) -> None:
    class ReleasedLease(FreeLease):
        released = 0

        def release(self) -> None:
            self.released += 1

    harness.customer("ana@example.com")
    harness.simulator.faults.add(MauticFault("batch", "hang", seconds=1.5))
    lease = ReleasedLease()

    harness.sync(timeout=1, lease=lease)
    assert lease.released == 0, "Mautic may still be writing"

    harness.sync(lease=lease)
    assert lease.released == 1


def test_refused_credentials_are_fatal_and_name_the_settings(harness: MauticHarness) -> None:
    harness.customer("ana@example.com")
    run = harness.run()
    run.mautic = Mautic(HttpClient(harness.simulator.url), "wrong", "wrong")

    with pytest.raises(FatalError, match="MAUTIC_CLIENT_ID"):
        run.mautic.segments()


def test_mautics_database_being_down_stops_the_run_and_loses_nothing(harness: MauticHarness) -> None:
    with_customers(harness)
    harness.simulator.switch(database_down=True)

    assert harness.sync(options=SMALL).stopped is not None
    harness.simulator.switch(database_down=False)

    until_agreement(harness)


def test_a_hook_that_mautic_kills_makes_our_call_fail_half_way_and_nothing_is_doubled(harness: MauticHarness) -> None:
    with_customers(harness)
    harness.simulator.faults.add(MauticFault("batch/edit", "500_after_partial", times=3, after_items=1))
    harness.sync(options=SMALL)
    change_customers(harness)

    harness.sync(options=SMALL)

    until_agreement(harness)


# --- killed at every step -----------------------------------------------------------------------------------


class KilledDatabase(Database):
    """A Database whose statements are steps."""

    def __init__(self, url: str, killer: Killer) -> None:
        super().__init__(url)
        self._killer = killer

    def run(self, query: Query, **values: SqlValue) -> list[Row]:
        self._killer(before=True)
        rows = super().run(query, **values)
        self._killer(before=False)
        return rows


def killed_run(harness: MauticHarness, url: str, step: int, *, before: bool) -> bool:
    """One run in a process of its own; True where it was killed, False where it came to its end first."""
    child = os.fork()
    if child == 0:
        killer = Killer(step, before=before)
        http = KilledHttp(harness.simulator.url)
        http.killer = killer
        run = harness.run(options=SMALL, db=KilledDatabase(url, killer))
        run.mautic = Mautic(http, *CLIENT)
        try:
            sync_contacts(run)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("second_round", [False, True], ids=["first round", "second round"])
def test_a_run_killed_at_any_step_and_run_again_ends_in_agreement(
    harness: MauticHarness, database_url: str, before: bool, second_round: bool
) -> None:
    """The kills follow each other: each run starts from what the one killed before has left behind."""
    with_customers(harness)
    if second_round:
        harness.sync(options=SMALL)
        change_customers(harness)

    step, kills = 1, 0
    while killed_run(harness, database_url, step, before=before):
        kills += 1
        step += 1
        assert step < 200, "a run must come to an end"

    assert kills > 3
    until_agreement(harness)


def steps() -> Iterator[int]:
    """The kill points of one run that starts from nothing."""
    yield from range(1, 34, 2)


@pytest.mark.parametrize("step", steps())
def test_one_kill_and_one_run_are_enough(harness: MauticHarness, database_url: str, step: int) -> None:
    with_customers(harness)

    killed_run(harness, database_url, step, before=False)
    harness.now += timedelta(hours=25)
    harness.sync(options=SMALL)

    assert harness.disagreements() == []


# --- two at once --------------------------------------------------------------------------------------------


def test_a_second_run_at_the_same_time_steps_aside(harness: MauticHarness, coordination_table: str) -> None:
    harness.customer("ana@example.com")
    first, second = (Lease(coordination_table, "two-runs", seconds=60) for _ in range(2))
    assert first.acquire()

    report = harness.sync(lease=second)

    assert report.stepped_aside
    assert harness.simulator.requests == []
    first.release()
    assert harness.sync(lease=second).created == 1


def test_a_run_that_lost_its_lease_writes_nothing_more(harness: MauticHarness, coordination_table: str) -> None:
    for number in range(8):
        harness.customer(f"c{number}@example.com")
    lease = Lease(coordination_table, "lost", seconds=0.05)
    usurper = Lease(coordination_table, "lost", seconds=60)
    run = harness.run(options=SyncOptions(batch_size=4, pause_seconds=0.1), lease=lease)

    def another_takes_over(seconds: float) -> None:
        time.sleep(seconds)
        assert usurper.acquire()

    run.sleep = another_takes_over
    report = sync_contacts(run)

    assert report.created == 4
    assert report.stopped is not None
    assert len(harness.simulator.contacts) == 4


def test_the_lease_of_a_killed_holder_runs_out(coordination_table: str) -> None:
    killed, successor = (
        Lease(coordination_table, "killed", seconds=2),
        Lease(coordination_table, "killed", seconds=60),
    )
    assert killed.acquire()
    assert not successor.acquire()

    time.sleep(2.1)

    assert successor.acquire()
    with pytest.raises(LeaseLost):
        killed.renew()
    killed.release()
    successor.renew()


def test_an_unreachable_lease_table_is_a_transient_error(
    monkeypatch: pytest.MonkeyPatch, coordination_table: str
) -> None:
    with pytest.raises(TransientError):
        Lease(f"{coordination_table}-missing", "mautic", seconds=1).acquire()
