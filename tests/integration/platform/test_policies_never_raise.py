"""Policies under claims and settings of every shape: none raises, and none shows a row of somebody else."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_relay.platform.database import Database, Transaction
from tests.support.platform.filled_schema import EVERYWHERE, fill_every_table
from tests.support.platform.rows import parse, rows_of

# Rows of nobody, which every user may read, are left out.
FOR_EVERYBODY = {"notification_templates": "where org_id is not null"}
STRANGER = UUID("22222222-2222-4222-8222-222222222222")

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
OWN = str(EVERYWHERE)
ODD_SUBJECTS = ("", "user_2abc", "auth0|5f7c", "null", str(STRANGER), "x" * 100_000)
NEARLY_OWN = ("{" + OWN + "}", OWN + "\n", " " + OWN, OWN.replace("-", ""), OWN[:-1])
SUBJECTS: st.SearchStrategy[Any] = st.one_of(
    TEXTS,
    st.sampled_from([*ODD_SUBJECTS, *NEARLY_OWN]),
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    st.lists(st.just(OWN), max_size=2),
    st.dictionaries(TEXTS, st.just(OWN), max_size=2),
)
DEEP = ("[" * 20_000, '{"sub":' * 20_000, " " * 100_000, json.dumps("x" * 1_000_000))
OTHER_JSON = ("null", "[]", "{}", '"sub"', "0", "true", "1e999999", '{"sub":1e999999}')
NOT_JSON = ("{", "not json", '{"sub": }', "{'sub': 1}", "\ufeff{}", '{"sub":"\\u0000"}', '{"sub":"\\ud800"}')
WRONG_PLACE = (json.dumps([{"sub": str(EVERYWHERE)}]), json.dumps({"SUB": str(EVERYWHERE)}))
MALFORMED = st.sampled_from([*DEEP, *OTHER_JSON, *NOT_JSON, *WRONG_PLACE])
CLAIMS = st.one_of(st.none(), st.just(""), TEXTS, MALFORMED, SUBJECTS.map(lambda sub: json.dumps({"sub": sub})))
SETTINGS = st.one_of(
    st.none(), st.none(), st.just(""), TEXTS, st.sampled_from(["null", "0", "user_2abc", str(STRANGER)])
)


@pytest.fixture
def filled(database: Database) -> Database:
    """Every table has a row that belongs to EVERYWHERE, and no row of anybody else."""
    fill_every_table(database)
    return database


def policed(database: Database) -> list[str]:
    """Tables that authenticated may read by a policy, and views on top of such tables."""
    rows = rows_of(
        database,
        """select relname from pg_class
           where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm')
               and has_any_column_privilege('authenticated', oid, 'select')
           order by 1""",
    )
    return [row["relname"] for row in rows]


@contextmanager
def identity(transaction: Transaction, values: dict[str, str | None]) -> Iterator[None]:
    for name, value in values.items():
        if value is not None:
            transaction.run(parse("select set_config(:name, :value, true)"), name=name, value=value)
    transaction.run(parse("set local role authenticated"))
    yield


def seen(database: Database, tables: list[str], **values: str | None) -> dict[str, int]:
    """How many rows each table shows; raises where a policy does."""
    names = {"claims": "request.jwt.claims", "user": "app.user_id", "org": "app.org_id"}
    count = " union all ".join(
        f"select '{table}' as name, count(*) as n from {table} {FOR_EVERYBODY.get(table, '')}" for table in tables
    )

    def look(transaction: Transaction) -> dict[str, int]:
        with identity(transaction, {names[each]: value for each, value in values.items()}):
            return {row["name"]: row["n"] for row in transaction.run(parse(count))}

    return database.transact(look)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(claims=CLAIMS, user=SETTINGS, org=SETTINGS)
def test_no_policy_raises_and_none_shows_a_foreign_row(
    filled: Database, claims: str | None, user: str | None, org: str | None
) -> None:
    tables = policed(filled)
    assert len(tables) > 40
    shown = seen(filled, tables, claims=claims, user=user, org=org)
    assert not any(shown.values()), shown


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(claims=CLAIMS)
def test_claims_do_not_outweigh_a_setting_that_names_nobody(filled: Database, claims: str | None) -> None:
    shown = seen(filled, policed(filled), claims=claims, user="user_2abc", org="user_2abc")
    assert not any(shown.values()), shown


def test_the_owner_of_every_row_sees_every_table(filled: Database) -> None:
    claims = json.dumps({"sub": str(EVERYWHERE), "role": "authenticated"})
    assert all(seen(filled, policed(filled), claims=claims).values())


def test_one_subscriber_with_a_foreign_log_in_does_not_keep_a_change_from_the_others(filled: Database) -> None:
    """As Realtime asks: the policies of all subscribers in one statement."""
    filled.run_script(
        """create function visible_to(subscriber text) returns bigint language plpgsql as $$
           declare n bigint;
           begin
               perform set_config('request.jwt.claims', json_build_object('sub', subscriber)::text, true);
               perform set_config('role', 'authenticated', true);
               select count(*) into n from client_metrics;
               perform set_config('role', 'none', true);
               return n;
           end $$"""
    )
    rows = rows_of(
        filled,
        "select visible_to(subscriber) as n from unnest(cast(:subscribers as text[])) as subscriber",
        subscribers=[str(EVERYWHERE), "user_2abc", str(EVERYWHERE)],
    )
    assert [row["n"] for row in rows] == [1, 0, 1]


def test_a_malformed_organization_of_the_installation_shows_nothing_and_raises_nothing(filled: Database) -> None:
    filled.run_script("update installation_settings set value = 'none' where key = 'default_org_id'")
    claims = json.dumps({"sub": str(EVERYWHERE)})
    shown = seen(filled, policed(filled), claims=claims)
    assert (shown["segments"], shown["campaigns"]) == (0, 1)


CLIENT_CALLS = {
    "unread_notification_count()": {"unread_notification_count": 0},
    **{
        f"{name}": {"changed": 0, "unread": 0}
        for name in (
            f"mark_notifications_read('{{{EVERYWHERE}}}')",
            f"mark_notifications_unread('{{{EVERYWHERE}}}')",
            f"archive_notifications('{{{EVERYWHERE}}}')",
            "mark_all_notifications_read()",
            "archive_read_notifications()",
        )
    },
}


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(claims=CLAIMS, user=SETTINGS)
def test_no_function_that_a_client_calls_raises_or_touches_a_foreign_row(
    filled: Database, claims: str | None, user: str | None
) -> None:
    def call(transaction: Transaction) -> list[dict[str, Any]]:
        with identity(transaction, {"request.jwt.claims": claims, "app.user_id": user}):
            return [dict(transaction.run(parse(f"select * from {name}"))[0]) for name in CLIENT_CALLS]

    assert filled.transact(call) == list(CLIENT_CALLS.values())


def test_policies_call_no_function_but_those_that_are_tested_here(filled: Database) -> None:
    called = rows_of(
        filled,
        """select distinct (regexp_matches(pg_get_expr(polqual, polrelid), '([a-z_]+)\\(', 'g'))[1] as name
           from pg_policy
           order by 1""",
    )
    names = ["current_org", "current_user_id", "current_workspace_ids", "current_workspace_names", "default_org_id"]
    assert [row["name"] for row in called] == names
