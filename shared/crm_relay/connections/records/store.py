"""The SQL of records and contacts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.connections.decisions import RETRY_SECONDS
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Json, Statement, queries_beside

_SQL = queries_beside(__file__)

CHUNK = 1_000
"""So many records one transaction is about."""

WRITABLE = (
    "email",
    "phone",
    "first_name",
    "last_name",
    "company_name",
    "title",
    "timezone",
    "linkedin_url",
)
"""Columns of a contact that the other side may fill."""

READABLE = (*WRITABLE, "status")


@dataclass(frozen=True)
class StreamKey:
    """One stream of one connection, in the organization whose contacts it syncs."""

    connection_id: UUID
    stream: str
    org_id: UUID

    @property
    def columns(self) -> dict[str, Any]:
        """As queries name them."""
        return {"connection": self.connection_id, "stream": self.stream}


@dataclass(frozen=True)
class Checkpoint:
    """Where a stream is. `pass_number`: of the complete pass that is running, or the last one.

    `departures_cursor`: how far it was read for departures alone, which is not stored from it.
    """

    cursor: str | None = None
    pass_number: int = 0
    pass_began_at: datetime | None = None
    pass_read: int = 0
    completed_at: datetime | None = None
    compared: Mapping[str, Any] | None = None
    stopped_reason: str | None = None
    departures_cursor: str | None = None
    known: int = 0

    @property
    def was_read(self) -> bool:
        """Whether anything of the stream was ever taken over."""
        return self.cursor is not None or self.completed_at is not None


@dataclass(frozen=True)
class ContactFilter:
    """Which contacts of the organization are synced; None: all."""

    owner: UUID | None = None
    status: str | None = None
    segment: str | None = None


def locking(
    key: StreamKey, their_ids: Sequence[str], addresses: Sequence[str], sent_addresses: Sequence[str]
) -> Statement:
    """To be sent before `reading`, in the same message."""
    return _SQL["lock_linked"].bind(
        **key.columns,
        org=key.org_id,
        their_ids=list(their_ids),
        addresses=list(addresses),
        sent_addresses=list(sent_addresses),
    )


def reading(key: StreamKey, given: Sequence[Mapping[str, str | None]]) -> Statement:
    """Of each: their_id, the address that it has, and the hash under which a new record of it was sent."""
    return _SQL["read_linked"].bind(**key.columns, org=key.org_id, given=Json(list(given)))


def updating(changes: Sequence[Mapping[str, Any]], now: datetime) -> Statement:
    """Each: id and fields."""
    return _SQL["update_contacts"].bind(changes=Json(list(changes)), now=now)


def inserting(org_id: UUID, contacts: Sequence[Mapping[str, Any]], now: datetime) -> Statement:
    """Each: id and fields."""
    return _SQL["insert_contacts"].bind(org=org_id, contacts=Json(list(contacts)), now=now)


def archiving_linked(key: StreamKey, their_ids: Sequence[str], now: datetime) -> Statement:
    """The contacts of these records."""
    return _SQL["archive_linked"].bind(**key.columns, their_ids=list(their_ids), now=now)


def putting(key: StreamKey, records: Sequence[Mapping[str, Any]], now: datetime) -> Statement:
    """Behind the changes of the contacts."""
    return _SQL["put_records"].bind(**key.columns, records=Json(list(records)), now=now)


def put_unconfirmed(db: Queryable, key: StreamKey, sent: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Committed before the request. Each: our_id, sent_address, fields."""
    db.run(_SQL["put_unconfirmed"], **key.columns, sent=Json(list(sent)), now=now)


def clearing_confirmed(key: StreamKey, our_ids: Sequence[UUID]) -> Statement:
    """With what the answer says of them."""
    return _SQL["clear_confirmed"].bind(**key.columns, our_ids=list(our_ids))


def clearing_unconfirmed(key: StreamKey) -> Statement:
    """With the last page of their changes."""
    return _SQL["clear_unconfirmed"].bind(**key.columns)


def marking_seen(key: StreamKey, pass_number: int, their_ids: Sequence[str]) -> Statement:
    """Records that need nothing else."""
    return _SQL["mark_seen"].bind(**key.columns, their_ids=list(their_ids), **{"pass": pass_number})


def read_checkpoint(db: Queryable, key: StreamKey) -> Checkpoint:
    """An empty one of a stream that was never read."""
    (row,) = db.run(_SQL["read_checkpoint"], **key.columns)
    number = row.pop("pass")
    return Checkpoint(**row | {"pass_number": number or 0, "pass_read": row["pass_read"] or 0})


def saving(key: StreamKey, checkpoint: Checkpoint, now: datetime) -> Statement:
    """With what it stands behind."""
    return _SQL["save_checkpoint"].bind(
        **key.columns,
        cursor=checkpoint.cursor,
        pass_began_at=checkpoint.pass_began_at,
        pass_read=checkpoint.pass_read,
        completed_at=checkpoint.completed_at,
        compared=None if checkpoint.compared is None else Json(dict(checkpoint.compared)),
        now=now,
        **{"pass": checkpoint.pass_number},
    )


def save_departures_cursor(db: Queryable, key: StreamKey, cursor: str) -> None:
    """Until the records are read on."""
    db.run(_SQL["save_departures_cursor"], **key.columns, cursor=cursor)


def save_comparison(db: Queryable, key: StreamKey, compared: Mapping[str, Any], now: datetime) -> None:
    """Until the next complete pass."""
    db.run(_SQL["save_comparison"], **key.columns, compared=Json(dict(compared)), now=now)


def stop_stream(db: Queryable, key: StreamKey, reason: str, now: datetime) -> None:
    """Until its next good run."""
    db.run(_SQL["stop_stream"], **key.columns, reason=reason, now=now)


def outgoing_page(
    db: Queryable, key: StreamKey, wanted: ContactFilter, after: UUID, now: datetime, limit: int = CHUNK
) -> list[Row]:
    """By id."""
    return db.run(
        _SQL["outgoing_page"],
        **key.columns,
        org=key.org_id,
        after=after,
        owner=wanted.owner,
        status=wanted.status,
        segment=wanted.segment,
        now=now,
        limit=limit,
    )


def unseen_records(db: Queryable, key: StreamKey, pass_number: int, after: str, limit: int) -> list[Row]:
    """By their id. Each: their_id, our_id, and how many there are behind `after`."""
    return db.run(_SQL["unseen_records"], **key.columns, after=after, limit=limit, **{"pass": pass_number})


def marking_gone(key: StreamKey, their_ids: Sequence[str], now: datetime) -> Statement:
    """Records that are not there any more."""
    return _SQL["mark_gone"].bind(**key.columns, their_ids=list(their_ids), now=now)


def run(db: Queryable, statement: Statement) -> None:
    """One statement that is usually sent with others."""
    db.run(statement.query, **statement.values)


def records_to_remove(db: Queryable, key: StreamKey, *, with_deleted: bool, limit: int) -> list[Row]:
    """Each: their_id, our_id, state, and how many there are in all."""
    return db.run(_SQL["records_to_remove"], **key.columns, with_deleted=with_deleted, limit=limit)


def forget_records(db: Queryable, key: StreamKey, their_ids: Sequence[str]) -> None:
    """Safe to call twice."""
    db.run(_SQL["forget_records"], **key.columns, their_ids=list(their_ids))


def compare_page(db: Queryable, key: StreamKey, pass_number: int, after: str, limit: int) -> list[Row]:
    """By their id."""
    return db.run(_SQL["compare_page"], **key.columns, after=after, limit=limit, **{"pass": pass_number})


def putting_rejects(key: StreamKey, rejects: Sequence[Mapping[str, Any]], now: datetime) -> Statement:
    """Each: direction, record_id, reason, our_version. Every refusal of the same record is tried again later."""
    return _SQL["put_rejects"].bind(**key.columns, rejects=Json(list(rejects)), pauses=list(RETRY_SECONDS), now=now)


def clearing_rejects(key: StreamKey, direction: str, record_ids: Sequence[str]) -> Statement:
    """Those that passed."""
    return _SQL["clear_rejects"].bind(**key.columns, direction=direction, record_ids=list(record_ids))


def clearing_retried(key: StreamKey, direction: str, record_ids: Sequence[str], now: datetime) -> Statement:
    """Behind a second try: one that was refused again waits longer, and stays."""
    return _SQL["clear_retried"].bind(**key.columns, direction=direction, record_ids=list(record_ids), now=now)


def rejected_there(db: Queryable, key: StreamKey, now: datetime, limit: int) -> list[str]:
    """Their ids."""
    return [row["record_id"] for row in db.run(_SQL["rejected_there"], **key.columns, now=now, limit=limit)]
