"""Who reads which table of connections: members the rows of their own workspaces, and nobody what opens an account."""

from uuid import UUID, uuid4

import pytest

from crm_relay.connections.oauth.ticket import make_ticket
from crm_relay.platform.database import Transaction
from crm_relay.platform.errors import FatalError
from tests.support.connections.connection_stage import ConnectionStage
from tests.support.platform.rows import one, parse, rows_of

OF_MEMBERS = {
    "integration_connections": "id",
    "integration_activity": "connection_id",
    "integration_sync_logs": "connection_id",
    "integration_checkpoints": "connection_id",
    "integration_rejects": "connection_id",
}
"""With the column that names the connection."""

OF_NOBODY = (
    "integration_secrets",
    "integration_keys",
    "integration_unconfirmed",
    "integration_standings",
    "integration_records",
    "integration_limits",
    "integration_oauth_states",
)
ROLES = ("anon", "authenticated")


def member_of(stage: ConnectionStage, workspace: UUID) -> UUID:
    user = uuid4()
    rows_of(stage.db, "insert into user_profiles (id, org_id) values (:id, :org)", id=user, org=stage.org)
    rows_of(
        stage.db,
        "insert into workspace_members (workspace_id, user_id) values (:workspace, :user)",
        workspace=workspace,
        user=user,
    )
    return user


def read_as(stage: ConnectionStage, role: str, user: UUID, sql: str) -> list[dict[str, object]]:
    def work(tx: Transaction) -> list[dict[str, object]]:
        tx.run(parse("select set_config('app.user_id', :user, true)"), user=str(user))
        tx.run(parse(f"set local role {role}"))
        return tx.run(parse(sql))

    return stage.db.transact(work)


@pytest.fixture
def connections(stage: ConnectionStage) -> dict[str, tuple[UUID, UUID]]:
    """Mine and the neighbour's, in two workspaces of one organization: member and connection; every table has rows."""
    made = {}
    mine, neighbours = stage.workspace, uuid4()
    rows_of(
        stage.db,
        "insert into workspaces (id, org_id, name) values (:id, :org, 'neighbour')",
        id=neighbours,
        org=stage.org,
    )
    for name, workspace in (("mine", mine), ("neighbour", neighbours)):
        stage.workspace = workspace
        connection = stage.connect()
        make_ticket(
            stage.db, provider="ledger", workspace=workspace, started_by="ada", now=stage.now(), connection=connection
        )
        fill(stage, connection)
        made[name] = (member_of(stage, workspace), connection)
    stage.workspace = mine
    return made


def fill(stage: ConnectionStage, connection: UUID) -> None:
    values = {"id": connection}
    for sql in (
        (
            "insert into integration_activity (workspace_id, connection_id, integration_name, action, success) "
            "select workspace_id, id, integration_type, 'x', true from integration_connections where id = :id"
        ),
        "insert into integration_sync_logs (connection_id, direction) values (:id, 'bidirectional')",
        "insert into integration_checkpoints (connection_id, stream) values (:id, 'main')",
        "insert into integration_records (connection_id, stream, their_id) values (:id, 'main', 'r1')",
        (
            "insert into integration_unconfirmed (connection_id, stream, our_id, sent_at) "
            "values (:id, 'main', gen_random_uuid(), now())"
        ),
        (
            "insert into integration_rejects (connection_id, stream, direction, record_id, reason, retry_at) "
            "values (:id, 'main', 'to_external', 'r1', 'x', now())"
        ),
        (
            "insert into integration_standings (connection_id, stream, their_id, address_key, standing) "
            "values (:id, 'main', 'r1', 'sha256:x', 'unsubscribed')"
        ),
        "insert into integration_limits (scope) values ('ledger:' || cast(:id as text))",
    ):
        rows_of(stage.db, sql, **values)


def test_every_table_of_connections_is_asked_about(stage: ConnectionStage) -> None:
    rows = rows_of(
        stage.db,
        "select relname, relrowsecurity from pg_class "
        "where relnamespace = 'public'::regnamespace and relkind = 'r' and relname like 'integration!_%' escape '!'",
    )
    assert {row["relname"] for row in rows} == {*OF_MEMBERS, *OF_NOBODY}
    assert all(row["relrowsecurity"] for row in rows)


@pytest.mark.parametrize("table", OF_MEMBERS)
def test_members_read_their_own_workspaces_and_strangers_nothing(
    stage: ConnectionStage, connections: dict[str, tuple[UUID, UUID]], table: str
) -> None:
    sql = f"select distinct {OF_MEMBERS[table]} as connection from {table}"
    assert len(rows_of(stage.db, sql)) == 2
    for member, connection in connections.values():
        assert read_as(stage, "authenticated", member, sql) == [{"connection": connection}]
    without_workspace = uuid4()
    rows_of(stage.db, "insert into user_profiles (id, org_id) values (:id, :org)", id=without_workspace, org=stage.org)
    for stranger in (without_workspace, uuid4()):
        assert read_as(stage, "authenticated", stranger, sql) == []


@pytest.mark.parametrize("table", OF_MEMBERS)
def test_members_change_nothing(stage: ConnectionStage, connections: dict[str, tuple[UUID, UUID]], table: str) -> None:
    member, connection = connections["mine"]
    column = OF_MEMBERS[table]
    for sql in (
        f"update {table} set {column} = {column} where {column} = '{connection}'",
        f"delete from {table} where {column} = '{connection}'",
        f"insert into {table} ({column}) values ('{uuid4()}')",
    ):
        with pytest.raises(FatalError, match="42501"):
            read_as(stage, "authenticated", member, sql)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("table", OF_NOBODY)
def test_no_user_reads_what_opens_an_account(
    stage: ConnectionStage, connections: dict[str, tuple[UUID, UUID]], table: str, role: str
) -> None:
    assert one(stage.db, f"select count(*) as n from {table}")["n"] > 0
    member, _ = connections["mine"]
    with pytest.raises(FatalError, match="42501"):
        read_as(stage, role, member, f"select count(*) as n from {table}")


@pytest.mark.parametrize("table", OF_MEMBERS)
def test_nobody_who_is_not_signed_in_reads_anything(
    stage: ConnectionStage, connections: dict[str, tuple[UUID, UUID]], table: str
) -> None:
    member, _ = connections["mine"]
    with pytest.raises(FatalError, match="42501"):
        read_as(stage, "anon", member, f"select {OF_MEMBERS[table]} from {table}")


@pytest.mark.parametrize("role", ROLES)
def test_no_user_reads_credentials_that_were_inserted_by_hand(
    stage: ConnectionStage, connections: dict[str, tuple[UUID, UUID]], role: str
) -> None:
    member, _ = connections["mine"]
    with pytest.raises(FatalError, match="42501"):
        read_as(stage, role, member, "select credentials from integration_connections")
