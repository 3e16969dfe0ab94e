"""Rights to the tables of workflows: members read what is their organization's, and nobody but the server writes."""

from collections.abc import Mapping
from uuid import UUID

import pytest

from crm_relay.platform.database import Row, Transaction
from crm_relay.platform.errors import FatalError
from tests.support.platform.rows import parse
from tests.support.workflows.run_harness import RunHarness, chain, step

READABLE = (
    "entity_events",
    "workflow_actions",
    "workflow_approvals",
    "workflow_execution_logs",
    "workflow_executions",
    "workflow_start_decisions",
    "workflow_steps",
)
SERVERS = (
    "workflow_approval_links",
    "workflow_backfills",
    "workflow_effects",
    "workflow_listeners",
    "workflow_pace",
    "workflow_recordings",
    "workflow_rotations",
    "workflow_schedules",
    "workflow_versions",
    "workflow_webhook_hosts",
    "workflow_webhooks",
)


@pytest.fixture
def member(runs: RunHarness) -> UUID:
    """A colleague of an organization in which a run waits for a webhook and another one for somebody's approval."""
    person = runs.person()
    headers = {"Authorization": "Bearer secret:token", "X-Kind": "deal"}
    run = runs.run(chain(step("webhook", url="https://x.example/in", headers=headers, secret="crm")))
    runs.tick()
    runs.insert("workflow_approvals", execution_id=run, approver_id=person)
    runs.rows(
        "insert into entity_events (org_id, entity_type, entity_id, kind, topic) values"
        " (:org, 'deal', gen_random_uuid(), 'changed', 'stage') returning id",
        org=runs.org,
    )
    runs.rows(
        "insert into workflow_start_decisions (org_id, workflow_id, entity_type, entity_id, verdict, decided_at)"
        " select org_id, id, 'deal', gen_random_uuid(), 'started', now() from workflows returning id"
    )
    return person


@pytest.fixture
def stranger(runs: RunHarness) -> UUID:
    """A colleague of another organization."""
    other = runs.one("insert into organizations (name) values ('Other') returning id")["id"]
    return runs.person("stranger", org_id=other)


def ask(runs: RunHarness, user: UUID | None, statement: str, role: str = "authenticated") -> list[Row]:
    """As PostgREST does it for this user."""

    def work(tx: Transaction) -> list[Row]:
        claims = "select set_config('request.jwt.claims', json_build_object('sub', cast(:user as text))::text, true)"
        tx.run(parse(claims), user=user)
        tx.run(parse(f"set local role {role}"))
        return tx.run(parse(statement))

    return runs.db.transact(work)


def test_every_table_of_workflows_is_named_here(runs: RunHarness) -> None:
    rows = runs.rows(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
        " and (relname like 'workflow\\_%' or relname = 'entity_events')"
    )
    presupposed = {"workflow_instances", "workflow_states", "workflow_transitions"}
    assert {row["relname"] for row in rows} - presupposed == {*READABLE, *SERVERS}


@pytest.mark.parametrize("table", READABLE)
def test_members_read_what_is_their_organizations_and_nobody_elses(
    runs: RunHarness, member: UUID, stranger: UUID, table: str
) -> None:
    assert ask(runs, member, f"select from {table}") != []
    assert ask(runs, stranger, f"select from {table}") == []
    assert ask(runs, None, f"select from {table}") == []


@pytest.mark.parametrize("table", SERVERS)
def test_members_do_not_read_definitions_requests_and_the_engines_own_rows(
    runs: RunHarness, member: UUID, table: str
) -> None:
    with pytest.raises(FatalError, match="42501"):
        ask(runs, member, f"select from {table}")


@pytest.mark.parametrize("table", [*READABLE, *SERVERS])
def test_who_is_not_signed_in_reads_nothing(runs: RunHarness, member: UUID, table: str) -> None:
    with pytest.raises(FatalError, match="42501"):
        ask(runs, member, f"select from {table}", role="anon")


WRITES: Mapping[str, str] = {
    "approving": "update workflow_approvals set status = 'approved', responded_at = now()",
    "asking oneself": "insert into workflow_approvals (org_id, execution_id, approver_id)"
    " select org_id, execution_id, approver_id from workflow_approvals",
    "taking a request away": "delete from workflow_approvals",
    "completing a run": "update workflow_executions set status = 'completed'",
    "making an event": "insert into entity_events (org_id, entity_type, entity_id, kind, topic)"
    " values (default_org_id(), 'deal', gen_random_uuid(), 'changed', 'stage')",
    "skipping a step": "update workflow_steps set status = 'skipped'",
    "rewriting an action": "update workflow_actions set result = '{}'",
    "removing the log": "delete from workflow_execution_logs",
    "removing decisions": "delete from workflow_start_decisions",
    "publishing": "update workflow_versions set is_active = true",
    "sending": "update workflow_webhooks set url = 'https://evil.example/'",
    "listening": "delete from workflow_listeners",
    "another budget": "delete from workflow_effects",
}


@pytest.mark.parametrize("what", WRITES)
@pytest.mark.parametrize("role", ["authenticated", "anon"])
def test_only_the_server_writes(runs: RunHarness, member: UUID, what: str, role: str) -> None:
    with pytest.raises(FatalError, match="42501"):
        ask(runs, member, WRITES[what], role=role)


@pytest.mark.parametrize("table", ["workflow_steps", "workflow_actions"])
def test_no_member_reads_with_what_a_request_is_signed(runs: RunHarness, member: UUID, table: str) -> None:
    (row,) = ask(runs, member, f"select row_to_json(each)::text as content from {table} each")
    assert '"X-Kind": "hidden"' in row["content"]
    assert "secret" not in row["content"]
    sent = runs.one("select headers, secret_ref from workflow_webhooks")
    assert (sent["headers"]["Authorization"], sent["secret_ref"]) == ("Bearer secret:token", "crm")
