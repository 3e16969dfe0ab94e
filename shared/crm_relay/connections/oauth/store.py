"""The SQL of OAuth starts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Json, queries_beside

_SQL = queries_beside(__file__)

SECONDS = 600.0
"""So long somebody may take at the provider."""


def add_ticket(
    db: Queryable,
    *,
    ticket_hash: str,
    provider: str,
    workspace: UUID,
    started_by: str,
    connection: UUID | None,
    label: str | None,
    settings: Mapping[str, Any],
    now: datetime,
) -> None:
    """Good for ten minutes."""
    db.run(
        _SQL["add_ticket"],
        ticket_hash=ticket_hash,
        provider=provider,
        workspace=workspace,
        started_by=started_by,
        connection=connection,
        label=label,
        settings=Json(dict(settings)),
        now=now,
        seconds=SECONDS,
    )


def begin(
    db: Queryable,
    *,
    ticket_hash: str,
    provider: str,
    state_hash: str,
    verifier: bytes,
    key_version: int,
    now: datetime,
) -> bool:
    """Whether the ticket was good."""
    return bool(
        db.run(
            _SQL["begin"],
            ticket_hash=ticket_hash,
            provider=provider,
            state_hash=state_hash,
            verifier=verifier,
            key_version=key_version,
            now=now,
            seconds=SECONDS,
        )
    )


def use_state(db: Queryable, state_hash: str, provider: str, now: datetime) -> Row | None:
    """None for one that is unknown, was used, or is too old."""
    rows = db.run(_SQL["use_state"], state_hash=state_hash, provider=provider, now=now)
    return rows[0] if rows else None
