"""Types of the integration document, with its names: SyncResult and IntegrationConfig."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

Direction = Literal["to_external", "from_external", "bidirectional"]
ConnectionStatus = Literal["active", "paused", "error", "disconnected"]


@dataclass(frozen=True)
class SyncResult:
    """What one sync did. A sync that failed is a result with `success` False and no exception.

    `errors` name fields and rules, never a person's data.
    """

    success: bool
    direction: Direction
    records_synced: int
    started_at: datetime
    completed_at: datetime
    records_created: int = 0
    records_updated: int = 0
    records_failed: int = 0
    errors: tuple[str, ...] = ()
    duration_ms: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class IntegrationConfig:
    """One connection as `load_config` reads it; secrets stand in no representation of it."""

    workspace_id: UUID
    integration_name: str
    id: UUID | None = None
    label: str | None = None
    oauth_provider: Literal["google", "mailchimp", "airtable"] | None = None
    access_token: str | None = field(default=None, repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    token_expires_at: datetime | None = None
    api_key: str | None = field(default=None, repr=False)
    credentials: Mapping[str, Any] = field(default_factory=dict, repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict)
    status: ConnectionStatus = "active"
    enabled: bool = True
    error_message: str | None = None
    error_count: int = 0
    last_sync_at: datetime | None = None
    sync_frequency_minutes: int = 15
    created_at: datetime | None = None
    updated_at: datetime | None = None
