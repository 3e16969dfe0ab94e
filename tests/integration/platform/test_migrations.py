"""Migrations on the databases that they will meet: new, half-applied, somebody else's, and twice."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_relay.platform.database import Database, Row
from crm_relay.platform.errors import FatalError
from crm_relay.platform.migrations import Migration, migrate, read_migrations
from crm_relay.platform.sql import Query

FOLDER = Path(__file__).parents[3] / "migrations"
ALL = read_migrations(FOLDER)
FIRST = Migration("20990101000001", "first", "create table first_table (id int);")
SECOND = Migration("20990101000002", "second", "create table second_table (id int);")
CONCURRENT = Migration("20990101000003", "index", "create index concurrently first_index on first_table (id);")


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Database]:
    """An open Database without a single table."""
    database = Database(empty_database_url, timeout=60)
    yield database
    database.close()


def ask(database: Database, text: str) -> list[Row]:
    return database.run(Query.parse("test", "asks the database in a test", text))


def schema_of(database: Database) -> list[Row]:
    """Everything that a migration can make: columns, indexes, policies, triggers, functions, rights."""
    return ask(
        database,
        """select 'column' as what,
               table_name || '.' || column_name || data_type || coalesce(column_default, '') as name
           from information_schema.columns where table_schema = 'public'
           union all select 'index', indexdef from pg_indexes where schemaname = 'public'
           union all select 'policy', tablename || policyname || coalesce(qual, '') from pg_policies
           union all select 'trigger', tgrelid::regclass || tgname from pg_trigger where not tgisinternal
           union all select 'function', pg_get_functiondef(oid) from pg_proc where pronamespace = 'public'::regnamespace
           union all select 'right', relname || entry::text from pg_class, unnest(relacl) as entry
               where relnamespace = 'public'::regnamespace
           order by 1, 2""",
    )


def tables(database: Database) -> set[str]:
    return {row["tablename"] for row in ask(database, "select tablename from pg_tables where schemaname = 'public'")}


def test_a_second_run_finds_nothing_to_do(empty: Database) -> None:
    assert len(migrate(empty, ALL)) == len(ALL)
    assert migrate(empty, ALL) == []


def test_every_file_may_be_applied_twice_without_changing_anything(empty: Database, database: Database) -> None:
    """Each right after itself: a later file may have given a view more columns than an earlier one would make."""
    for migration in ALL:
        once = migration.sql if migration.runs_outside_transaction else f"begin; {migration.sql}\n; commit"
        empty.run_script(once)
        if migration.name == "customers":
            empty.run_script("insert into customer_profiles (first_name) values ('Ada')")
        before = schema_of(empty)
        empty.run_script(once)
        assert schema_of(empty) == before, migration.name

    assert schema_of(empty) == schema_of(database)
    assert ask(empty, "select count(*) as n from customer_profiles")[0]["n"] == 1


def test_a_dry_run_names_what_is_missing_and_changes_nothing(empty: Database) -> None:
    assert migrate(empty, [FIRST, SECOND], dry_run=True) == ["20990101000001_first", "20990101000002_second"]
    assert tables(empty) == set()
    assert ask(empty, "select to_regnamespace('supabase_migrations') as it")[0]["it"] is None


def test_an_edited_file_is_refused_and_nothing_else_is_applied(empty: Database) -> None:
    migrate(empty, [FIRST])
    edited = Migration(FIRST.version, FIRST.name, FIRST.sql + " -- once more")

    with pytest.raises(FatalError, match=FIRST.version):
        migrate(empty, [edited, SECOND])

    assert tables(empty) == {"first_table"}


def test_many_runners_at_once_apply_each_file_once_and_none_of_them_fails(empty_database_url: str) -> None:
    slow = Migration(FIRST.version, FIRST.name, f"select pg_sleep(0.3); {FIRST.sql}")
    outcomes: list[list[str]] = []

    def run() -> None:
        database = Database(empty_database_url, timeout=60)
        outcomes.append(migrate(database, [slow, SECOND]))
        database.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(outcomes) == 4
    assert sorted(name for applied in outcomes for name in applied) == ["20990101000001_first", "20990101000002_second"]


def test_a_file_that_fails_in_the_middle_leaves_nothing(empty: Database) -> None:
    broken = Migration(SECOND.version, "broken", "create table broken_table (id int); select 1/0;")

    with pytest.raises(FatalError, match=r"^20990101000002_broken\.sql: database error 22012$"):
        migrate(empty, [FIRST, broken])

    assert tables(empty) == {"first_table"}
    assert migrate(empty, [FIRST, SECOND]) == ["20990101000002_second"]


@pytest.mark.parametrize(
    "table",
    ["contacts", "accounts", "organizations", "campaigns", "customer_profiles", "workspaces", "deals", "emails"],
)
def test_a_table_of_another_shape_is_named_with_the_file_and_the_servers_words(empty: Database, table: str) -> None:
    empty.run_script(
        f"""create table {table} (
                id bigint generated always as identity primary key, email text, name text, created_at timestamptz
            );
            insert into {table} (email) values ('ada@example.com')"""
    )
    with pytest.raises(FatalError) as raised:
        migrate(empty, ALL)
    (line,) = str(raised.value).splitlines()
    file, _, rest = line.partition(".sql: ")
    assert file in {f"{each.version}_{each.name}" for each in ALL}
    assert table in rest
    assert "database error 42" in rest
    assert "ada@example.com" not in line


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("alter table first_table add column a int; alter table first_table add column a int;", "table first_table: "),
        ("-- a; b\nselect ';', $$;$$; create index on first_table (nothing);", "nothing"),
        ("create index an_index on first_table (nothing);", "table first_table: "),
        ("create policy mine on first_table using (nothing);", "table first_table: "),
        ("do $$ begin alter table first_table add column id int; end $$;", "table first_table: "),
        ("drop table missing_table;", "table missing_table: "),
        ("insert into first_table values ('ada@example.com');", "broken.sql: database error 22P02"),
    ],
)
def test_the_statement_that_fails_names_its_table(empty: Database, sql: str, words: str) -> None:
    with pytest.raises(FatalError) as raised:
        migrate(empty, [FIRST, Migration(SECOND.version, "broken", f"set local lock_timeout = '5s'; {sql}")])
    assert words in str(raised.value)
    assert "ada@example.com" not in str(raised.value)


def test_an_index_is_built_concurrently_outside_a_transaction(empty: Database) -> None:
    assert CONCURRENT.runs_outside_transaction
    assert migrate(empty, [FIRST, CONCURRENT]) == ["20990101000001_first", "20990101000003_index"]
    assert migrate(empty, [FIRST, CONCURRENT]) == []
    assert ask(empty, "select to_regclass('first_index') is not null as built")[0]["built"]


def test_files_that_the_supabase_cli_applied_are_adopted(empty: Database) -> None:
    empty.run_script(
        f"""create schema supabase_migrations;
            create table supabase_migrations.schema_migrations (version text primary key, statements text[], name text);
            {FIRST.sql}
            insert into supabase_migrations.schema_migrations values ('{FIRST.version}', '{{}}', '{FIRST.name}')"""
    )

    assert migrate(empty, [FIRST, SECOND]) == ["20990101000002_second"]
    assert migrate(empty, [FIRST, SECOND]) == []


def test_a_name_that_is_not_of_the_form_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0001_tables.sql").touch()
    with pytest.raises(FatalError, match="0001_tables"):
        read_migrations(tmp_path)


def test_no_file_waits_for_a_lock_for_long() -> None:
    for migration in ALL:
        assert migration.runs_outside_transaction or "set local lock_timeout" in migration.sql, migration.name


def test_an_installation_keeps_its_own_tables_data_rights_and_view(empty: Database) -> None:
    empty.run_script(
        """create role installation_reader;
           create table customer_profiles (
               id uuid primary key default gen_random_uuid(), first_name text, last_name text, canonical_full_name text,
               date_of_birth date, marketing_opt_in boolean, do_not_contact boolean, lead_score integer,
               rfm_recency integer, rfm_frequency integer, rfm_monetary integer, last_scored_at timestamptz,
               created_at timestamptz default now(), updated_at timestamptz default now(), shoe_size integer
           );
           grant select on customer_profiles to installation_reader;
           create table prospects (
               id uuid primary key, name text, contact_email text, updated_at timestamptz
           );
           insert into customer_profiles (first_name, shoe_size) values ('Ada', 38);
           insert into prospects values (gen_random_uuid(), 'Example', 'BO@example.com', now());
           create view customers_crm_v as select id, first_name, shoe_size from customer_profiles;
           create view on_top as select shoe_size from customers_crm_v"""
    )
    try:
        migrate(empty, ALL)

        assert ask(empty, "select first_name, shoe_size, org_id = default_org_id() as ours from customer_profiles") == [
            {"first_name": "Ada", "shoe_size": 38, "ours": True}
        ]
        (rights,) = ask(
            empty,
            """select has_table_privilege('installation_reader', 'customer_profiles', 'select') as reader,
                      has_table_privilege('crm_relay', 'customer_profiles', 'insert') as ours,
                      (select relrowsecurity from pg_class where oid = 'customer_profiles'::regclass) as secured""",
        )
        assert rights == {"reader": True, "ours": True, "secured": False}
        assert ask(empty, "select shoe_size from customers_crm_v_before_crm_relay") == [{"shoe_size": 38}]
        assert ask(empty, "select shoe_size from on_top") == [{"shoe_size": 38}]
        assert ask(empty, "select count(*) as n from customers_crm_v where mautic_sync_status = 'pending'")[0]["n"] == 1
        assert ask(empty, "select address, kind from person_addresses") == [
            {"address": "bo@example.com", "kind": "prospect"}
        ]
    finally:
        empty.run_script("drop owned by installation_reader; drop role installation_reader")
