"""What commands about connections need: the database, the key of the tokens, and the connectors."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from cli.console import installation_of
from crm_relay.connections.engine.open_sync import open_sync
from crm_relay.connections.engine.record_sync import RecordSync
from crm_relay.connections.installed.connection_settings import ConnectionSettings
from crm_relay.connections.installed.context import ConnectionContext
from crm_relay.connections.installed.environment import context_of
from crm_relay.connections.installed.hook_settings import MailchimpWebhookKey
from crm_relay.connections.store import ConnectionRow, find_connection
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.shared_clock.server_time import server_time

_PATIENCE = 60.0


class ConnectionCommandSettings(ConnectionSettings):
    """Those of the function that commands need too."""

    database_url: str
    database_ca_file: str | None = None
    public_url: str | None = None
    mailchimp_webhook_key: MailchimpWebhookKey = ()


@dataclass(frozen=True)
class OpenedConnections:
    """For one command."""

    db: Database
    context: ConnectionContext
    settings: ConnectionCommandSettings

    def row(self, connection: UUID) -> ConnectionRow:
        """Raises RejectedInput for an unknown one."""
        found = find_connection(self.db, connection)
        if found is None:
            raise RejectedInput("no such connection", status=404)
        return found

    def sync(self, connection: UUID) -> RecordSync:
        """Initialized."""
        return open_sync(self.db, self.context, connection)

    def now(self) -> Any:
        """By the database."""
        return server_time(self.db)


@contextmanager
def open_connections(env_file: Path | None) -> Iterator[OpenedConnections]:
    """Of the settings; closed at the end."""
    installation = installation_of(env_file, ConnectionCommandSettings, database_seconds=_PATIENCE)
    try:
        settings = installation.settings
        yield OpenedConnections(installation.database, context_of(settings), settings)
    finally:
        installation.close()


def read_settings_file(file: Path | None) -> Mapping[str, Any]:
    """A JSON object; nothing where there is no file."""
    if file is None:
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError:
        raise RejectedInput(f"{file} cannot be read") from None
    except ValueError:
        raise RejectedInput(f"{file} is not JSON") from None
    if not isinstance(found, dict):
        raise RejectedInput(f"{file} has to hold one object")
    return found
