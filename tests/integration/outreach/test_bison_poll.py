"""The poll of sender accounts: everything, once, whatever moves underneath; and what it tells."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database, Row
from crm_relay.platform.sql import Query, SqlValue
from local.simulators.bison import BisonSimulator, SimulatedAccount, SimulatedWorkspace
from tests.support.outreach.bison_poll_world import PollWorld
from tests.support.platform.rows import rows_of


@pytest.fixture
def world(database: Database) -> Iterator[PollWorld]:
    with BisonSimulator() as simulator:
        yield PollWorld(database, simulator)


@pytest.fixture
def northwind(world: PollWorld) -> SimulatedWorkspace:
    workspace = world.sim.workspace("Northwind")
    world.plant(workspace)
    world.sim.add_accounts(workspace, 40)
    return workspace


class Cut(BaseException):
    """The process ends."""


class DyingAfter:
    """A database that the process does not outlive by more than so many statements."""

    def __init__(self, db: Database, statements: int) -> None:
        self._db, self.left = db, statements

    def run(self, query: Query, **values: SqlValue) -> list[Row]:
        if not self.left:
            raise Cut
        self.left -= 1
        return self._db.run(query, **values)


def test_all_4000_accounts_of_24_workspaces_are_there_and_none_twice(world: PollWorld) -> None:
    workspaces = [world.sim.workspace(f"Workspace {number:02}") for number in range(24)]
    world.plant(*workspaces)
    for number, workspace in enumerate(workspaces):
        world.sim.add_accounts(workspace, 167 if number < 16 else 166, provider_tag="Outlook", reseller_tag="Zapmail")
    world.sim.forget_requests()
    polled = world.round(*workspaces).run()
    assert [each.is_complete for each in polled] == [True] * 24
    assert len(world.known()) == 4000
    assert {row["email_provider"] for row in world.known().values()} == {"Outlook"}
    assert {row["reseller"] for row in world.known().values()} == {"Zapmail"}
    # 167 accounts are 12 pages of 15.
    assert world.sim.requests["GET /api/sender-emails"] == 24 * 12


def test_a_poll_costs_one_statement_a_page_and_six_besides(world: PollWorld, northwind: SimulatedWorkspace) -> None:
    for more in (0, 60):
        world.sim.add_accounts(northwind, more)
        counting = DyingAfter(world.db, 1000)
        pages = world.poll(northwind, db=counting).pages
        assert 1000 - counting.left == pages + 6


def test_figures_and_the_reply_rate_follow(world: PollWorld, northwind: SimulatedWorkspace) -> None:
    account = world.sim.accounts_of(northwind)[0]
    sendings = [world.sim.send_email(account) for _ in range(8)]
    world.sim.reply(sendings[0], "yes")
    world.poll(northwind)
    row = world.known()[account.id]
    assert (row["emails_sent_count"], row["total_replied_count"]) == (8, 1)
    assert float(row["reply_rate_percentage"]) == 12.5


def test_a_poll_that_dies_at_any_statement_is_continued_and_misses_nothing(
    world: PollWorld, northwind: SimulatedWorkspace
) -> None:
    for statements in range(9):
        rows_of(world.db, "delete from sender_emails_cache")
        rows_of(world.db, "delete from bison_polls")
        with pytest.raises(Cut):
            world.poll(northwind, db=DyingAfter(world.db, statements))
        world.sim.forget_requests()
        assert world.poll(northwind).is_complete
        assert set(world.known()) == world.there(northwind)
        # What was kept is not read again: three pages, less those that stand.
        assert world.sim.requests["GET /api/sender-emails"] <= 3


def test_a_reading_that_was_cut_off_long_ago_is_begun_anew(world: PollWorld, northwind: SimulatedWorkspace) -> None:
    with pytest.raises(Cut):
        world.poll(northwind, db=DyingAfter(world.db, 4))
    world.now += timedelta(hours=1)
    world.sim.forget_requests()
    world.poll(northwind)
    assert world.sim.requests["GET /api/sender-emails"] == 3


def test_with_the_time_up_the_next_run_goes_on(world: PollWorld, northwind: SimulatedWorkspace) -> None:
    short = world.round(northwind, deadline=Deadline.after(1)).run()
    assert [each.is_complete for each in short] == [False]
    assert world.round(northwind).run()[0].is_complete
    assert set(world.known()) == world.there(northwind)


@pytest.mark.parametrize("page", [2, 3])
def test_an_account_that_goes_while_pages_are_read_hides_no_other(
    world: PollWorld, northwind: SimulatedWorkspace, page: int
) -> None:
    def delete_the_first(number: int) -> None:
        if number == page:
            world.sim.before_page(None)
            world.sim.delete_account(world.sim.accounts_of(northwind)[0])

    world.sim.before_page(delete_the_first)
    world.poll(northwind)
    world.poll(northwind)
    assert set(world.known()) == world.there(northwind)


def test_one_comes_and_one_goes_between_two_pages_and_all_are_there_in_the_end(
    world: PollWorld, northwind: SimulatedWorkspace
) -> None:
    def swap(number: int) -> None:
        if number == 2:
            world.sim.before_page(None)
            world.sim.delete_account(world.sim.accounts_of(northwind)[0])
            world.sim.add_account(northwind)

    world.poll(northwind)
    world.sim.before_page(swap)
    world.poll(northwind)
    assert set(world.known()) > world.there(northwind)
    world.poll(northwind)
    assert set(world.known()) == world.there(northwind)


def test_accounts_that_keep_moving_do_not_keep_the_poll_for_ever(
    world: PollWorld, northwind: SimulatedWorkspace
) -> None:
    def add(_number: int) -> None:
        world.sim.add_account(northwind)

    world.sim.before_page(add)
    done = world.poll(northwind)
    world.sim.before_page(None)
    assert done.is_complete
    assert done.pages <= 3 * 6
    world.poll(northwind)
    assert set(world.known()) == world.there(northwind)


def test_an_account_that_moves_to_another_workspace_stays_one(world: PollWorld, northwind: SimulatedWorkspace) -> None:
    contoso = world.sim.workspace("Contoso")
    world.plant(contoso)
    world.round(northwind, contoso).run()
    moved = world.sim.accounts_of(northwind)[7]
    world.sim.move_account(moved, contoso)
    world.round(northwind, contoso).run()
    assert world.known()[moved.id]["workspace_name"] == "Contoso"
    assert len(world.known()) == 40


def test_an_account_that_is_gone_is_marked_and_counts_no_more(world: PollWorld, northwind: SimulatedWorkspace) -> None:
    world.poll(northwind)
    gone = world.sim.accounts_of(northwind)[3]
    world.sim.delete_account(gone)
    assert world.poll(northwind).removed == 1
    assert gone.id not in world.known()
    (row,) = rows_of(world.db, "select * from aggregate_provider_stats()")
    assert row["total_accounts"] == 39


def test_too_many_requests_are_waited_for_as_long_as_asked(world: PollWorld, northwind: SimulatedWorkspace) -> None:
    def a_new_window() -> None:
        world.sim.too_many(calls=1, retry_after=7)

    a_new_window()
    world.after_pause = a_new_window
    assert world.poll(northwind).is_complete
    world.sim.too_many()
    assert set(world.known()) == world.there(northwind)
    # One request a window, and 40 accounts are three pages.
    assert world.paused == [7.0, 7.0]


def test_what_fails_in_one_workspace_leaves_the_others_alone(world: PollWorld, northwind: SimulatedWorkspace) -> None:
    contoso = world.sim.workspace("Contoso")
    world.plant(contoso)
    world.sim.add_accounts(contoso, 3)
    world.sim.revoke(northwind.token)
    work = world.round(northwind, contoso)
    work.run()
    assert work.failed == {"Northwind": "fatal"}
    assert set(world.known()) == world.there(contoso)
    assert [row["subject"] for row in world.incidents("bison_access")] == ["Northwind"]


def test_tags_that_are_wiped_by_a_reconnect_leave_the_provider_known(
    world: PollWorld, northwind: SimulatedWorkspace
) -> None:
    account = world.sim.accounts_of(northwind)[0]
    world.poll(northwind)
    world.sim.disconnect(account)
    world.sim.reconnect(account)
    world.poll(northwind)
    row = world.known()[account.id]
    assert (row["email_provider"], row["reseller"], row["status"]) == ("Gmail", "Zapmail", "Connected")


def disconnected(world: PollWorld, account: SimulatedAccount) -> str:
    return str(world.known()[account.id]["status"])


def test_a_disconnected_account_is_one_incident_until_it_is_back(
    world: PollWorld, northwind: SimulatedWorkspace
) -> None:
    account = world.sim.accounts_of(northwind)[0]
    world.sim.disconnect(account)
    for _ in range(3):
        world.poll(northwind)
    assert disconnected(world, account) == "Disconnected"
    (incident,) = world.incidents("account_disconnected")
    assert str(account.id) in incident["subject"]
    world.sim.reconnect(account)
    world.poll(northwind)
    assert world.incidents("account_disconnected") == []


def test_what_a_webhook_said_is_looked_at_again_before_anybody_is_told(
    world: PollWorld, northwind: SimulatedWorkspace
) -> None:
    world.poll(northwind)
    account = world.sim.accounts_of(northwind)[0]
    rows_of(
        world.db,
        """update sender_emails_cache set status = 'Disconnected', status_at = :now, recheck_since = :now
           where sender_email_id = :id""",
        now=world.now,
        id=account.id,
    )
    world.now += timedelta(minutes=1)
    world.poll(northwind)
    assert disconnected(world, account) == "Connected"
    assert rows_of(world.db, "select * from incidents") == []


def test_a_page_that_was_asked_for_before_a_webhook_came_does_not_undo_it(
    world: PollWorld, northwind: SimulatedWorkspace
) -> None:
    world.poll(northwind)
    account = world.sim.accounts_of(northwind)[0]
    later = world.now + timedelta(hours=1)
    rows_of(
        world.db,
        """update sender_emails_cache set status = 'Disconnected', status_at = :later, recheck_since = :later
           where sender_email_id = :id""",
        later=later,
        id=account.id,
    )
    world.poll(northwind)
    assert disconnected(world, account) == "Disconnected"
