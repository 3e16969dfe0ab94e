"""Whose rows are whose when workspaces are renamed, deleted or named again, and webhooks name foreign accounts."""

from uuid import UUID

import pytest

from crm_relay.outreach import store
from crm_relay.platform.database import Database, Row, Transaction
from crm_relay.platform.errors import RejectedInput
from tests.support.outreach.bison_events import account_event, mail, untracked_reply
from tests.support.outreach.bison_webhook_function import (
    CONTOSO,
    INSTANCE,
    NORTHWIND,
    TOKENS,
    configure,
    deliver,
    plant_workspaces,
)
from tests.support.platform.rows import one, parse, rows_of

ORG = UUID("44444444-4444-4444-8444-444444444444")
MEMBER, STRANGER = (UUID(f"{digit * 8}-0000-4000-8000-000000000000") for digit in "56")
BY_NAME = (
    "client_leads",
    "client_metrics",
    "sender_emails_cache",
    "webhook_delivery_log",
    "webhook_delivery_slots",
    "provider_performance_history",
    "bison_polls",
    "incidents",
)


@pytest.fixture
def tenants(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> Database:
    """Northwind belongs to an organization of its own, with MEMBER in it; STRANGER is in no workspace yet."""
    configure(monkeypatch, database_url)
    plant_workspaces(database)
    database.run_script(
        f"""insert into organizations (id, name) values ('{ORG}', 'Northwind Ltd');
            update workspaces set org_id = '{ORG}' where name = 'Northwind';
            insert into user_profiles (id, org_id) values ('{MEMBER}', '{ORG}'), ('{STRANGER}', default_org_id());
            insert into workspace_members (workspace_id, user_id)
            select id, '{MEMBER}' from workspaces where name = 'Northwind';
            insert into provider_performance_history (snapshot_date, workspace_name, email_provider)
            values (current_date, 'Northwind', 'Gmail');
            insert into bison_polls (workspace_name) values ('Northwind');
            insert into incidents (kind, subject, workspace_name, title, opened_at)
            values ('webhook_health', 'Northwind', 'Northwind', 'Webhook deliveries fail', now())"""
    )
    deliver(mail("lead_interested", 1))
    deliver(account_event("email_account_added", 7))
    return database


def seen(database: Database, user: UUID, relation: str) -> list[Row]:
    def look(transaction: Transaction) -> list[Row]:
        claims = "select set_config('request.jwt.claims', json_build_object('sub', cast(:user as text))::text, true)"
        transaction.run(parse(claims), user=user)
        transaction.run(parse("set local role authenticated"))
        return transaction.run(parse(f"select * from {relation}"))

    return database.transact(look)


def take_name(database: Database, name: str) -> None:
    """STRANGER's organization makes a workspace of that name."""

    def take(transaction: Transaction) -> None:
        transaction.run(
            parse("insert into workspaces (id, org_id, name) values (:id, default_org_id(), :name)"),
            id=STRANGER,
            name=name,
        )
        transaction.run(parse("insert into workspace_members (workspace_id, user_id) values (:id, :id)"), id=STRANGER)

    try:
        database.transact(take)
    except RejectedInput as refused:
        assert "workspace_name_is_not_reused" in str(refused)  # noqa: PT017 - or it is let in, and sees nothing


RELEASES = {
    "renamed": "update workspaces set name = 'Northwind Europe' where name = 'Northwind'",
    "deleted": "delete from workspaces where name = 'Northwind'",
    "renamed and deleted": """update workspaces set name = 'Northwind Europe' where name = 'Northwind';
                              delete from workspaces where name = 'Northwind Europe'""",
}


@pytest.mark.parametrize("relation", BY_NAME)
@pytest.mark.parametrize("release", RELEASES.values(), ids=RELEASES)
def test_whoever_takes_a_released_name_sees_nothing_that_lies_under_it(
    tenants: Database, release: str, relation: str
) -> None:
    assert len(seen(tenants, MEMBER, relation)) > 0
    tenants.run_script(release)
    take_name(tenants, NORTHWIND)
    assert seen(tenants, STRANGER, relation) == []


@pytest.mark.parametrize("relation", BY_NAME)
def test_a_rename_hides_nothing_from_the_workspaces_own_members(tenants: Database, relation: str) -> None:
    before = seen(tenants, MEMBER, relation)
    tenants.run_script(RELEASES["renamed"])
    deliver(mail("email_sent", 2))
    assert len(seen(tenants, MEMBER, relation)) >= len(before) > 0


def test_a_delivery_under_a_former_name_stays_with_its_organization(tenants: Database) -> None:
    tenants.run_script(RELEASES["renamed"])
    assert deliver(untracked_reply(3))["status"] == 200
    assert deliver(mail("lead_unsubscribed", 4))["status"] == 200
    orgs = rows_of(tenants, "select org_id from inbox_items union all select org_id from consent_events")
    assert [row["org_id"] for row in orgs] == [ORG] * 3
    lead = "select distinct org_id from person_addresses where kind = 'lead'"
    assert rows_of(tenants, lead) == [{"org_id": ORG}]


def test_reading_a_renamed_workspaces_accounts_makes_no_second_workspace(tenants: Database) -> None:
    tenants.run_script(RELEASES["renamed"])
    store.keep_workspace(tenants, NORTHWIND, workspace_id=17, instance_url=INSTANCE)
    assert one(tenants, "select count(*) as n from workspaces")["n"] == 2
    assert store.workspace_ids(tenants, [NORTHWIND]) == {NORTHWIND: 17}


def test_a_workspace_may_take_its_own_former_name_back(tenants: Database) -> None:
    tenants.run_script(RELEASES["renamed"])
    tenants.run_script("update workspaces set name = 'Northwind' where name = 'Northwind Europe'")
    assert len(seen(tenants, MEMBER, "client_leads")) == 1


ACCOUNT_EVENTS = ("added", "disconnected", "reconnected", "removed")


@pytest.mark.parametrize("kind", ACCOUNT_EVENTS)
def test_a_webhook_takes_no_account_from_another_workspace(tenants: Database, kind: str) -> None:
    before = one(tenants, "select * from sender_emails_cache")
    foreign = account_event(f"email_account_{kind}", 7, at="2027-01-01T00:00:00Z").replace(b"17", b"18")
    assert deliver(foreign.replace(b"Northwind", b"Contoso"), token=TOKENS[CONTOSO])["status"] == 200
    assert one(tenants, "select * from sender_emails_cache") == before
    assert len(seen(tenants, MEMBER, "sender_emails_cache")) == 1
