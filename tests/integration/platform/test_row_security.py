"""Who may see and write what, in every table and view of the schema, also those that are yet to come.

The settings `app.user_id` and `app.org_id` are believed like the JWT claims: who can run SET can forge both. So neither
`anon` nor `authenticated` may log in; they are reached through PostgREST alone, which lets nobody run SET.
"""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest

from crm_relay.consent.models import ConsentEvent, ConsentKind
from crm_relay.consent.record import RecordedEvents, record_events
from crm_relay.platform.database import Database, Row, Transaction
from crm_relay.platform.errors import FatalError
from crm_relay.platform.sql import Query, SqlValue
from tests.support.platform.filled_schema import EVERYWHERE, fill_every_table

STRANGER = UUID("22222222-2222-4222-8222-222222222222")
STRANGERS_ORG = UUID("33333333-3333-4333-8333-333333333333")

BY_CLAIMS = "select set_config('request.jwt.claims', json_build_object('sub', cast(:user as text))::text, true)"
BY_SETTINGS = """select set_config('app.user_id', cast(:user as text), true),
    set_config('app.org_id', coalesce((select org_id from user_profiles where id = :user)::text, ''), true)"""
BY_NOTHING = "select cast(:user as text)"


@pytest.fixture
def filled(database: Database) -> Database:
    """Every table has a row of one organization; a second one, with a user and a workspace, owns nothing else."""
    fill_every_table(database)
    database.run_script(
        f"""insert into organizations (id, name) values ('{STRANGERS_ORG}', 'Other');
            insert into user_profiles (id, org_id) values ('{STRANGER}', '{STRANGERS_ORG}');
            insert into workspaces (id, org_id, name) values ('{STRANGER}', '{STRANGERS_ORG}', 'Other');
            insert into workspace_members (workspace_id, user_id) values ('{STRANGER}', '{STRANGER}')"""
    )
    return database


@pytest.fixture
def worker(filled: Database) -> Iterator[str]:
    """A role with the rights of crm_relay, but without BYPASSRLS, as where that may not be granted."""
    name = f"worker_{secrets.token_hex(4)}"
    filled.run_script(f"create role {name} inherit nobypassrls; grant crm_relay to {name}")
    yield name
    filled.run_script(f"drop role {name}")


def parse(text: str) -> Query:
    return Query.parse("test", "asks the database in a test", text)


def ask(database: Database, text: str, **values: SqlValue) -> list[Row]:
    return database.run(parse(text), **values)


def relations(database: Database, kinds: str = "rpvm") -> list[str]:
    rows = ask(
        database,
        """select relname from pg_class
           where relnamespace = 'public'::regnamespace and relkind = any (string_to_array(:kinds, null)) order by 1""",
        kinds=kinds,
    )
    return [row["relname"] for row in rows]


def seen_by(database: Database, role: str, relation: str, identify: str, user: UUID) -> int:
    """How many rows of `relation` that role sees; none where it may not look at all."""

    def look(transaction: Transaction) -> int:
        transaction.run(parse(identify), user=user)
        transaction.run(parse(f"set local role {role}"))
        return int(transaction.run(parse(f"select count(*) as n from {relation}"))[0]["n"])

    try:
        return database.transact(look)
    except FatalError as error:
        if "42501" not in str(error):
            raise
        return 0


def strangers_own(database: Database) -> dict[str, int]:
    tables = ["organizations", "user_profiles", "workspaces", "workspace_members", "workspace_names"]
    (templates,) = ask(database, "select count(*)::integer as n from notification_templates where org_id is null")
    return dict.fromkeys(tables, 1) | {"notification_templates": templates["n"]}


@pytest.mark.parametrize("identify", [BY_NOTHING, BY_CLAIMS, BY_SETTINGS])
def test_anon_sees_nothing_whoever_it_says_it_is(filled: Database, identify: str) -> None:
    seen = {name: seen_by(filled, "anon", name, identify, EVERYWHERE) for name in relations(filled)}
    assert not any(seen.values()), seen


def test_a_user_without_identity_sees_nothing(filled: Database) -> None:
    seen = {name: seen_by(filled, "authenticated", name, BY_NOTHING, EVERYWHERE) for name in relations(filled)}
    assert not any(seen.values()), seen


@pytest.mark.parametrize("identify", [BY_CLAIMS, BY_SETTINGS])
def test_a_user_of_another_organization_sees_that_organization_only(filled: Database, identify: str) -> None:
    seen = {name: seen_by(filled, "authenticated", name, identify, STRANGER) for name in relations(filled)}
    assert {name: count for name, count in seen.items() if count} == strangers_own(filled)


@pytest.mark.parametrize("identify", [BY_CLAIMS, BY_SETTINGS])
def test_an_organizations_own_user_sees_its_rows(filled: Database, identify: str) -> None:
    readable = ask(
        filled,
        """select relname from pg_class
           where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm')
               and has_any_column_privilege('authenticated', oid, 'select')""",
    )
    assert len(readable) > 20
    for row in readable:
        assert seen_by(filled, "authenticated", row["relname"], identify, EVERYWHERE) > 0, row["relname"]


def test_a_claimed_organization_is_not_believed(filled: Database) -> None:
    forged = f"""select set_config('request.jwt.claims',
        json_build_object('sub', cast(:user as text), 'org_id', '{EVERYWHERE}')::text, true)"""
    assert seen_by(filled, "authenticated", "customer_profiles", forged, STRANGER) == 0


def test_a_setting_of_an_earlier_transaction_leaves_nothing_behind(filled: Database) -> None:
    assert seen_by(filled, "authenticated", "customer_profiles", BY_SETTINGS, EVERYWHERE) == 1
    assert seen_by(filled, "authenticated", "customer_profiles", BY_NOTHING, EVERYWHERE) == 0


# What a client may write, of own rows: whole preferences, and of a notification whether it was read or put away.
_PREFERENCES = (
    "category channels digest_day digest_time dnd_enabled dnd_until email_unsubscribed frequency org_id "
    "quiet_hours_enabled quiet_hours_end quiet_hours_start quiet_hours_timezone sound_enabled user_id"
)
CLIENTS_WRITE = [
    {"relname": "notification_preferences", "what": "delete", "columns": ""},
    {"relname": "notification_preferences", "what": "insert", "columns": _PREFERENCES},
    {"relname": "notification_preferences", "what": "update", "columns": _PREFERENCES},
    {"relname": "notifications", "what": "update", "columns": "archived_at read_at"},
]


def test_no_client_role_may_log_in_or_write_more_than_own_preferences_and_marks(filled: Database) -> None:
    writable = ask(
        filled,
        """select relname, what, coalesce((
               select string_agg(attname, ' ' order by attname)
               from pg_attribute
               where attrelid = pg_class.oid and attnum > 0 and not attisdropped
                   and case when what in ('insert', 'update', 'references')
                       then has_column_privilege('authenticated', pg_class.oid, attnum, what) end
           ), '') as columns
           from pg_class, unnest('{insert, update, delete, truncate, references, trigger}'::text[]) as what
           where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm') and (
               has_table_privilege('authenticated', pg_class.oid, what)
               or case when what in ('insert', 'update', 'references')
                   then has_any_column_privilege('authenticated', pg_class.oid, what) end
           )
           order by 1, 2""",
    )
    others = ask(
        filled,
        """select relname, role.name from pg_class, (values ('anon'), ('authenticated')) as role (name)
           where relnamespace = 'public'::regnamespace and (
               role.name = 'anon' and relkind in ('r', 'p', 'v', 'm') and (
                   has_table_privilege(role.name, pg_class.oid, 'insert, update, delete, truncate, references, trigger')
                   or has_any_column_privilege(role.name, pg_class.oid, 'insert, update')
               )
               or relkind = 'S' and has_sequence_privilege(role.name, pg_class.oid, 'usage, select, update')
           )""",
    )
    login = ask(filled, "select rolname from pg_roles where rolname in ('anon', 'authenticated') and rolcanlogin")
    assert (writable, others, login) == (CLIENTS_WRITE, [], [])


def test_a_users_attempt_to_write_is_refused(filled: Database) -> None:
    def attempt(transaction: Transaction) -> None:
        transaction.run(parse(BY_CLAIMS), user=EVERYWHERE)
        transaction.run(parse("set local role authenticated"))
        transaction.run(parse("update customer_profiles set first_name = 'x'"))

    with pytest.raises(FatalError, match="42501"):
        filled.transact(attempt)


def test_every_table_is_locked_and_every_view_looks_with_the_eyes_of_its_reader(filled: Database) -> None:
    open_relations = ask(
        filled,
        """select relname from pg_class
           where relnamespace = 'public'::regnamespace and (
               relkind in ('r', 'p') and not relrowsecurity
               or relkind = 'v' and not coalesce(reloptions, '{}')
                   && array['security_invoker=true', 'security_invoker=on']
           )""",
    )
    assert open_relations == []


def test_a_function_with_its_makers_rights_has_a_fixed_search_path(filled: Database) -> None:
    loose = ask(
        filled,
        """select proname from pg_proc
           where pronamespace = 'public'::regnamespace and prosecdef
               and not coalesce(array_to_string(proconfig, ','), '') like '%search_path=%'""",
    )
    assert loose == []


@pytest.mark.parametrize("role", ["crm_relay", "service_role", "worker"])
def test_the_server_roles_can_work_on_every_table_with_and_without_bypassrls(
    filled: Database, worker: str, role: str
) -> None:
    name = worker if role == "worker" else role
    first_columns = ask(
        filled,
        """select relname, attname from pg_class join pg_attribute on attrelid = pg_class.oid
           where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
               and attidentity = '' and attgenerated = ''
               and attnum = (select min(attnum) from pg_attribute other
                             where other.attrelid = pg_class.oid and other.attnum > 0 and other.attidentity = '')""",
    )

    def work(transaction: Transaction) -> dict[str, int]:
        transaction.run(parse("select set_config('app.erasure', 'on', true)"))
        transaction.run(parse(f"set local role {name}"))
        return {
            row["relname"]: len(
                transaction.run(
                    parse(f"update {row['relname']} set {row['attname']} = {row['attname']} returning {row['attname']}")
                )
            )
            for row in first_columns
        }

    changed = filled.transact(work)

    assert set(relations(filled, "rp")) - {row["relname"] for row in first_columns} <= {"mautic_dirty"}
    assert all(changed.values()), changed


def test_a_server_role_without_bypassrls_can_keep_the_ledger(filled: Database, worker: str) -> None:
    event = ConsentEvent(ConsentKind.OPT_OUT, "ada@example.com", "mautic", datetime(2026, 1, 2, tzinfo=UTC))

    def work(transaction: Transaction) -> RecordedEvents:
        transaction.run(parse(f"set local role {worker}"))
        return record_events(transaction, [event])

    assert filled.transact(work) == RecordedEvents(new=1, known=0, unusable=0)
    (row,) = ask(filled, "select opted_out_at is not null as stamped from customer_profiles")
    assert row["stamped"]
