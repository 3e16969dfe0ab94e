"""The base class exactly as the integration document uses it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from crm_relay.connections.base import BaseIntegrationSync
from crm_relay.connections.models import SyncResult
from crm_relay.platform.errors import RejectedInput, ServerFailed
from crm_relay.platform.sql import Json
from tests.support.connections.connection_stage import ConnectionStage
from tests.support.connections.ledger_simulator import KEY, LedgerSimulator
from tests.support.platform.rows import one, rows_of

EXPIRED = datetime(2020, 1, 1, tzinfo=UTC)


class DocumentSync(BaseIntegrationSync):
    """The document's AirtableSync, line by line."""

    fails_with: Exception | None = None

    def get_integration_name(self) -> str:
        return "ledger"

    def validate_credentials(self) -> bool:
        assert self.config is not None
        return self.config.credentials.get("api_key") == KEY == self.config.api_key

    def sync_to_external(self, records: Any) -> SyncResult:
        start_time = self.now()
        try:
            self.ensure_initialized()
            assert self.config is not None
            if self.fails_with is not None:
                raise self.fails_with  # noqa: TRY301 - the document's shape
            result = SyncResult(
                success=True,
                direction="to_external",
                records_synced=len(records),
                records_created=len(records),
                records_updated=0,
                records_failed=0,
                errors=(),
                duration_ms=5,
                started_at=start_time,
                completed_at=self.now(),
                metadata={"base": self.config.settings["base_id"]},
            )
            self.log_sync_activity(result)
            return result
        except Exception as error:  # noqa: BLE001 - the document's shape
            self.handle_sync_error(error)
            return self.create_failed_result("to_external", error, start_time)

    def sync_from_external(self) -> SyncResult:
        return self.create_failed_result("from_external", RejectedInput("not implemented"), self.now())


class OwnRefreshSync(DocumentSync):
    """The document's GmailSync: it asks its provider itself."""

    asked = 0

    def refresh_oauth_token(self) -> str:
        self.ensure_initialized()
        assert self.config is not None
        assert self.config.refresh_token is not None
        self.asked += 1
        tokens = {"access_token": f"own-{self.asked}", "expires_in": 3600}
        self.update_oauth_tokens(tokens)
        return str(tokens["access_token"])


def insert(stage: ConnectionStage, credentials: dict[str, Any], label: str | None = None) -> UUID:
    """By hand, in clear, as the document does."""
    row = one(
        stage.db,
        """insert into integration_connections
               (workspace_id, integration_type, label, credentials, settings, sync_enabled)
           values (:workspace, 'ledger', :label, :credentials, :settings, true) returning id""",
        workspace=stage.workspace,
        label=label,
        credentials=Json(credentials),
        settings=Json({"base_id": "appXXXXXXXXXXXXXX", "table_id": "tblXXXXXXXXXXXXXX"}),
    )
    return UUID(str(row["id"]))


def test_the_first_example_of_the_document(stage: ConnectionStage) -> None:
    connection = insert(stage, {"api_key": KEY})
    stage.contact("ada@example.com", first_name="Ada")
    sync = DocumentSync(stage.workspace, stage.db, context=stage.context)
    sync.initialize()

    assert sync.validate_credentials()
    contacts = sync.get_workspace_contacts()
    result = sync.sync_to_external(contacts)

    assert [each["email"] for each in contacts] == ["ada@example.com"]
    assert result.records_synced == 1
    assert stage.row(connection)["credentials"] == {}
    stored = one(stage.db, "select ciphertext from integration_secrets")["ciphertext"]
    assert KEY.encode() not in bytes(stored)
    log = one(stage.db, "select * from integration_sync_logs")
    assert (log["direction"], log["records_created"], log["errors"], log["duration_ms"]) == ("to_external", 1, [], 5)
    assert log["metadata"] == {"base": "appXXXXXXXXXXXXXX"}
    assert sync.get_last_sync_at() is not None


def test_every_field_of_the_config_is_read(stage: ConnectionStage, ledger: LedgerSimulator) -> None:
    granted = ledger.grant()
    expires = datetime.now(UTC) + timedelta(hours=1)
    insert(
        stage,
        {
            "access_token": granted["access_token"],
            "refresh_token": granted["refresh_token"],
            "token_expires_at": expires.isoformat(),
        },
        "sales",
    )
    sync = DocumentSync(str(stage.workspace), stage.db, "sales", context=stage.context)
    sync.initialize()
    config = sync.config

    assert config is not None
    assert (config.workspace_id, config.integration_name, config.label) == (stage.workspace, "ledger", "sales")
    assert (config.access_token, config.refresh_token) == (granted["access_token"], granted["refresh_token"])
    assert (config.token_expires_at, config.api_key) == (expires, None)
    assert (config.status, config.enabled, config.error_message, config.error_count) == ("active", True, None, 0)
    assert (config.last_sync_at, config.sync_frequency_minutes) == (None, 15)
    assert config.created_at is not None
    assert config.updated_at is not None
    assert config.id == one(stage.db, "select id from integration_connections")["id"]
    assert granted["access_token"] not in repr(config)


def test_an_expired_token_is_refreshed_by_initialize(stage: ConnectionStage, ledger: LedgerSimulator) -> None:
    granted = ledger.grant()
    insert(stage, granted | {"token_expires_at": EXPIRED.isoformat()})
    sync = DocumentSync(stage.workspace, stage.db, context=stage.context)
    sync.initialize()

    assert ledger.refreshes == [granted["refresh_token"]]
    assert sync.config is not None
    assert sync.config.access_token in ledger.access
    assert sync.config.refresh_token != granted["refresh_token"]


def test_a_subclass_may_refresh_by_itself(stage: ConnectionStage) -> None:
    insert(stage, {"access_token": "old", "refresh_token": "kept", "token_expires_at": EXPIRED.isoformat()})
    sync = OwnRefreshSync(stage.workspace, stage.db, context=stage.context)
    sync.initialize()

    assert sync.asked == 1
    assert sync.config is not None
    assert (sync.config.access_token, sync.config.refresh_token) == ("own-1", "kept")


def test_three_failures_in_a_row_make_it_error_and_outages_count_for_none(stage: ConnectionStage) -> None:
    connection = insert(stage, {"api_key": KEY})
    sync = DocumentSync(stage.workspace, stage.db, context=stage.context)
    sync.initialize()
    states = []
    for error in (ServerFailed("away"), RejectedInput("wrong"), ServerFailed("away"), RejectedInput("wrong")):
        sync.fails_with = error
        assert not sync.sync_to_external([]).success
        states.append((sync.get_status(), stage.row(connection)["error_count"]))
    assert states == [("active", 0), ("active", 1), ("active", 1), ("active", 2)]

    result = sync.sync_to_external([])
    assert (result.success, result.errors) == (False, ("wrong",))
    assert sync.get_status() == "error"
    assert stage.incidents() == ["connection_failing"]
    lines = rows_of(stage.db, "select action, success, error_message from integration_activity order by created_at")
    assert lines[-1] == {"action": "sync_failed", "success": False, "error_message": "wrong"}

    sync.fails_with = None
    sync.sync_to_external([])
    assert (sync.get_status(), stage.row(connection)["error_count"], stage.incidents()) == ("active", 0, [])


def test_what_has_to_come_first_is_said(stage: ConnectionStage) -> None:
    sync = DocumentSync(stage.workspace, stage.db, context=stage.context)
    with pytest.raises(RuntimeError, match="initialize"):
        sync.ensure_initialized()
    with pytest.raises(RejectedInput, match="no connection of ledger"):
        sync.initialize()


def test_several_connections_are_told_apart_by_label(stage: ConnectionStage) -> None:
    insert(stage, {"api_key": KEY}, "sales")
    insert(stage, {"api_key": "other"}, "support")
    with pytest.raises(RejectedInput, match="sales, support"):
        DocumentSync(stage.workspace, stage.db, context=stage.context).initialize()
    sync = DocumentSync(stage.workspace, stage.db, "support", context=stage.context)
    sync.initialize()
    assert sync.config is not None
    assert sync.config.api_key == "other"


def test_disable_and_enable(stage: ConnectionStage) -> None:
    insert(stage, {"api_key": KEY})
    sync = DocumentSync(stage.workspace, stage.db, context=stage.context)
    sync.initialize()
    sync.disable()
    assert (sync.get_status(), sync.is_enabled()) == ("paused", False)
    sync.enable()
    assert (sync.get_status(), sync.is_enabled()) == ("active", True)


def test_config_is_saved(stage: ConnectionStage) -> None:
    insert(stage, {"api_key": KEY})
    sync = DocumentSync(stage.workspace, stage.db, context=stage.context)
    sync.initialize()
    assert sync.config is not None
    sync.save_config(replace(sync.config, settings={"direction": "out"}, sync_frequency_minutes=60, label="renamed"))
    again = DocumentSync(stage.workspace, stage.db, "renamed", context=stage.context)
    again.initialize()
    assert again.config is not None
    assert (again.config.settings, again.config.sync_frequency_minutes) == ({"direction": "out"}, 60)
    with pytest.raises(RejectedInput, match="wrong"):
        sync.save_config(replace(sync.config, settings={"direction": "sideways"}))


def test_tables_of_an_application_are_allow_listed(stage: ConnectionStage) -> None:
    insert(stage, {"api_key": KEY})
    contact = stage.contact("ada@example.com")
    rows_of(
        stage.db,
        "insert into pitches (workspace_id, contact_id, subject) values (:workspace, :contact, 'Hello')",
        workspace=stage.workspace,
        contact=contact,
    )
    sync = DocumentSync(stage.workspace, stage.db, context=stage.context)
    sync.initialize()
    (pitch,) = sync.get_app_contacts("pitches")
    assert (pitch["address"], pitch["subject"], pitch["status"]) == ("ada@example.com", "Hello", "draft")
    with pytest.raises(RejectedInput, match="no such table"):
        sync.get_app_contacts("integration_secrets")
