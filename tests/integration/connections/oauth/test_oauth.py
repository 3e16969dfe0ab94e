"""Accounts are connected by OAuth once, by who began, in the browser that began; and taken back."""

from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from crm_relay.connections import store
from crm_relay.connections.disconnect import disconnect
from crm_relay.connections.oauth.connect import OAuthStart, begin, finish
from crm_relay.connections.oauth.ticket import make_ticket
from crm_relay.platform.errors import RejectedInput
from crm_relay.providers.connectors.failures import ReconnectNeeded
from tests.support.connections.connection_stage import FIELDS, ConnectionStage
from tests.support.connections.ledger_simulator import LedgerSimulator
from tests.support.platform.rows import one, rows_of

BACK = "https://crm.example.com/oauth/ledger/callback"


def started(stage: ConnectionStage, connection: UUID | None = None) -> OAuthStart:
    ticket = make_ticket(
        stage.db,
        provider="ledger",
        workspace=stage.workspace,
        started_by="Ada",
        now=stage.now(),
        connection=connection,
        settings={"book": "main", "fields": FIELDS},
    )
    return begin(stage.db, stage.context, "ledger", ticket, BACK, stage.now())


def consent(ledger: LedgerSimulator, start: OAuthStart) -> str:
    """What the provider does once somebody agreed: a code that is bound to the challenge."""
    query = parse_qs(urlsplit(start.address).query)
    assert query["code_challenge_method"] == ["S256"]
    assert query["redirect_uri"] == [BACK]
    ledger.codes["the-code"] = query["code_challenge"][0]
    return "the-code"


def finished(stage: ConnectionStage, start: OAuthStart, code: str | None, **more: Any) -> UUID:
    given = {"state": start.state, "cookie": start.state, "code": code, "redirect_uri": BACK, "now": stage.now()} | more
    return finish(stage.db, stage.context, given.pop("provider", "ledger"), **given)


def test_an_account_is_connected_and_its_first_sync_only_previews(
    stage: ConnectionStage, ledger: LedgerSimulator
) -> None:
    stage.contact("ada@example.com")
    start = started(stage)
    connection = finished(stage, start, consent(ledger, start))

    report = stage.run()

    assert report.outcomes == {"none": 1}
    row = stage.row(connection)
    assert (row["held_for"], row["confirmed_at"]) == ("preview", None)
    assert row["held_details"] == {"consequences": {"main": ["would create 1 record(s) there"]}}
    assert ledger.people() == {}
    assert store.lift_hold(stage.db, connection, stage.now())
    stage.run()
    assert len(ledger.people()) == 1
    stored = [one(stage.db, "select row_to_json(integration_oauth_states)::text as text from integration_oauth_states")]
    assert start.state not in stored[0]["text"]


def test_a_state_is_good_once_in_its_browser_for_its_provider_and_for_a_while(
    stage: ConnectionStage, ledger: LedgerSimulator
) -> None:
    start = started(stage)
    code = consent(ledger, start)
    for wrong in ({"cookie": None}, {"cookie": "another"}, {"provider": "nobody"}, {"state": "x", "cookie": "x"}):
        with pytest.raises(RejectedInput):
            finished(stage, start, code, **wrong)
    finished(stage, start, code)
    with pytest.raises(RejectedInput, match="used already"):
        finished(stage, start, code)
    late = started(stage)
    rows_of(stage.db, "update integration_oauth_states set expires_at = now() where used_at is null")
    with pytest.raises(RejectedInput, match="older"):
        finished(stage, late, consent(ledger, late))
    assert one(stage.db, "select count(*) as n from integration_connections")["n"] == 1


def test_a_ticket_is_good_once(stage: ConnectionStage) -> None:
    ticket = make_ticket(stage.db, provider="ledger", workspace=stage.workspace, started_by="Ada", now=stage.now())
    begin(stage.db, stage.context, "ledger", ticket, BACK, stage.now())
    with pytest.raises(RejectedInput, match="used already"):
        begin(stage.db, stage.context, "ledger", ticket, BACK, stage.now())


def test_a_lost_grant_is_reported_once_and_a_new_one_is_caught_up(
    stage: ConnectionStage, ledger: LedgerSimulator
) -> None:
    connection = stage.connect(credentials=ledger.grant())
    stage.run()
    ledger.access.clear()
    ledger.refresh_tokens.clear()
    stage.contact("ada@example.com")
    for _ in range(3):
        rows_of(stage.db, "update integration_connections set next_sync_at = now() - interval '1 hour'")
        stage.run()

    assert stage.incidents() == ["connection_reconnect"]
    assert (stage.row(connection)["status"], stage.row(connection)["held_for"]) == ("error", "reconnect")
    assert len(ledger.refreshes) == 1
    with pytest.raises(ReconnectNeeded):
        stage.open(connection).refresh_oauth_token()

    start = started(stage, connection)
    assert finished(stage, start, consent(ledger, start)) == connection
    stage.run()
    assert [each["f_mail"] for each in ledger.people().values()] == ["ada@example.com"]
    assert stage.incidents() == []
    assert (stage.row(connection)["status"], stage.row(connection)["held_for"]) == ("active", None)


def test_disconnecting_revokes_and_forgets(stage: ConnectionStage, ledger: LedgerSimulator) -> None:
    granted = ledger.grant()
    connection = stage.connect(credentials=granted)
    row = store.find_connection(stage.db, connection)
    assert row is not None

    assert disconnect(stage.db, stage.context, row, stage.now, "Ada").was_revoked

    assert ledger.revoked == [granted["refresh_token"]]
    assert rows_of(stage.db, "select * from integration_secrets") == []
    assert stage.row(connection)["status"] == "disconnected"
    assert stage.run().outcomes == {}
