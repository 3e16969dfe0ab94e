"""A ticket for who may connect an account of a workspace: no key and no provider is needed to make one."""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.connections.oauth import store as state_store
from crm_relay.platform.database import Database


def make_ticket(
    db: Database,
    *,
    provider: str,
    workspace: UUID,
    started_by: str,
    now: datetime,
    connection: UUID | None = None,
    label: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> str:
    """For the address `/oauth/{provider}/start?ticket=`, good once and for ten minutes. No key is needed here.

    `connection`: the one that is connected again. Raises RejectedInput for settings that are wrong.
    """
    # Used here alone: it knows the contract of connectors, whose client a cold start of the admin API is spared.
    from crm_relay.connections.engine.sync_settings import read_sync_settings

    read_sync_settings(settings or {})
    ticket = secrets.token_urlsafe(32)
    state_store.add_ticket(
        db,
        ticket_hash=hash_of(ticket),
        provider=provider,
        workspace=workspace,
        started_by=started_by,
        connection=connection,
        label=label,
        settings=settings or {},
        now=now,
    )
    return ticket


def hash_of(text: str) -> str:
    """What is stored: a reader of the table can use neither ticket nor state."""
    return hashlib.sha256(text.encode()).hexdigest()
