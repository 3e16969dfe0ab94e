"""A yes is for what was shown: whatever was decided, changed or interrupted meanwhile is shown again."""

from typing import Any
from uuid import UUID

import pytest

from crm_relay.connections import store, trouble
from crm_relay.connections.change_settings import change_settings
from crm_relay.connections.steer import ConnectionChange, steer
from crm_relay.platform.errors import RejectedInput
from tests.support.connections.connection_stage import ConnectionStage
from tests.support.connections.ledger_simulator import LedgerSimulator
from tests.support.platform.rows import rows_of


def confirm(stage: ConnectionStage, connection: UUID) -> None:
    steer(stage.db, connection, ConnectionChange.CONFIRM, "ada", stage.now())


def archive(stage: ConnectionStage, connection: UUID) -> None:
    change_settings(stage.db, connection, {"when_removed_there": "archive"}, None, "bob", stage.now())


def test_a_yes_before_anything_was_shown_is_refused(stage: ConnectionStage, ledger: LedgerSimulator) -> None:
    stage.contact("ada@example.com")
    connection = stage.connect(confirmed=False)
    with pytest.raises(RejectedInput, match="preview"):
        confirm(stage, connection)
    stage.run()
    assert ledger.people() == {}
    assert stage.row(connection)["held_for"] == "preview"
    for _ in range(2):
        confirm(stage, connection)
    stage.run()
    assert len(ledger.people()) == 1


def test_a_yes_to_a_preview_is_not_one_to_settings_that_were_changed_since(
    stage: ConnectionStage, ledger: LedgerSimulator
) -> None:
    stage.contact("ada@example.com")
    connection = stage.connect(confirmed=False)
    stage.run()
    archive(stage, connection)
    with pytest.raises(RejectedInput, match="preview"):
        confirm(stage, connection)
    stage.run()
    assert ledger.people() == {}


def test_a_preview_of_former_settings_holds_nothing(
    stage: ConnectionStage, ledger: LedgerSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.contact("ada@example.com")
    connection = stage.connect(confirmed=False)
    shown = trouble.hold

    def late(*given: Any) -> Any:
        archive(stage, connection)
        return shown(*given)

    with monkeypatch.context() as patched:
        patched.setattr(trouble, "hold", late)
        stage.run()
    assert stage.row(connection)["held_for"] is None
    stage.run()
    assert stage.row(connection)["held_for"] == "preview"


def test_a_yes_to_a_removal_is_not_one_to_settings_that_nobody_previewed(stage: ConnectionStage) -> None:
    connection = stage.connect()
    archive(stage, connection)
    rows_of(stage.db, "update integration_connections set held_for = 'confirmation' where id = :id", id=connection)
    confirm(stage, connection)
    row = stage.row(connection)
    assert (row["held_for"], row["confirmed_at"]) == (None, None)


def test_a_process_that_dies_while_settings_are_changed_has_changed_nothing_or_all(
    stage: ConnectionStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = stage.connect()
    with monkeypatch.context() as patched:
        patched.setattr(store, "ask_again", _die)
        with pytest.raises(KeyboardInterrupt):
            archive(stage, connection)
    row = stage.row(connection)
    assert ("when_removed_there" in row["settings"], row["confirmed_at"] is None) in {(False, False), (True, True)}


def test_who_has_to_look_is_told_before_the_connection_waits(
    stage: ConnectionStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = stage.connect(confirmed=False)
    with monkeypatch.context() as patched:
        patched.setattr(trouble, "open_incidents", _die)
        with pytest.raises(KeyboardInterrupt):
            stage.run()
    stage.run()
    assert (stage.row(connection)["held_for"], stage.incidents()) == ("preview", ["connection_held"])


def _die(*_given: object, **_more: object) -> None:
    raise KeyboardInterrupt
