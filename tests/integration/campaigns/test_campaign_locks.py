"""An open transaction of somebody else holds up no campaign but its own, and loses no count."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from uuid import UUID

import pytest

from crm_relay.campaigns.lifecycle.funnels import show_campaign
from crm_relay.campaigns.watch.fold_totals import fold_totals
from crm_relay.campaigns.watch.watch_locks import watch_locks
from crm_relay.integrity.rebuild_totals import rebuild_totals
from crm_relay.platform.database import Database, Queryable
from crm_relay.platform.sql import SqlValue
from tests.support.campaigns.campaign_harness import CampaignHarness, email
from tests.support.platform.rows import one, parse, rows_of

Hold = Callable[..., AbstractContextManager[None]]


@pytest.fixture
def hold(database_url: str) -> Hold:
    """Runs a statement on a connection of its own, and keeps its transaction open."""

    @contextmanager
    def open_transaction(sql: str, **values: SqlValue) -> Iterator[None]:
        held, release = threading.Event(), threading.Event()
        other = Database(database_url)

        def work(tx: Queryable) -> None:
            tx.run(parse(sql), **values)
            held.set()
            release.wait(60)

        holder = threading.Thread(target=other.transact, args=(work,))
        holder.start()
        try:
            assert held.wait(10)
            yield
        finally:
            release.set()
            holder.join()
            other.close()

    return open_transaction


def two_organizations(campaigns: CampaignHarness) -> tuple[UUID, UUID, UUID]:
    """A campaign in each, with three people; and the first one's step."""
    mine = campaigns.campaign(name="Mine")
    first_step = campaigns.add_step(mine, email())
    other = campaigns.campaign(email(), org=campaigns.organization(), name="Theirs")
    for campaign in (mine, other):
        campaigns.enroll_many(campaign, 3)
    # Nobody waits for long in a test that fails.
    rows_of(
        campaigns.db,
        f"alter database {one(campaigns.db, 'select current_database() as d')['d']} set lock_timeout = '3s'",
    )
    campaigns.db.close()
    return mine, other, first_step


def added_totals(campaigns: CampaignHarness, campaign: UUID) -> tuple[int, ...]:
    """As they are in the campaign's own row."""
    row = one(
        campaigns.db, "select total_active, total_completed, total_sent from campaigns where id = :id", id=campaign
    )
    return tuple(row.values())


def subjects(campaigns: CampaignHarness) -> list[str]:
    rows = rows_of(campaigns.db, "select subject from incidents where kind = 'campaign_locked' and closed_at is null")
    return [row["subject"] for row in rows]


def test_an_edit_that_is_not_committed_stops_no_organization_and_not_even_its_own_campaign(
    campaigns: CampaignHarness, hold: Hold
) -> None:
    mine, other, _ = two_organizations(campaigns)
    with hold("update campaigns set description = 'edited' where id = :id", id=mine):
        assert campaigns.tick().acts["email"] == 6
        assert campaigns.totals(other) == (0, 3, 3)
        # Not added yet, and yet not missing where somebody reads it.
        assert added_totals(campaigns, mine) == (3, 0, 0)
        shown = show_campaign(campaigns.db, mine, campaigns.now).campaign
        assert (shown.total_active, shown.total_completed, shown.total_sent) == (0, 3, 3)
        assert rebuild_totals(campaigns.db, dry_run=True) == []
        assert fold_totals(campaigns.db) == 0
    assert fold_totals(campaigns.db) == 1
    assert (added_totals(campaigns, mine), fold_totals(campaigns.db)) == ((0, 3, 3), 0)


@pytest.mark.parametrize("held", ["campaign", "step", "organization"])
def test_a_campaign_that_is_locked_is_left_out_reported_after_a_while_and_goes_on(
    campaigns: CampaignHarness, hold: Hold, held: str
) -> None:
    mine, other, first_step = two_organizations(campaigns)
    sql, row = {
        "campaign": ("select from campaigns where id = :id for update", mine),
        "step": ("update campaign_sequences set subject = 'Edited' where id = :id", first_step),
        "organization": ("select from organizations where id = :id for update", campaigns.org),
    }[held]
    with hold(sql, id=row):
        report = campaigns.tick()
        assert (report.acts["email"], report.is_finished) == (3, True)
        assert campaigns.totals(other) == (0, 3, 3)
        watch_locks(campaigns.db, campaigns.now)
        assert subjects(campaigns) == []
        campaigns.wait(minutes=11)
        watch_locks(campaigns.db, campaigns.now)
        assert subjects(campaigns) == [str(mine)]
    assert campaigns.tick().acts["email"] == 3
    watch_locks(campaigns.db, campaigns.now)
    assert subjects(campaigns) == []


def test_totals_that_wait_for_long_are_reported_though_the_campaign_goes_on(
    campaigns: CampaignHarness, hold: Hold
) -> None:
    mine, _, _ = two_organizations(campaigns)
    with hold("update campaigns set description = 'edited' where id = :id", id=mine):
        campaigns.tick()
        rows_of(campaigns.db, "update campaign_total_changes set changed_at = changed_at - interval '11 minutes'")
        watch_locks(campaigns.db, campaigns.now)
        assert subjects(campaigns) == [str(mine)]
    fold_totals(campaigns.db)
    watch_locks(campaigns.db, campaigns.now)
    assert subjects(campaigns) == []


def test_changes_of_totals_are_added_once_however_many_add_them(campaigns: CampaignHarness, hold: Hold) -> None:
    mine, _, _ = two_organizations(campaigns)
    with hold("update campaigns set description = 'edited' where id = :id", id=mine):
        for _ in range(5):
            campaigns.enroll(mine, due=campaigns.now + timedelta(days=1))
    threads = [threading.Thread(target=fold_totals, args=(Database(campaigns.url),)) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    fold_totals(campaigns.db)
    assert added_totals(campaigns, mine) == (8, 0, 0)


def test_a_campaign_that_is_deleted_leaves_no_changes_behind(campaigns: CampaignHarness, hold: Hold) -> None:
    mine, _, _ = two_organizations(campaigns)
    with hold("update campaigns set description = 'edited' where id = :id", id=mine):
        campaigns.enroll(mine, due=campaigns.now + timedelta(days=1))
    rows_of(campaigns.db, "delete from campaigns where id = :id", id=mine)
    assert fold_totals(campaigns.db) == 0
    assert rows_of(campaigns.db, "select * from campaign_total_changes") == []


def test_a_campaign_whose_totals_the_database_refuses_keeps_no_other_from_being_counted(
    campaigns: CampaignHarness, hold: Hold
) -> None:
    mine, other, _ = two_organizations(campaigns)
    with hold("update campaigns set description = 'edited' where id = any (:ids)", ids=[mine, other]):
        campaigns.tick()
    campaigns.db.run_script(
        f"alter table campaigns add constraint refused check (id <> '{mine}' or total_sent = 0) not valid"
    )
    assert fold_totals(campaigns.db) == 1
    assert (added_totals(campaigns, mine), campaigns.totals(other)) == ((3, 0, 0), (0, 3, 3))
    campaigns.db.run_script("alter table campaigns drop constraint refused")
    assert fold_totals(campaigns.db) == 1
    assert added_totals(campaigns, mine) == (0, 3, 3)
