"""The document's types, made of what is stored."""

from datetime import datetime, timedelta
from typing import Literal

from crm_relay.connections.models import ConnectionStatus, Direction, IntegrationConfig, SyncResult
from crm_relay.connections.store import ConnectionRow
from crm_relay.connections.tokens.models import Grant
from crm_relay.platform.errors import describe_error

OAuthProvider = Literal["google", "mailchimp", "airtable"]
_PROVIDERS: dict[str, OAuthProvider] = {"gmail": "google", "mailchimp": "mailchimp", "airtable": "airtable"}
_STATUSES: dict[str, ConnectionStatus] = {
    "active": "active",
    "paused": "paused",
    "error": "error",
    "disconnected": "disconnected",
}


def config_of(row: ConnectionRow, grant: Grant | None) -> IntegrationConfig:
    """One connection, decrypted."""
    is_oauth = grant is not None and grant.access_token is not None
    return IntegrationConfig(
        id=row.id,
        workspace_id=row.workspace_id,
        integration_name=row.integration_type,
        label=row.label,
        oauth_provider=_PROVIDERS.get(row.integration_type) if is_oauth else None,
        access_token=grant.access_token if grant else None,
        refresh_token=grant.refresh_token if grant else None,
        token_expires_at=grant.expires_at if grant else None,
        api_key=grant.api_key if grant else None,
        credentials=dict(grant.credentials) if grant else {},
        settings=row.settings,
        # A word that SQL wrote before the constraint was there syncs nothing.
        status=_STATUSES.get(row.status, "paused"),
        enabled=row.enabled,
        error_message=row.error_message,
        error_count=row.error_count,
        last_sync_at=row.last_sync_at,
        sync_frequency_minutes=row.sync_frequency_minutes,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def failed_result(direction: Direction, error: Exception, start_time: datetime, now: datetime) -> SyncResult:
    """Of a sync that did nothing."""
    return SyncResult(
        success=False,
        direction=direction,
        records_synced=0,
        started_at=start_time,
        completed_at=now,
        errors=(describe_error(error),),
        duration_ms=max(0, (now - start_time) // timedelta(milliseconds=1)),
    )
