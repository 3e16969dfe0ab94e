"""A test of the credentials ends the wait for an account that opens again, and nothing else."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from crm_relay.connections.try_account import try_account
from crm_relay.platform.errors import FatalError, RejectedInput, TransientError
from tests.support.connections.connection_stage import ConnectionStage
from tests.support.connections.ledger_simulator import LedgerSimulator
from tests.support.platform.rows import one, rows_of


def opens(stage: ConnectionStage, connection: UUID) -> bool:
    return try_account(stage.db, stage.context, connection, stage.now, "ada")


def is_refused(stage: ConnectionStage) -> bool:
    row = one(stage.db, "select refused_generation = generation as refused from integration_secrets")
    return bool(row["refused"])


@pytest.fixture
def refused(stage: ConnectionStage, ledger: LedgerSimulator) -> UUID:
    """By a key that the vendor refused for good, though it is good by now."""
    stage.contact("ada@example.com")
    connection = stage.connect()
    ledger.fault("/", "401", times=5)
    stage.run()
    ledger.faults.clear()
    assert (stage.row(connection)["held_for"], stage.incidents()) == ("reconnect", ["connection_reconnect"])
    assert is_refused(stage)
    return connection


def test_an_account_that_opens_again_syncs_again(
    stage: ConnectionStage, ledger: LedgerSimulator, refused: UUID
) -> None:
    assert stage.run().outcomes == {}
    for _ in range(2):
        assert opens(stage, refused)
    row = stage.row(refused)
    assert (row["held_for"], row["status"], row["error_count"], row["error_message"]) == (None, "active", 0, None)
    assert (stage.incidents(), is_refused(stage)) == ([], False)
    lines = rows_of(stage.db, "select metadata from integration_activity where action = 'opens_again'")
    assert [line["metadata"] for line in lines] == [{"by": "ada"}]
    assert stage.run().outcomes == {"none": 1}
    assert len(ledger.people()) == 1


def test_an_account_that_stays_closed_stays_held_and_is_reported_once(
    stage: ConnectionStage, ledger: LedgerSimulator, refused: UUID
) -> None:
    ledger.fault("/", "401", times=5)
    assert not opens(stage, refused)
    assert (stage.row(refused)["held_for"], stage.incidents()) == ("reconnect", ["connection_reconnect"])
    assert is_refused(stage)


@pytest.mark.parametrize("fault", ["503", "403"])
def test_a_vendor_that_does_not_say_leaves_everything_as_it_was(
    stage: ConnectionStage, ledger: LedgerSimulator, refused: UUID, fault: str
) -> None:
    ledger.fault("/", fault, times=100)
    with pytest.raises((TransientError, FatalError)):
        opens(stage, refused)
    assert (stage.row(refused)["held_for"], is_refused(stage)) == ("reconnect", True)


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ("status = 'paused', sync_enabled = false", {"status": "paused", "sync_enabled": False}),
        ("sync_enabled = false, remove_requested_at = now()", {"status": "active", "sync_enabled": False}),
        ("confirmed_at = null", {"status": "active", "confirmed_at": None}),
    ],
)
def test_what_somebody_decided_stays(
    stage: ConnectionStage, refused: UUID, change: str, kept: dict[str, object]
) -> None:
    rows_of(stage.db, f"update integration_connections set {change} where id = :id", id=refused)
    before = stage.row(refused)
    assert opens(stage, refused)
    row = stage.row(refused)
    assert {name: row[name] for name in kept} == kept
    assert (row["held_for"], row["remove_requested_at"]) == (None, before["remove_requested_at"])


def test_a_hold_for_a_look_is_no_matter_of_the_account(stage: ConnectionStage) -> None:
    connection = stage.connect(confirmed=False)
    stage.run()
    assert opens(stage, connection)
    assert (stage.row(connection)["held_for"], stage.incidents()) == ("preview", ["connection_held"])


def test_a_refused_grant_of_oauth_is_refreshed_where_the_vendor_lets_it(
    stage: ConnectionStage, ledger: LedgerSimulator
) -> None:
    connection = stage.connect(credentials=ledger.grant(), expires_in=timedelta(hours=-1))
    rows_of(stage.db, "update integration_secrets set refused_generation = generation")
    stage.run()
    assert stage.row(connection)["held_for"] == "reconnect"
    assert opens(stage, connection)
    assert (stage.row(connection)["held_for"], len(ledger.refreshes)) == (None, 1)


def test_an_unknown_connection_and_one_without_a_grant_open_nothing(stage: ConnectionStage) -> None:
    with pytest.raises(RejectedInput):
        opens(stage, uuid4())
    connection = stage.connect()
    rows_of(stage.db, "delete from integration_secrets")
    assert not opens(stage, connection)
