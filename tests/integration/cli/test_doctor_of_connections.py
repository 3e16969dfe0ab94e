"""What the doctor says of connectors: the advice of those alone for which an OAuth app is set."""

from dataclasses import replace

import pytest

from cli.doctor.connections import check_of, examine_accounts, examine_connections
from crm_relay.connections.accounts.add_by_key import KeyedAccount, add_by_key
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from crm_relay.providers.connectors.setup import set_up
from tests.support.connections.connection_stage import APP, ConnectionStage
from tests.support.connections.ledger_connector import OAUTH, LedgerConnector
from tests.support.connections.ledger_simulator import LedgerSimulator
from tests.support.platform.rows import rows_of

ADVICE = "in the mode Testing a grant ends after seven days: publish the app"


def test_advice_is_said_where_an_app_is_set() -> None:
    connector = LedgerConnector(oauth=replace(OAUTH, advice=ADVICE))
    said = check_of(set_up(connector, app=APP))
    assert (said.what, said.verdict, said.found) == ("connections ledger", "worth a look", ADVICE)
    assert check_of(set_up(connector)).verdict == "good"
    assert check_of(set_up(LedgerConnector(), app=APP)).found == "an OAuth app is set"


def test_each_connector_has_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTION_KEY", "alias/connections")
    monkeypatch.setenv("AIRTABLE_CLIENT_ID", "client")
    monkeypatch.setenv("GOOGLE_CLIENT_ID", "client")
    monkeypatch.setenv("GOOGLE_CLIENT_SECRET", "secret")
    monkeypatch.delenv("CRM_RELAY_SECRET_ID", raising=False)
    found = {each.what: each for each in examine_connections()}
    assert found["connections airtable"].found == "an OAuth app is set"
    assert "Testing" in found["connections gmail"].found
    assert {name for name, each in found.items() if each.verdict != "good"} == {"connections gmail"}


def test_an_installation_without_a_key_is_said_to_connect_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONNECTION_KEY", raising=False)
    monkeypatch.delenv("CRM_RELAY_SECRET_ID", raising=False)
    (line,) = examine_connections()
    assert (line.verdict, "CONNECTION_KEY" in line.found) == ("worth a look", True)


def test_accounts_that_do_not_sync_are_named_with_what_they_wait_for(database: Database, database_url: str) -> None:
    with LedgerSimulator() as ledger:
        stage = ConnectionStage(database, database_url, ledger.url)
        held = stage.connect(confirmed=False)
        stage.run()
        (line, whole) = examine_accounts(database)
        assert (line.verdict, line.found) == ("worth a look", f"waits for preview: crm-relay connection show {held}")
        assert whole.found == "0 of 1 sync"
        rows_of(database, "update integration_connections set held_for = null, confirmed_at = now()")
        assert [each.found for each in examine_accounts(database)] == ["1 of 1 sync"]


def test_an_integration_of_oauth_alone_takes_no_key(database: Database, database_url: str) -> None:
    with LedgerSimulator() as ledger:
        stage = ConnectionStage(database, database_url, ledger.url, LedgerConnector(takes_keys=False))
        wanted = KeyedAccount("ledger", stage.workspace)
        with pytest.raises(RejectedInput, match="OAuth alone"):
            add_by_key(database, stage.context, wanted, "key", stage.now, "a test")
    assert rows_of(database, "select 1 as n from integration_connections") == []
