"""The SQL of webhooks that go out."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Json, Rows, Statement, queries_beside
from crm_relay.workflows.webhooks_out.decisions import OPEN_AFTER, PATIENCE
from crm_relay.workflows.webhooks_out.models import ClaimedWebhook, HostState, WebhookLine

_SQL = queries_beside(__file__)
Line = tuple[UUID, str]
"""An organization and a host of its webhooks."""

LEASE = timedelta(seconds=30)
"""Longer than a request takes, by the clock of the database."""

_SWEEP = 1_000


def look(db: Queryable, now: datetime) -> tuple[bool, bool]:
    """Whether anything may be due, and whether a host has been silent."""
    (row,) = db.run(_SQL["look"], now=now, open_after=OPEN_AFTER)
    return row["is_due"], row["has_silent_host"]


def cancel_of_cancelled_runs(db: Queryable, now: datetime) -> int:
    """How many."""
    return len(db.run(_SQL["cancel_of_cancelled_runs"], now=now, limit=_SWEEP))


def claim(db: Queryable, now: datetime, *, limit: int, per_host: int) -> list[ClaimedWebhook]:
    """At most `limit`, and of a host only as many as still fit beside those that are under way."""
    rows = db.run(_SQL["claim"], now=now, limit=limit, per_host=per_host, open_after=OPEN_AFTER, lease=_seconds(LEASE))
    return [ClaimedWebhook(**row) for row in rows]


def claim_expired(db: Queryable, now: datetime, *, limit: int) -> list[ClaimedWebhook]:
    """Those that have waited for a silent host for too long."""
    rows = db.run(
        _SQL["claim_expired"],
        now=now,
        limit=limit,
        open_after=OPEN_AFTER,
        patience=_seconds(PATIENCE),
        lease=_seconds(LEASE),
    )
    return [ClaimedWebhook(**row) for row in rows]


def locking(claimed: Sequence[ClaimedWebhook]) -> list[Statement]:
    """The runs, then the hosts, whose rows the second answers."""
    lines = sorted({(each.org_id, each.host) for each in claimed})
    rows = Rows([{"org_id": org, "host": host} for org, host in lines])
    return [_SQL["lock_runs"].bind(ids=[each.id for each in claimed]), _SQL["lock_hosts"].bind(lines=rows)]


def hosts_of(rows: Sequence[Row]) -> dict[Line, HostState]:
    """Of what `lock_hosts` answered."""
    return {(row["org_id"], row["host"]): HostState(row["failures"], row["rests_until"]) for row in rows}


def recording(outcomes: Sequence[Mapping[str, Any]], hosts: Mapping[Line, HostState], now: datetime) -> list[Statement]:
    """The outcomes, of which those that counted are answered; then the hosts that changed."""
    statements = [_SQL["record_outcomes"].bind(outcomes=Json(list(outcomes)), now=now)]
    if hosts:
        rows = [
            {"org_id": org, "host": host, "failures": state.failures, "rests_until": state.rests_until}
            for (org, host), state in sorted(hosts.items())
        ]
        statements.append(_SQL["save_hosts"].bind(lines=Rows(rows), now=now))
    return statements


def settle_missed(db: Queryable, now: datetime) -> list[UUID]:
    """The runs that were made due."""
    return [row["id"] for row in db.run(_SQL["settle_missed"], now=now, limit=_SWEEP)]


def cancel_of_runs(executions: Sequence[UUID], now: datetime) -> Statement:
    """Answers the ids of the webhooks."""
    return _SQL["cancel_of_runs"].bind(executions=list(executions), now=now)


def find_webhook(db: Queryable, webhook_id: UUID, org_id: UUID | None) -> Row | None:
    """State and run; the run is locked."""
    rows = db.run(_SQL["find_webhook"], id=webhook_id, org=org_id)
    return rows[0] if rows else None


def retry(db: Queryable, webhook_id: UUID, now: datetime) -> bool:
    """Whether there was one to retry."""
    return bool(db.run(_SQL["retry"], id=webhook_id, now=now, patience=_seconds(PATIENCE)))


def cancel(db: Queryable, webhook_id: UUID, now: datetime) -> bool:
    """Whether there was one to cancel."""
    return bool(db.run(_SQL["cancel"], id=webhook_id, now=now))


def list_webhooks(
    db: Queryable,
    now: datetime,
    *,
    org_id: UUID | None,
    execution_id: UUID | None,
    states: Sequence[str] | None,
    limit: int,
) -> list[WebhookLine]:
    """The newest first."""
    rows = db.run(
        _SQL["list_webhooks"],
        now=now,
        org=org_id,
        execution=execution_id,
        states=None if states is None else list(states),
        limit=limit,
    )
    return [WebhookLine(**row) for row in rows]


def _seconds(span: timedelta) -> str:
    """As an interval of PostgreSQL."""
    return f"{span.total_seconds():.0f} seconds"
