"""What Realtime and the browser see of outreach: their own workspaces' rows, and nothing that moves a counter."""

from uuid import UUID

import pytest

from crm_relay.platform.database import Database, Row, Transaction
from crm_relay.platform.errors import FatalError
from crm_relay.platform.sql import Query
from tests.support.outreach.bison_events import account_event, mail
from tests.support.outreach.bison_webhook_function import (
    CONTOSO,
    NORTHWIND,
    TOKENS,
    configure,
    deliver,
    plant_workspaces,
)
from tests.support.platform.rows import rows_of

MEMBER, BOTH, FOREIGN = (UUID(f"{digit * 8}-0000-4000-8000-000000000000") for digit in "123")
READABLE = ("client_metrics", "sender_emails_cache", "webhook_health", "client_leads", "webhook_delivery_log")
CLAIMS = """select set_config(
    'request.jwt.claims', json_build_object('sub', cast(:user as text), 'role', :role)::text, true)"""
WRITERS = (
    "increment_metric('Northwind', 'replies_mtd', 1)",
    "apply_bison_delivery('{}', '{}')",
    "count_outreach('Northwind', 'replies_mtd', 1, now())",
    "open_month('Northwind', now())",
    "settle_bison_accounts('Northwind', now(), true)",
    "record_consent_events('[]')",
    "keep_lead('Northwind', '{}', now())",
    "keep_account_state('Northwind', '', '{}', now(), now())",
    "log_bison_attempt('Northwind', 't', true, null, now(), 0, null, 'webhook')",
    "count_bison_attempt('Northwind', true, now())",
    "lock_outreach('Northwind', '{}', '{}', '{}', '{}', '', '{}')",
    "add_bison_line('t', 'Northwind', true, null, 0, null, 'webhook', null, false, null, 0, null, null, null)",
    "move_lead_times('Northwind', 1, now(), null, null)",
    "put_lead('Northwind', 1, null, null, null, null, null, now(), null, null, null, now(), 'k', null, null, null)",
    "add_bison_reply(default_org_id(), null, 'x', null, null, null, now(), false)",
    "put_account_state('', 1, 'Connected', now(), null, null)",
    "add_attempts('Northwind', now(), 1, 1)",
)


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> Database:
    """Both workspaces have something of everything; MEMBER belongs to Northwind, BOTH to both."""
    configure(monkeypatch, database_url)
    plant_workspaces(database)
    for workspace, token in TOKENS.items():
        for number, kind in enumerate(("email_sent", "lead_interested")):
            deliver(mail(kind, number, workspace=workspace), token=token)
    deliver(account_event("email_account_added", 7))
    deliver(account_event("email_account_added", 8).replace(b"17", b"18"), token=TOKENS[CONTOSO])
    rows_of(
        database,
        "insert into user_profiles (id, org_id) select person, default_org_id() from unnest(:all::uuid[]) as person",
        all=[MEMBER, BOTH, FOREIGN],
    )
    rows_of(
        database,
        """insert into workspace_members (workspace_id, user_id)
           select id, person from workspaces, unnest(:people::uuid[]) as person
           where name = 'Northwind' or person = :both""",
        people=[MEMBER, BOTH],
        both=BOTH,
    )
    return database


def parse(text: str) -> Query:
    return Query.parse("test", "asks as a user", text)


def ask_as(database: Database, role: str, user: UUID | None, text: str) -> list[Row]:
    """As PostgREST and Realtime ask: the claims of the token, then the role."""

    def ask(transaction: Transaction) -> list[Row]:
        transaction.run(parse(CLAIMS), user=user, role=role)
        transaction.run(parse(f"set local role {role}"))
        return transaction.run(parse(text))

    return database.transact(ask)


@pytest.mark.parametrize("relation", READABLE)
def test_a_member_sees_the_rows_of_that_members_workspaces(filled: Database, relation: str) -> None:
    asked = f"select distinct workspace_name as name from {relation} order by 1"
    seen = {
        user: [row["name"] for row in ask_as(filled, "authenticated", user, asked)]
        for user in (MEMBER, BOTH, FOREIGN, None)
    }
    assert seen == {MEMBER: [NORTHWIND], BOTH: [CONTOSO, NORTHWIND], FOREIGN: [], None: []}


@pytest.mark.parametrize("relation", READABLE)
def test_without_a_login_nothing_is_seen(filled: Database, relation: str) -> None:
    with pytest.raises(FatalError, match="42501"):
        ask_as(filled, "anon", MEMBER, f"select * from {relation}")


@pytest.mark.parametrize("role", ["anon", "authenticated"])
@pytest.mark.parametrize("call", WRITERS)
def test_nobody_from_outside_may_call_what_writes(filled: Database, role: str, call: str) -> None:
    with pytest.raises(FatalError, match="42501"):
        ask_as(filled, role, MEMBER, f"select {call}")


def test_the_refusal_is_the_functions_own_and_not_that_of_a_table_behind_it(filled: Database) -> None:
    callable_by_clients = rows_of(
        filled,
        """select role.name, proname
           from pg_proc
           cross join (values ('anon'), ('authenticated')) as role (name)
           where pronamespace = 'public'::regnamespace and proname = any (:names::text[])
               and has_function_privilege(role.name, pg_proc.oid, 'execute')""",
        names=[call.partition("(")[0] for call in WRITERS],
    )
    assert callable_by_clients == []


@pytest.mark.parametrize("role", ["service_role", "crm_relay"])
def test_the_server_may_call_what_writes(filled: Database, role: str) -> None:
    for call in WRITERS[:1] + WRITERS[3:6]:
        ask_as(filled, role, None, f"select {call}")


def test_the_documents_statistics_show_a_member_that_members_accounts_only(filled: Database) -> None:
    for function in ("aggregate_provider_stats()", "get_account_status_stats()"):
        seen = ask_as(filled, "authenticated", MEMBER, f"select workspace_name from {function}")
        assert [row["workspace_name"] for row in seen] == [NORTHWIND]
        with pytest.raises(FatalError, match="42501"):
            ask_as(filled, "anon", MEMBER, f"select * from {function}")


def test_counters_and_accounts_are_published_in_real_time_and_nothing_else_of_outreach(filled: Database) -> None:
    published = rows_of(
        filled, "select tablename from pg_publication_tables where pubname = 'supabase_realtime' order by 1"
    )
    assert [row["tablename"] for row in published] == ["client_metrics", "notifications", "sender_emails_cache"]
    published = rows_of(filled, "select pubinsert and pubupdate and pubdelete as all from pg_publication")
    assert published == [{"all": True}]
