"""The SQL of audiences."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.connections.records.store import StreamKey
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Json, Statement, queries_beside

_SQL = queries_beside(__file__)


def renaming(key: StreamKey, aliases: Sequence[Mapping[str, str]]) -> list[Statement]:
    """Each: their_id and former_id."""
    given = Json(list(aliases))
    names = ("rename_records", "rename_standings", "forget_former")
    return [_SQL[name].bind(**key.columns, aliases=given) for name in names]


def standings_of(key: StreamKey, given: Sequence[Mapping[str, str]]) -> Statement:
    """Of each: their_id and address."""
    return _SQL["standings_of"].bind(**key.columns, given=Json(list(given)))


def facts_of(org_id: UUID, addresses: Sequence[str]) -> Statement:
    """One row a fact, with its address."""
    return _SQL["facts_of"].bind(org=org_id, addresses=list(addresses))


def putting(key: StreamKey, standings: Sequence[Mapping[str, str]], now: datetime) -> Statement:
    """Each: their_id, address, standing."""
    return _SQL["put_standings"].bind(**key.columns, standings=Json(list(standings)), now=now)


def dropping(key: StreamKey, their_ids: Sequence[str]) -> Statement:
    """Safe to run twice."""
    return _SQL["drop_standings"].bind(**key.columns, their_ids=list(their_ids))


def ledger_end(db: Queryable, key: StreamKey) -> tuple[int, int]:
    """Up to where it was compared, and where it ends."""
    (row,) = db.run(_SQL["ledger_end"], **key.columns)
    return row["seen"], row["newest"]


def newly_out(db: Queryable, key: StreamKey, after: int) -> list[Row]:
    """Each: their_id and address."""
    return db.run(_SQL["newly_out"], **key.columns, org=key.org_id, after=after)


def out_without_record(db: Queryable, key: StreamKey, after: int, seen: int, since: datetime | None) -> list[str]:
    """Addresses. `since`: when a complete pass began that has just read everybody."""
    rows = db.run(_SQL["out_without_record"], **key.columns, org=key.org_id, after=after, seen=seen, since=since)
    return [row["address"] for row in rows]


def saving_ledger_seen(key: StreamKey, seen: int) -> Statement:
    """With what was noted."""
    return _SQL["save_ledger_seen"].bind(**key.columns, seen=seen)


def leaving(db: Queryable, key: StreamKey, now: datetime, limit: int) -> list[Row]:
    """Each: their_id, how often it was tried, and the address of the contact, if there is one."""
    return db.run(_SQL["leaving"], **key.columns, now=now, limit=limit)


def settling(key: StreamKey, settled: Sequence[Mapping[str, Any]], now: datetime) -> Statement:
    """Each: their_id, standing, reason, retry_at."""
    return _SQL["settle_leaving"].bind(**key.columns, settled=Json(list(settled)), now=now)


def left_among(db: Queryable, key: StreamKey, addresses: Sequence[str]) -> dict[str, str]:
    """Address -> standing."""
    rows = db.run(_SQL["left_among"], **key.columns, addresses=list(addresses))
    return {row["address"]: row["standing"] for row in rows}


def erasing(addresses: Sequence[str]) -> Statement:
    """Of every connection."""
    return _SQL["erase_standings"].bind(addresses=list(addresses))


def audience_of(connections: Sequence[UUID]) -> Statement:
    """Each: id, list_id, integration_type, org_id."""
    return _SQL["audience_of"].bind(connections=sorted(connections))


def bringing_forward(connections: Sequence[UUID], now: datetime) -> Statement:
    """Nothing where it is due within a minute."""
    return _SQL["bring_forward"].bind(connections=sorted(connections), now=now)
