"""What the doctor says of connectors: the advice of those alone for which an OAuth app is set."""

from dataclasses import replace

import pytest

from cli.doctor.connections import check_of, examine_connections
from crm_relay.providers.connectors.setup import set_up
from tests.support.connections.connection_stage import APP
from tests.support.connections.ledger_connector import OAUTH, LedgerConnector

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
