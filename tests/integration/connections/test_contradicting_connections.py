"""What the integrity check finds of connections: each fault planted and found, and nothing in a sound life."""

from datetime import timedelta
from uuid import UUID

import pytest

from crm_relay.integrity.look import look_at_connections
from crm_relay.integrity.models import Finding, Inspection, Looked
from crm_relay.platform.clock import Deadline
from tests.support.connections.connection_stage import ConnectionStage
from tests.support.connections.ledger_simulator import LedgerSimulator
from tests.support.platform.rows import one, rows_of


def looked(stage: ConnectionStage) -> Looked:
    return look_at_connections(
        Inspection(stage.db, None, stage.now, Deadline.after(60), lambda: False)  # type: ignore[arg-type]
    )


def found(stage: ConnectionStage) -> list[str]:
    return [finding.what for finding in looked(stage).findings]


@pytest.fixture
def lived(stage: ConnectionStage, ledger: LedgerSimulator) -> UUID:
    """Synced by OAuth, beside one that is paused, one that waits for a look, and one that is disconnected."""
    stage.contact("ada@example.com")
    connection = stage.connect(credentials=ledger.grant(), expires_in=timedelta(days=30))
    stage.connect(label="to be looked at", confirmed=False)
    stage.run()
    for status in ("paused", "disconnected"):
        other = stage.connect(label=status)
        rows_of(stage.db, "update integration_connections set status = :status where id = :id", status=status, id=other)
    return connection


def plant(stage: ConnectionStage, connection: UUID, fault: str, ago: timedelta) -> None:
    rows_of(stage.db, fault, id=connection, then=stage.now() - ago)


AN_HOUR, A_DAY, A_WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
FAULTS = {
    "due for more than an hour": (
        "update integration_connections set next_sync_at = :then where id = :id",
        AN_HOUR,
        "integration_connections",
    ),
    "its lease has died": (
        "update integration_connections set lease = gen_random_uuid(), leased_until = :then where id = :id",
        AN_HOUR,
        "integration_connections",
    ),
    "the refresh of its token has died": (
        "update integration_secrets set lease = gen_random_uuid(), refresh_until = :then where connection_id = :id",
        AN_HOUR,
        "integration_secrets",
    ),
    "active without a stored credential": (
        (
            "with gone as (delete from integration_secrets where connection_id = :id) "
            "update integration_connections set updated_at = :then where id = :id"
        ),
        AN_HOUR,
        "integration_connections",
    ),
    "records refused for more than a day": (
        (
            "insert into integration_rejects (connection_id, stream, direction, record_id, reason, first_at, retry_at) "
            "select :id, 'main', 'to_external', n::text, 'too long', :then, now() from generate_series(1, 3) n"
        ),
        A_DAY,
        "integration_rejects",
    ),
    "a complete pass that never ended": (
        "update integration_checkpoints set pass_began_at = :then where connection_id = :id",
        A_WEEK,
        "integration_checkpoints",
    ),
}
each_fault = pytest.mark.parametrize("what", FAULTS)


def test_a_sound_life_has_no_finding(stage: ConnectionStage, lived: UUID) -> None:
    assert looked(stage) == Looked()


@each_fault
def test_every_fault_is_found_once_it_has_lasted(stage: ConnectionStage, lived: UUID, what: str) -> None:
    fault, limit, entity = FAULTS[what]
    plant(stage, lived, fault, limit + timedelta(minutes=1))
    (finding,) = looked(stage).findings
    assert (finding.entity, finding.what, finding.row_id.split()[0]) == (entity, what, str(lived))


@each_fault
def test_no_fault_is_found_before(stage: ConnectionStage, lived: UUID, what: str) -> None:
    fault, limit, _ = FAULTS[what]
    plant(stage, lived, fault, limit - timedelta(minutes=1))
    assert found(stage) == []


@each_fault
@pytest.mark.parametrize(
    "waits",
    [
        "held_for = 'reconnect'",
        "held_for = 'preview'",
        "status = 'paused'",
        "status = 'disconnected'",
        "sync_enabled = false",
        "remove_requested_at = now()",
    ],
)
def test_what_waits_for_somebody_is_no_finding(stage: ConnectionStage, lived: UUID, what: str, waits: str) -> None:
    fault, limit, _ = FAULTS[what]
    plant(stage, lived, fault, limit + timedelta(minutes=1))
    rows_of(stage.db, f"update integration_connections set {waits} where id = :id", id=lived)
    assert found(stage) == []


def test_refusals_are_one_finding_a_stream_and_name_no_record(stage: ConnectionStage, lived: UUID) -> None:
    fault, limit, _ = FAULTS["records refused for more than a day"]
    plant(stage, lived, fault, limit + timedelta(minutes=1))
    assert looked(stage).findings == (
        Finding(
            "integration_rejects",
            f"{lived} main to_external",
            "records refused for more than a day",
            {"state": "active", "other": "3"},
        ),
    )


def test_several_faults_of_one_connection_are_one_finding_a_row(stage: ConnectionStage, lived: UUID) -> None:
    for what in ("due for more than an hour", "active without a stored credential"):
        fault, limit, _ = FAULTS[what]
        plant(stage, lived, fault, limit + timedelta(minutes=1))
    assert (looked(stage).total, found(stage)) == (1, ["active without a stored credential"])


def test_a_run_that_was_away_leaves_nothing_to_find(stage: ConnectionStage, lived: UUID) -> None:
    for what in ("its lease has died", "due for more than an hour"):
        fault, limit, _ = FAULTS[what]
        plant(stage, lived, fault, limit + timedelta(minutes=1))
    assert found(stage) == ["its lease has died"]
    stage.run()
    assert found(stage) == []
    assert one(stage.db, "select leased_until from integration_connections where id = :id", id=lived) == {
        "leased_until": None
    }
