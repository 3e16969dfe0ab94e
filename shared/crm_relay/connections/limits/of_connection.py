"""The limits that one connection meets."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from crm_relay.connections.engine.sync_settings import read_sync_settings
from crm_relay.providers.connectors.contract import Connector, Limit


def limits_of(connector: Connector, settings: Mapping[str, Any], connection_id: UUID) -> list[Limit]:
    """The vendor's, and the month's requests that the settings allow. Raises RejectedInput for wrong settings."""
    found = list(connector.limits(settings, str(connection_id)))
    monthly = read_sync_settings(settings).monthly_requests
    if monthly is not None:
        found.append(Limit(f"{connector.name}:budget:{connection_id}", per_second=1_000.0, monthly=monthly))
    return found
