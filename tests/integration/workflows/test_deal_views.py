"""Deals under the names of the documents: the same rows, for the same readers."""

from collections.abc import Iterator

import pytest

from crm_relay.platform.database import Database
from crm_relay.platform.migrations import migrate, read_migrations
from tests.support.notifications.readers import People, as_reader, plant_people
from tests.support.platform.rows import one, rows_of
from tests.support.source_tree import ROOT

OWN_SHAPE = """
create table organizations (id uuid primary key, name text not null, created_at timestamptz default now());
create table deals (id uuid primary key, org_id uuid, name text, company_id uuid, deleted_at timestamptz);
create table deal_stages_history (id uuid primary key, deal_id uuid, stage text, changed_at timestamptz);
insert into deals (id, name) values ('00000000-0000-4000-8000-000000000001', 'Kept');
"""


@pytest.fixture
def applications_own(empty_database_url: str) -> Iterator[Database]:
    database = Database(empty_database_url, timeout=60)
    database.run_script(OWN_SHAPE)
    yield database
    database.close()


def plant_deal(database: Database, people: People) -> None:
    """A deal of the organization of Ada, with one move between stages."""
    org = one(database, "select org_id from user_profiles where id = :id", id=people.ada)["org_id"]
    account = one(database, "insert into accounts (org_id, name) values (:org, 'Acme') returning id", org=org)["id"]
    deal = one(
        database,
        "insert into deals (org_id, account_id, name) values (:org, :account, 'Big') returning id",
        org=org,
        account=account,
    )["id"]
    one(
        database,
        """insert into deal_stages_history (org_id, deal_id, to_stage_id, to_probability, days_in_stage)
           values (:org, :deal, gen_random_uuid(), 80, 3) returning id""",
        org=org,
        deal=deal,
    )


def test_an_account_is_the_company_of_its_deals(database: Database) -> None:
    plant_deal(database, plant_people(database))

    deal = one(database, "select name, account_id, company_id from deals_with_company")

    assert deal["name"] == "Big"
    assert deal["company_id"] == deal["account_id"]


def test_a_move_between_stages_reads_as_a_change_of_an_entity(database: Database) -> None:
    plant_deal(database, plant_people(database))

    change = one(database, "select * from deal_stages_history_legacy")
    stored = one(database, "select * from deal_stages_history")

    assert (change["entity_type"], change["entity_id"]) == ("deal", stored["deal_id"])
    assert (change["change_type"], change["field_name"]) == ("stage_change", "stage_id")
    assert (change["old_value"], change["new_value"]) == (None, str(stored["to_stage_id"]))
    assert change["metadata"] == {"from_probability": None, "to_probability": 80, "days_in_stage": 3, "notes": None}


@pytest.mark.parametrize("view", ["deals_with_company", "deal_stages_history_legacy"])
def test_a_reader_of_another_organization_sees_nothing(database: Database, view: str) -> None:
    people = plant_people(database)
    plant_deal(database, people)

    assert len(as_reader(database, people.ada, f"select * from {view}")) == 1
    assert as_reader(database, people.stranger, f"select * from {view}") == []


def test_tables_of_another_shape_stay_as_they_are(applications_own: Database) -> None:
    migrate(applications_own, read_migrations(ROOT / "migrations"))

    assert rows_of(applications_own, "select name from deals") == [{"name": "Kept"}]
