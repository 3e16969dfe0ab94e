"""Tokens are readable by nobody: not by a role of a user, not in a row, and after a rotation not by the old key."""

import base64
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from crm_relay.connections.tokens.grants import put_grant, read_grant, rotate_keys
from crm_relay.connections.tokens.models import NewTokens
from crm_relay.connections.tokens.token_keeper import TokenKeeper
from crm_relay.connections.tokens.vault import Vault
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Transaction
from crm_relay.platform.encryption.master_key import KeyFile, KmsKey, open_master_key
from crm_relay.platform.errors import FatalError, TransientError
from crm_relay.providers.connectors.oauth_client import GrantRefused
from tests.support.connections.connection_stage import ConnectionStage, StaticKey
from tests.support.platform.rows import one, parse, rows_of


def as_member(stage: ConnectionStage, user: UUID, sql: str) -> list[dict[str, object]]:
    def work(tx: Transaction) -> list[dict[str, object]]:
        tx.run(parse("select set_config('app.user_id', :user, true)"), user=str(user))
        tx.run(parse("set local role authenticated"))
        return tx.run(parse(sql))

    return stage.db.transact(work)


@pytest.fixture
def member(stage: ConnectionStage) -> UUID:
    user = uuid4()
    rows_of(stage.db, "insert into user_profiles (id, org_id) values (:id, :org)", id=user, org=stage.org)
    rows_of(
        stage.db,
        "insert into workspace_members (workspace_id, user_id) values (:workspace, :user)",
        workspace=stage.workspace,
        user=user,
    )
    return user


def test_members_see_their_workspace_and_no_token(stage: ConnectionStage, member: UUID) -> None:
    connection = stage.connect()
    other = uuid4()
    rows_of(stage.db, "insert into workspaces (id, org_id, name) values (:id, :org, 'other')", id=other, org=stage.org)
    rows_of(
        stage.db,
        "insert into integration_connections (workspace_id, integration_type) values (:id, 'ledger')",
        id=other,
    )
    rows_of(stage.db, "insert into integration_sync_logs (connection_id, direction) values (:id, 'x')", id=connection)

    assert [row["id"] for row in as_member(stage, member, "select id from integration_connections")] == [connection]
    assert len(as_member(stage, member, "select direction from integration_sync_logs")) == 1
    status = as_member(stage, member, f"select * from integration_status('{stage.workspace}')")
    assert [(row["connection_id"], row["is_enabled"]) for row in status] == [(connection, True)]
    assert as_member(stage, member, f"select * from integration_status('{other}')") == []
    for forbidden in (
        "select credentials from integration_connections",
        "select * from integration_connections",
        "select * from integration_secrets",
        "select * from integration_keys",
        "select * from integration_oauth_states",
        "select * from integration_records",
        "update integration_connections set settings = '{}'",
    ):
        with pytest.raises(FatalError, match="42501"):
            as_member(stage, member, forbidden)


def test_a_row_that_is_copied_to_another_connection_opens_nothing(stage: ConnectionStage) -> None:
    mine, yours = stage.connect(label="a"), stage.connect(label="b")
    rows_of(
        stage.db,
        """update integration_secrets copy set ciphertext = original.ciphertext from integration_secrets original
           where copy.connection_id = :yours and original.connection_id = :mine""",
        yours=yours,
        mine=mine,
    )
    with pytest.raises(FatalError, match="cannot be decrypted"):
        read_grant(stage.db, stage.context.vault, yours)


def test_rotation_encrypts_everything_by_a_new_key(stage: ConnectionStage) -> None:
    connection = stage.connect()
    before = bytes(one(stage.db, "select ciphertext from integration_secrets")["ciphertext"])

    assert rotate_keys(stage.db, stage.context.vault) == 1

    row = one(stage.db, "select ciphertext, key_version from integration_secrets")
    assert (row["key_version"], bytes(row["ciphertext"]) != before) == (2, True)
    grant = read_grant(stage.db, Vault(StaticKey()), connection)
    assert grant is not None
    assert grant.api_key == "key-of-the-ledger"


@dataclass
class AnotherKey(StaticKey):
    """What CONNECTION_KEY names since the key before it was lost: it opens what it has wrapped itself alone."""

    wrapped: dict[bytes, bytes] = field(default_factory=dict)

    def wrap(self, data_key: bytes) -> bytes:
        self.wrapped[b"wrapped " + data_key] = data_key
        return b"wrapped " + data_key

    def unwrap(self, encrypted: bytes) -> bytes:
        if encrypted not in self.wrapped:
            raise FatalError("another key")
        return self.wrapped[encrypted]


def test_a_lost_key_is_left_behind_by_a_rotation_and_stops_no_other_connection(stage: ConnectionStage) -> None:
    lost, kept = stage.connect(label="a"), stage.connect(label="b")
    vault = Vault(AnotherKey())
    with pytest.raises(FatalError, match="another key"):
        put_grant(stage.db, vault, kept, {"api_key": "again"}, None)
    assert rotate_keys(stage.db, vault) == 0
    put_grant(stage.db, vault, kept, {"api_key": "again"}, None)
    for each in (vault, Vault(vault.master_key)):
        grant = read_grant(stage.db, each, kept)
        assert grant is not None
        assert grant.api_key == "again"
        with pytest.raises(FatalError):
            read_grant(stage.db, each, lost)
    assert rotate_keys(stage.db, vault) == 1
    assert one(stage.db, "select key_version from integration_secrets where connection_id = :id", id=kept) == {
        "key_version": 3
    }


def test_the_key_service_is_asked_once_an_environment(stage: ConnectionStage) -> None:
    for number in range(4):
        stage.connect(label=str(number))
    master = StaticKey()
    vault = Vault(master)
    for row in rows_of(stage.db, "select connection_id from integration_secrets"):
        read_grant(stage.db, vault, row["connection_id"])
        put_grant(stage.db, vault, row["connection_id"], {"api_key": "x"}, None)
    assert master.asked == 1


def test_a_key_file_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "connection.key"
    master = open_master_key(f"file:{path}")
    wrapped = master.wrap(b"d" * 32)
    assert KeyFile(path).unwrap(wrapped) == b"d" * 32
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FatalError, match="another key"):
        KeyFile(tmp_path / "other.key").unwrap(wrapped)
    path.write_bytes(base64.b64encode(b"short"))
    with pytest.raises(FatalError, match="32 bytes"):
        master.wrap(b"d" * 32)


def test_a_key_of_the_key_service_wraps_and_unwraps(kms_key: str) -> None:
    master = KmsKey(kms_key)
    wrapped = master.wrap(b"d" * 32)
    assert b"d" * 32 not in wrapped
    assert KmsKey(kms_key).unwrap(wrapped) == b"d" * 32
    with pytest.raises(FatalError):
        master.unwrap(b"nonsense" * 20)


@pytest.mark.parametrize("answer", ["tokens", "refused", "away"])
def test_a_late_answer_of_a_refresh_never_replaces_a_newer_grant(stage: ConnectionStage, answer: str) -> None:
    """Somebody reconnects while the vendor is asked with the former grant."""
    vault, refused = Vault(StaticKey()), list[str]()
    connection = stage.connect(
        credentials={"access_token": "old", "refresh_token": "r1"}, expires_in=timedelta(seconds=-1)
    )

    def refresh(_token: str) -> NewTokens:
        expires_at = utc_now() + timedelta(hours=1)
        put_grant(stage.db, vault, connection, {"access_token": "newest", "refresh_token": "r9"}, expires_at)
        if answer == "refused":
            raise GrantRefused("invalid_grant")
        if answer == "away":
            raise TransientError("the vendor is away")
        return NewTokens("late", "r2", 3600.0, None)

    keeper = TokenKeeper(
        stage.db, vault, connection, refresh, utc_now, lambda _seconds: None, on_refused=lambda: refused.append("x")
    )
    if answer == "away":
        with pytest.raises(TransientError):
            keeper.token()
    assert keeper.token().value == "newest"
    grant = read_grant(stage.db, vault, connection)
    assert grant is not None
    assert (grant.access_token, grant.refresh_token, grant.generation, grant.is_refused) == ("newest", "r9", 2, False)
    assert refused == []
