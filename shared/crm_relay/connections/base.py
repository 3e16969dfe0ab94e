"""BaseIntegrationSync of the integration document: what every sync of a workspace's account is made of.

>>> class AirtableSync(BaseIntegrationSync): ...  # doctest: +SKIP
>>> sync = AirtableSync(workspace_id, db)  # doctest: +SKIP
>>> sync.initialize()  # doctest: +SKIP
>>> result = sync.sync_to_external(sync.get_workspace_contacts())  # doctest: +SKIP
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.connections import store, trouble
from crm_relay.connections.config import config_of, failed_result
from crm_relay.connections.decisions import after_run, classify
from crm_relay.connections.engine.sync_settings import read_sync_settings
from crm_relay.connections.installed.context import ConnectionContext
from crm_relay.connections.installed.environment import default_context
from crm_relay.connections.models import Direction, IntegrationConfig, SyncResult
from crm_relay.connections.own_tokens import OwnTokens
from crm_relay.connections.store import ConnectionRow
from crm_relay.connections.tokens.grants import move_plaintext, put_grant, read_grant
from crm_relay.platform.clock import Clock, clock_in_step
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput, describe_error
from crm_relay.platform.shared_clock.server_time import server_time

APP_TABLES = ("contacts", "pitches")
"""What `get_app_contacts` may read: tables of a workspace with an address."""


class BaseIntegrationSync(ABC):
    """One connection of a workspace, by its kind, and by its label where there are several of them.

    `initialize` has to be called first. `context` and `clock`: those of the environment where none are given.
    """

    def __init__(
        self,
        workspace_id: UUID | str,
        db: Database,
        label: str | None = None,
        *,
        context: ConnectionContext | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.workspace_id = workspace_id if isinstance(workspace_id, UUID) else UUID(workspace_id)
        self.db = db
        self.label = label
        self.config: IntegrationConfig | None = None
        self._row: ConnectionRow | None = None
        self._tokens: OwnTokens | None = None
        self._clock = clock
        self._context = context

    @abstractmethod
    def get_integration_name(self) -> str:
        """Such as `airtable`: the `integration_type` of its rows."""

    @abstractmethod
    def validate_credentials(self) -> bool:
        """Whether the account can be opened, by one light request."""

    @abstractmethod
    def sync_to_external(self, records: Sequence[Mapping[str, Any]]) -> SyncResult:
        """Send records; never raises for what a vendor does."""

    @abstractmethod
    def sync_from_external(self) -> SyncResult:
        """Take over what changed there; never raises for what a vendor does."""

    # Public

    def initialize(self) -> None:
        """Read the connection, encrypt credentials that were inserted by hand, and refresh a token that has expired.

        Raises RejectedInput where the workspace has no such connection or several, ReconnectNeeded, TransientError.
        """
        self.initialize_as(self._find())

    def initialize_as(self, row: ConnectionRow) -> None:
        """The same for a connection that was found by its id. Errors as in `initialize`."""
        self._row = row
        if row.has_plaintext:
            move_plaintext(self.db, self.context.vault, row.id)
        is_own = type(self).refresh_oauth_token is BaseIntegrationSync.refresh_oauth_token
        self._tokens = OwnTokens(self, row.id, is_own=is_own)
        self.config = config_of(row, read_grant(self.db, self.context.vault, row.id))
        self.ensure_valid_token()

    def get_status(self) -> str:
        """active, paused, error or disconnected, as it is now."""
        return self._current().status

    def is_enabled(self) -> bool:
        """Whether it syncs: switched on, and neither paused nor disconnected."""
        row = self._current()
        return row.enabled and row.status in {"active", "error"}

    def get_last_sync_at(self) -> datetime | None:
        """None: never."""
        return self._current().last_sync_at

    def disable(self) -> None:
        """Pause it: nothing is synced until `enable`."""
        store.set_enabled(self.db, self.connection.id, self.now(), enabled=False)
        self.log_activity({"action": "disabled", "success": True})
        self.load_config()

    def enable(self) -> None:
        """Resume it; what was missed is caught up."""
        store.set_enabled(self.db, self.connection.id, self.now(), enabled=True)
        self.log_activity({"action": "enabled", "success": True})
        self.load_config()

    # Protected, in the words of the document

    def ensure_initialized(self) -> None:
        """Raises RuntimeError before `initialize`."""
        if self.config is None:
            raise RuntimeError("the integration is not initialized: call initialize() first")

    def load_config(self) -> IntegrationConfig:
        """Read it again, decrypted."""
        row = self._current()
        self.config = config_of(row, read_grant(self.db, self.context.vault, row.id))
        return self.config

    def save_config(self, config: IntegrationConfig) -> None:
        """Settings, label and frequency; and credentials, where they are other ones than the stored ones."""
        now, row = self.now(), self.connection
        read_sync_settings(config.settings)
        store.save_settings(self.db, row.id, config.settings, config.sync_frequency_minutes, config.label, now)
        if config.credentials and self.config is not None and config.credentials != self.config.credentials:
            put_grant(self.db, self.context.vault, row.id, config.credentials, config.token_expires_at)
            self.tokens.forget()
        self.log_activity({"action": "config_saved", "success": True})
        self.label = config.label
        self.load_config()

    def ensure_valid_token(self) -> None:
        """Refresh a token that has expired or soon will; nothing to do for a key.

        Raises ReconnectNeeded, TransientError.
        """
        if self.tokens.ensure_valid():
            self.load_config()

    def refresh_oauth_token(self) -> str:
        """Refresh now; the new access token. A subclass may ask its provider itself, and call update_oauth_tokens."""
        token = self.tokens.renew()
        self.load_config()
        return token

    def update_oauth_tokens(self, tokens: Mapping[str, Any]) -> None:
        """Store a provider's answer: access_token, and expires_in and refresh_token where it has them.

        Without a refresh_token the old one stays. The rotated one is committed before the access token is used.
        """
        self.tokens.update(tokens)

    def get_workspace_contacts(self) -> list[dict[str, Any]]:
        """Contacts of the workspace's organization; `contacts` in the settings chooses by owner, status or segment."""
        wanted = read_sync_settings(self.connection.settings).contacts
        return store.contacts_of(
            self.db, self.workspace_id, owner=wanted.owner, status=wanted.status, segment=wanted.segment
        )

    def get_app_contacts(self, table: str) -> list[dict[str, Any]]:
        """Rows of one of APP_TABLES. Raises RejectedInput for any other table."""
        if table not in APP_TABLES:
            raise RejectedInput(f"no such table for an integration: it is one of {', '.join(APP_TABLES)}")
        return self.get_workspace_contacts() if table == "contacts" else store.pitches_of(self.db, self.workspace_id)

    def log_sync_activity(self, result: SyncResult) -> None:
        """One line of integration_sync_logs; a good one ends a row of failures."""
        row, now = self._current(), self.now()
        statements = [store.logging_sync(row.id, result)]
        if result.success:
            state = after_run(row.state, "none", now)
            statements.append(
                store.recording_state(
                    row.id, state, error_message=None, has_synced=True, began_at=result.started_at, now=now
                )
            )
        self.db.transact(lambda tx: tx.finish(statements))
        if result.success and row.status == "error":
            trouble.is_over(self.db, row, [trouble.FAILING], now)

    def log_activity(self, activity: Mapping[str, Any]) -> None:
        """action and success; records_affected, error_message and metadata where there are any."""
        row = self.connection
        line = store.logging_activity(
            row.workspace_id,
            row.id,
            row.integration_type,
            str(activity["action"]),
            success=bool(activity["success"]),
            records=int(activity.get("records_affected", 0)),
            error_message=activity.get("error_message"),
            metadata=activity.get("metadata", {}),
            now=self.now(),
        )
        store.run(self.db, line)

    def handle_sync_error(self, error: Exception) -> None:
        """To integration_activity, and counted: three failures in a row make the connection `error`.

        A vendor's outage, a spent budget and the vendor's billing limit count as none.
        """
        row, now = self._current(), self.now()
        failure, reason = classify(error), describe_error(error)
        state = after_run(row.state, failure, now)
        store.run(
            self.db,
            store.recording_state(row.id, state, error_message=reason, has_synced=False, began_at=now, now=now),
        )
        self.log_activity(
            {
                "action": "sync_failed",
                "success": False,
                "error_message": reason,
                "metadata": {"class": failure, "error_count": state.error_count},
            }
        )
        if failure == "failure" and state.status == "error":
            trouble.report(self.db, row, trouble.FAILING, reason, now)
        if failure == "reconnect":
            trouble.report(self.db, row, trouble.RECONNECT, reason, now)

    def create_failed_result(self, direction: Direction, error: Exception, start_time: datetime) -> SyncResult:
        """A result with `success` False; its error names fields and rules, never a value."""
        return failed_result(direction, error, start_time, self.now())

    # What the engine uses

    @property
    def connection(self) -> ConnectionRow:
        """As it was read last. Raises RuntimeError before `initialize`."""
        if self._row is None:
            raise RuntimeError("the integration is not initialized: call initialize() first")
        return self._row

    @property
    def tokens(self) -> OwnTokens:
        """Of this connection. Raises RuntimeError before `initialize`."""
        if self._tokens is None:
            raise RuntimeError("the integration is not initialized: call initialize() first")
        return self._tokens

    @property
    def context(self) -> ConnectionContext:
        """By the settings of the environment, where none was given."""
        if self._context is None:
            self._context = default_context()
        return self._context

    def now(self) -> datetime:
        """By the clock of the database, which is asked once."""
        if self._clock is None:
            self._clock = clock_in_step(lambda: server_time(self.db))
        return self._clock()

    def _find(self) -> ConnectionRow:
        name = self.get_integration_name()
        found = store.find_connections(self.db, self.workspace_id, name, self.label)
        if not found:
            raise RejectedInput(f"the workspace has no connection of {name} with this label", status=404)
        usable = [each for each in found if each.status != "disconnected"]
        if len(usable) > 1:
            labels = ", ".join(each.label or "(none)" for each in usable)
            raise RejectedInput(f"the workspace has several connections of {name}, name one by its label: {labels}")
        return (usable or found)[0]

    def _current(self) -> ConnectionRow:
        row = store.find_connection(self.db, self.connection.id)
        if row is None:
            raise RejectedInput("the connection was removed", status=404)
        self._row = row
        return row
