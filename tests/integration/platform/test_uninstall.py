"""An installation that is taken out leaves the catalogue as it was before, and never takes what is somebody's."""

import tomllib
from collections.abc import Iterator

import pytest

from cli.uninstall.remove import Uninstalled, uninstall
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.migrations import migrate, read_migrations
from crm_relay.platform.postgres.catalogue import Catalogue, read_catalogue
from tests.support.platform.rows import rows_of
from tests.support.source_tree import ROOT

ALL = read_migrations(ROOT / "migrations")
CRM_TABLES = tomllib.loads((ROOT / "schema" / "owners.toml").read_text())["crm"]["tables"]
THEIRS = """
    create table customer_profiles (
        id uuid primary key default gen_random_uuid(), first_name text, last_name text, canonical_full_name text,
        date_of_birth date, marketing_opt_in boolean, do_not_contact boolean, lead_score integer,
        rfm_recency integer, rfm_frequency integer, rfm_monetary integer, last_scored_at timestamptz,
        created_at timestamptz default now(), updated_at timestamptz default now(), shoe_size integer default 38
    );
    create table prospects (id uuid primary key, name text, contact_email text, updated_at timestamptz);
    create table shoes (id int primary key, owner uuid references customer_profiles (id));
    create index shoes_of on shoes (owner);
    create view customers_crm_v as select id, first_name, shoe_size from customer_profiles;
    create view on_top as select shoe_size from customers_crm_v;
    create function their_stamp() returns trigger language plpgsql as $$ begin return new; end $$;
    create trigger their_trigger before update on customer_profiles for each row execute function their_stamp();
    grant select on customer_profiles to anon;
    insert into customer_profiles (first_name) values ('Ada');
    insert into shoes select 1, id from customer_profiles
"""


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Database]:
    database = Database(empty_database_url, timeout=60)
    yield database
    database.close()


@pytest.fixture
def made(database: Database) -> Catalogue:
    """What the migrations make of an empty database."""
    return read_catalogue(database)


def remove(database: Database, made: Catalogue, *, with_data: bool = True, dry_run: bool = False) -> Uninstalled:
    return uninstall(database, made, CRM_TABLES, with_data=with_data, dry_run=dry_run)


def test_a_database_that_was_empty_is_empty_again(empty: Database, made: Catalogue) -> None:
    before = read_catalogue(empty)
    migrate(empty, ALL)
    remove(empty, made)
    assert read_catalogue(empty) == before


def test_somebodys_own_crm_is_as_it_was(empty: Database, made: Catalogue) -> None:
    empty.run_script(THEIRS)
    before = read_catalogue(empty)
    migrate(empty, ALL)
    done = remove(empty, made)
    assert read_catalogue(empty) == before
    assert not {"customer_profiles", "prospects", "shoes"} & set(done.tables)
    assert rows_of(empty, "select first_name, shoe_size from customer_profiles") == [
        {"first_name": "Ada", "shoe_size": 38}
    ]
    assert rows_of(empty, "select shoe_size from on_top") == [{"shoe_size": 38}]


def test_a_dry_run_changes_nothing(empty: Database, made: Catalogue) -> None:
    migrate(empty, ALL)
    before = read_catalogue(empty)
    foreseen = remove(empty, made, dry_run=True)
    assert (read_catalogue(empty), migrate(empty, ALL)) == (before, [])
    assert remove(empty, made) == foreseen


def test_what_somebody_built_on_our_objects_stops_it_by_name(empty: Database, made: Catalogue) -> None:
    migrate(empty, ALL)
    empty.run_script("create view their_report as select address from consent_events")
    before = read_catalogue(empty)
    with pytest.raises(RejectedInput) as refused:
        remove(empty, made)
    assert refused.value.details == ("view their_report",)
    assert read_catalogue(empty) == before


def test_what_somebody_built_in_another_schema_stops_it_by_name(empty: Database, made: Catalogue) -> None:
    migrate(empty, ALL)
    empty.run_script(
        "create schema reporting;"
        " create table reporting.costs (id int primary key, send uuid references email_sends (id));"
        " create view reporting.mails as select address, subject from email_sends"
    )
    before = read_catalogue(empty)
    with pytest.raises(RejectedInput) as refused:
        remove(empty, made)
    assert {"constraint costs_send_fkey of reporting.costs", "view reporting.mails"} <= set(refused.value.details)
    assert rows_of(empty, "select to_regclass('reporting.mails') is not null as found") == [{"found": True}]
    assert read_catalogue(empty) == before


@pytest.mark.parametrize("table", ["public.notes", "notes.of_colleagues"])
def test_what_the_role_of_the_functions_owns_stops_it_by_name(empty: Database, made: Catalogue, table: str) -> None:
    migrate(empty, ALL)
    empty.run_script("create schema notes")
    empty.run_script(f"create table {table} (text text); insert into {table} values ('ours')")
    empty.run_script(f"alter table {table} owner to crm_relay")
    with pytest.raises(RejectedInput) as refused:
        remove(empty, made)
    assert f"table {table.removeprefix('public.')}" in refused.value.details
    assert rows_of(empty, f"select text from {table}") == [{"text": "ours"}]


def test_without_the_data_nothing_runs_any_more_and_every_row_stays(empty: Database, made: Catalogue) -> None:
    migrate(empty, ALL)
    whole = read_catalogue(empty)
    empty.run_script("insert into customer_profiles (first_name) values ('Ada')")
    done = remove(empty, made, with_data=False)
    assert not [key for key in read_catalogue(empty) if key[0] == "trigger"]
    assert done.tables == []
    assert rows_of(empty, "select first_name from customer_profiles") == [{"first_name": "Ada"}]
    assert len(migrate(empty, ALL)) == len(ALL)
    assert read_catalogue(empty) == whole


def test_where_nobody_remembered_tables_of_the_crm_stay_with_their_columns(empty: Database, made: Catalogue) -> None:
    empty.run_script(
        "create table prospects (id uuid primary key, name text, contact_email text, updated_at timestamptz, size int)"
    )
    migrate(empty, ALL)
    empty.run_script("drop table supabase_migrations.catalogue_before")
    columns = {key for key in read_catalogue(empty) if key[:2] == ("column", "prospects")}
    done = remove(empty, made)
    assert (done.is_remembered, "prospects" in done.tables, "consent_events" in done.tables) == (False, False, True)
    after = read_catalogue(empty)
    assert columns <= after.keys()
    assert not [key for key in after if key[0] in {"trigger", "function", "policy"}]


def test_a_database_without_an_installation_is_refused(empty: Database, made: Catalogue) -> None:
    empty.run_script(
        "create schema supabase_migrations; create table supabase_migrations.schema_migrations (version text)"
    )
    with pytest.raises(RejectedInput, match="no installation"):
        remove(empty, made)
