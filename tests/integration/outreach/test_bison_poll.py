"""The poll of sender accounts: everything, once, whatever moves underneath; and what it tells."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database, Row
from crm_relay.platform.sql import Query, SqlValue
from local.simulators.bison import BisonSimulator, SimulatedAccount, SimulatedWorkspace
from tests.support.outreach.bison_poll_harness import PollHarness
from tests.support.platform.rows import rows_of


@pytest.fixture
def harness(database: Database) -> Iterator[PollHarness]:
    with BisonSimulator() as simulator:
        yield PollHarness(database, simulator)


@pytest.fixture
def northwind(harness: PollHarness) -> SimulatedWorkspace:
    workspace = harness.sim.workspace("Northwind")
    harness.plant(workspace)
    harness.sim.add_accounts(workspace, 40)
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


def test_all_4000_accounts_of_24_workspaces_are_there_and_none_twice(harness: PollHarness) -> None:
    workspaces = [harness.sim.workspace(f"Workspace {number:02}") for number in range(24)]
    harness.plant(*workspaces)
    for number, workspace in enumerate(workspaces):
        harness.sim.add_accounts(workspace, 167 if number < 16 else 166, provider_tag="Outlook", reseller_tag="Zapmail")
    harness.sim.forget_requests()
    polled = harness.round(*workspaces).run()
    assert [each.is_complete for each in polled] == [True] * 24
    assert len(harness.known()) == 4000
    assert {row["email_provider"] for row in harness.known().values()} == {"Outlook"}
    assert {row["reseller"] for row in harness.known().values()} == {"Zapmail"}
    # 167 accounts are 12 pages of 15.
    assert harness.sim.requests["GET /api/sender-emails"] == 24 * 12


def test_a_poll_costs_one_statement_a_page_and_six_besides(harness: PollHarness, northwind: SimulatedWorkspace) -> None:
    for more in (0, 60):
        harness.sim.add_accounts(northwind, more)
        counting = DyingAfter(harness.db, 1000)
        pages = harness.poll(northwind, db=counting).pages
        assert 1000 - counting.left == pages + 6


def test_figures_and_the_reply_rate_follow(harness: PollHarness, northwind: SimulatedWorkspace) -> None:
    account = harness.sim.accounts_of(northwind)[0]
    sendings = [harness.sim.send_email(account) for _ in range(8)]
    harness.sim.reply(sendings[0], "yes")
    harness.poll(northwind)
    row = harness.known()[account.id]
    assert (row["emails_sent_count"], row["total_replied_count"]) == (8, 1)
    assert float(row["reply_rate_percentage"]) == 12.5


def test_a_poll_that_dies_at_any_statement_is_continued_and_misses_nothing(
    harness: PollHarness, northwind: SimulatedWorkspace
) -> None:
    for statements in range(9):
        rows_of(harness.db, "delete from sender_emails_cache")
        rows_of(harness.db, "delete from bison_polls")
        with pytest.raises(Cut):
            harness.poll(northwind, db=DyingAfter(harness.db, statements))
        harness.sim.forget_requests()
        assert harness.poll(northwind).is_complete
        assert set(harness.known()) == harness.there(northwind)
        # What was kept is not read again: three pages, less those that stand.
        assert harness.sim.requests["GET /api/sender-emails"] <= 3


def test_a_reading_that_was_cut_off_long_ago_is_begun_anew(harness: PollHarness, northwind: SimulatedWorkspace) -> None:
    with pytest.raises(Cut):
        harness.poll(northwind, db=DyingAfter(harness.db, 4))
    harness.now += timedelta(hours=1)
    harness.sim.forget_requests()
    harness.poll(northwind)
    assert harness.sim.requests["GET /api/sender-emails"] == 3


def test_with_the_time_up_the_next_run_goes_on(harness: PollHarness, northwind: SimulatedWorkspace) -> None:
    short = harness.round(northwind, deadline=Deadline.after(1)).run()
    assert [each.is_complete for each in short] == [False]
    assert harness.round(northwind).run()[0].is_complete
    assert set(harness.known()) == harness.there(northwind)


@pytest.mark.parametrize("page", [2, 3])
def test_an_account_that_goes_while_pages_are_read_hides_no_other(
    harness: PollHarness, northwind: SimulatedWorkspace, page: int
) -> None:
    def delete_the_first(number: int) -> None:
        if number == page:
            harness.sim.before_page(None)
            harness.sim.delete_account(harness.sim.accounts_of(northwind)[0])

    harness.sim.before_page(delete_the_first)
    harness.poll(northwind)
    harness.poll(northwind)
    assert set(harness.known()) == harness.there(northwind)


def test_one_comes_and_one_goes_between_two_pages_and_all_are_there_in_the_end(
    harness: PollHarness, northwind: SimulatedWorkspace
) -> None:
    def swap(number: int) -> None:
        if number == 2:
            harness.sim.before_page(None)
            harness.sim.delete_account(harness.sim.accounts_of(northwind)[0])
            harness.sim.add_account(northwind)

    harness.poll(northwind)
    harness.sim.before_page(swap)
    harness.poll(northwind)
    assert set(harness.known()) > harness.there(northwind)
    harness.poll(northwind)
    assert set(harness.known()) == harness.there(northwind)


def test_accounts_that_keep_moving_do_not_keep_the_poll_for_ever(
    harness: PollHarness, northwind: SimulatedWorkspace
) -> None:
    def add(_number: int) -> None:
        harness.sim.add_account(northwind)

    harness.sim.before_page(add)
    done = harness.poll(northwind)
    harness.sim.before_page(None)
    assert done.is_complete
    assert done.pages <= 3 * 6
    harness.poll(northwind)
    assert set(harness.known()) == harness.there(northwind)


def test_an_account_that_moves_to_another_workspace_stays_one(
    harness: PollHarness, northwind: SimulatedWorkspace
) -> None:
    contoso = harness.sim.workspace("Contoso")
    harness.plant(contoso)
    harness.round(northwind, contoso).run()
    moved = harness.sim.accounts_of(northwind)[7]
    harness.sim.move_account(moved, contoso)
    harness.round(northwind, contoso).run()
    assert harness.known()[moved.id]["workspace_name"] == "Contoso"
    assert len(harness.known()) == 40


def test_an_account_that_is_gone_is_marked_and_counts_no_more(
    harness: PollHarness, northwind: SimulatedWorkspace
) -> None:
    harness.poll(northwind)
    gone = harness.sim.accounts_of(northwind)[3]
    harness.sim.delete_account(gone)
    assert harness.poll(northwind).removed == 1
    assert gone.id not in harness.known()
    (row,) = rows_of(harness.db, "select * from aggregate_provider_stats()")
    assert row["total_accounts"] == 39


def test_too_many_requests_are_waited_for_as_long_as_asked(harness: PollHarness, northwind: SimulatedWorkspace) -> None:
    def a_new_window() -> None:
        harness.sim.too_many(calls=1, retry_after=7)

    a_new_window()
    harness.after_pause = a_new_window
    assert harness.poll(northwind).is_complete
    harness.sim.too_many()
    assert set(harness.known()) == harness.there(northwind)
    # One request a window, and 40 accounts are three pages.
    assert harness.paused == [7.0, 7.0]


def test_what_fails_in_one_workspace_leaves_the_others_alone(
    harness: PollHarness, northwind: SimulatedWorkspace
) -> None:
    contoso = harness.sim.workspace("Contoso")
    harness.plant(contoso)
    harness.sim.add_accounts(contoso, 3)
    harness.sim.revoke(northwind.token)
    work = harness.round(northwind, contoso)
    work.run()
    assert work.failed == {"Northwind": "fatal"}
    assert set(harness.known()) == harness.there(contoso)
    assert [row["subject"] for row in harness.incidents("bison_access")] == ["Northwind"]


def test_tags_that_are_wiped_by_a_reconnect_leave_the_provider_known(
    harness: PollHarness, northwind: SimulatedWorkspace
) -> None:
    account = harness.sim.accounts_of(northwind)[0]
    harness.poll(northwind)
    harness.sim.disconnect(account)
    harness.sim.reconnect(account)
    harness.poll(northwind)
    row = harness.known()[account.id]
    assert (row["email_provider"], row["reseller"], row["status"]) == ("Gmail", "Zapmail", "Connected")


def disconnected(harness: PollHarness, account: SimulatedAccount) -> str:
    return str(harness.known()[account.id]["status"])


def test_a_disconnected_account_is_one_incident_until_it_is_back(
    harness: PollHarness, northwind: SimulatedWorkspace
) -> None:
    account = harness.sim.accounts_of(northwind)[0]
    harness.sim.disconnect(account)
    for _ in range(3):
        harness.poll(northwind)
    assert disconnected(harness, account) == "Disconnected"
    (incident,) = harness.incidents("account_disconnected")
    assert str(account.id) in incident["subject"]
    harness.sim.reconnect(account)
    harness.poll(northwind)
    assert harness.incidents("account_disconnected") == []


def test_what_a_webhook_said_is_looked_at_again_before_anybody_is_told(
    harness: PollHarness, northwind: SimulatedWorkspace
) -> None:
    harness.poll(northwind)
    account = harness.sim.accounts_of(northwind)[0]
    rows_of(
        harness.db,
        """update sender_emails_cache set status = 'Disconnected', status_at = :now, recheck_since = :now
           where sender_email_id = :id""",
        now=harness.now,
        id=account.id,
    )
    harness.now += timedelta(minutes=1)
    harness.poll(northwind)
    assert disconnected(harness, account) == "Connected"
    assert rows_of(harness.db, "select * from incidents") == []


def test_a_page_that_was_asked_for_before_a_webhook_came_does_not_undo_it(
    harness: PollHarness, northwind: SimulatedWorkspace
) -> None:
    harness.poll(northwind)
    account = harness.sim.accounts_of(northwind)[0]
    later = harness.now + timedelta(hours=1)
    rows_of(
        harness.db,
        """update sender_emails_cache set status = 'Disconnected', status_at = :later, recheck_since = :later
           where sender_email_id = :id""",
        later=later,
        id=account.id,
    )
    harness.poll(northwind)
    assert disconnected(harness, account) == "Disconnected"
