"""Connections are synced when they are due, and none of them stops another."""

from datetime import timedelta

from crm_relay.connections.decisions import next_month
from crm_relay.connections.engine.run_due import keep_grants_alive
from crm_relay.platform.clock import Deadline
from tests.support.connections.connection_stage import ConnectionStage
from tests.support.connections.ledger_simulator import LedgerSimulator
from tests.support.platform.rows import one, rows_of


def test_a_broken_connection_stops_no_other_one(stage: ConnectionStage, ledger: LedgerSimulator) -> None:
    stage.contact("ada@example.com")
    broken = stage.connect({"fields": "none"}, label="broken")
    keyless = stage.connect(label="without a key")
    rows_of(stage.db, "delete from integration_secrets where connection_id = :id", id=keyless)
    garbled = stage.connect(label="garbled")
    rows_of(stage.db, "update integration_secrets set ciphertext = '\\x00' where connection_id = :id", id=garbled)
    stage.connect(label="good")

    report = stage.run()

    assert report.outcomes["none"] == 1
    assert len(ledger.people()) == 1
    assert "settings lack" in stage.row(broken)["error_message"]
    assert stage.row(keyless)["held_for"] == "reconnect"
    assert "decrypted" in stage.row(garbled)["error_message"]
    assert stage.run().outcomes == {}


def test_an_error_is_probed_with_growing_pauses_and_recovers_alone(
    stage: ConnectionStage, ledger: LedgerSimulator
) -> None:
    connection = stage.connect()
    ledger.fault("/people", "403", times=100)
    pauses = []
    for _ in range(6):
        before = stage.now()
        stage.run()
        pauses.append(stage.row(connection)["next_sync_at"] - before)
        stage.ahead += pauses[-1] + timedelta(seconds=1)
    minutes = [round(each.total_seconds() / 60) for each in pauses]
    assert minutes == [15, 15, 30, 60, 120, 240]
    assert (stage.row(connection)["status"], stage.incidents()) == ("error", ["connection_failing"])

    ledger.faults.clear()
    stage.run()
    assert (stage.row(connection)["status"], stage.row(connection)["error_count"]) == ("active", 0)
    assert stage.incidents() == []


def test_an_outage_is_no_failure(stage: ConnectionStage, ledger: LedgerSimulator) -> None:
    connection = stage.connect()
    ledger.fault("/people", "503", times=100)
    for _ in range(5):
        stage.run()
        stage.ahead += timedelta(hours=3)
    assert (stage.row(connection)["status"], stage.row(connection)["error_count"]) == ("active", 0)
    assert stage.incidents() == []


def test_the_limit_of_a_plan_is_not_probed(stage: ConnectionStage, ledger: LedgerSimulator) -> None:
    connection = stage.connect()
    ledger.fault("/people", "billing")
    stage.run()
    row = stage.row(connection)
    assert (row["held_for"], row["status"], row["next_sync_at"].day) == ("billing", "active", 1)
    requests = len(ledger.requests)
    stage.run()
    assert len(ledger.requests) == requests
    stage.ahead = row["next_sync_at"] - stage.now() + timedelta(seconds=5)
    assert stage.run().outcomes == {"none": 1}
    assert stage.row(connection)["held_for"] is None


def test_a_spent_budget_keeps_what_was_done_and_goes_on_later(stage: ConnectionStage, ledger: LedgerSimulator) -> None:
    for number in range(30):
        stage.contact(f"p{number:02}@example.com")
    connection = stage.connect({"monthly_requests": 6})
    began = stage.now()
    report = stage.run()
    assert report.outcomes == {"partial": 1}
    done = len(ledger.people())
    assert 0 < done < 30
    row = stage.row(connection)
    assert (row["status"], row["error_count"]) == ("active", 0)
    assert row["next_sync_at"] >= next_month(began)
    assert one(stage.db, "select used from integration_limits where scope like '%budget%'")["used"] <= 6
    rows_of(stage.db, "update integration_limits set month = month - 40")
    rows_of(
        stage.db, "update integration_connections set settings = settings - 'monthly_requests', next_sync_at = now()"
    )
    stage.run()
    assert len(ledger.people()) == 30
    assert max(ledger.writes.values()) == 1


def test_idle_grants_are_refreshed_daily(stage: ConnectionStage, ledger: LedgerSimulator) -> None:
    connection = stage.connect(credentials=ledger.grant(), expires_in=timedelta(days=30))
    paused = stage.connect(credentials=ledger.grant(), expires_in=timedelta(days=30), label="paused")
    rows_of(stage.db, "update integration_connections set status = 'paused' where id = :id", id=paused)
    deadline = Deadline.after(100)
    assert keep_grants_alive(stage.db, stage.context, stage.now, deadline) == 0
    rows_of(stage.db, "update integration_secrets set refreshed_at = now() - interval '25 hours'")
    assert keep_grants_alive(stage.db, stage.context, stage.now, deadline) == 2
    assert keep_grants_alive(stage.db, stage.context, stage.now, deadline) == 0
    assert len(ledger.refreshes) == 2
    assert stage.row(connection)["status"] == "active"


def test_two_workers_never_sync_one_connection_at_once(stage: ConnectionStage) -> None:
    connection = stage.connect()
    rows_of(
        stage.db,
        "update integration_connections set leased_until = now() + interval '5 minutes' where id = :id",
        id=connection,
    )
    assert stage.run().outcomes == {}
    result = stage.open(connection).sync()
    assert (result.success, result.errors) == (False, ("another sync of this connection is running",))
