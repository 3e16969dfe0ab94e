"""The SQL of connected mailboxes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crm_relay.connections.mailboxes.models import MailPlace
from crm_relay.platform.database import Queryable
from crm_relay.platform.sql import Json, Statement, queries_beside

_SQL = queries_beside(__file__)


@dataclass(frozen=True)
class MailboxState:
    """`own`: normalised addresses of the organization's mailboxes. `completed_at`: when a read last came to its end."""

    mailbox_address: str | None
    account_label: str | None
    cursor: str | None
    stopped_reason: str | None
    completed_at: datetime | None
    own: frozenset[str]


def read_state(db: Queryable, place: MailPlace) -> MailboxState:
    """One statement."""
    (row,) = db.run(_SQL["mailbox_state"], connection=place.connection_id, org=place.org_id, stream=place.stream)
    return MailboxState(**row | {"own": frozenset(row["own"])})


def adopt_mailbox(db: Queryable, place: MailPlace, address: str, now: datetime, *, is_another: bool) -> None:
    """`is_another`: the account was connected again as another one."""
    db.run(
        _SQL["adopt_mailbox"],
        connection=place.connection_id,
        stream=place.stream,
        address=address,
        is_another=is_another,
        now=now,
    )


def save_cursor(db: Queryable, place: MailPlace, cursor: str, now: datetime, *, is_complete: bool) -> None:
    """One statement."""
    db.run(
        _SQL["save_cursor"],
        connection=place.connection_id,
        stream=place.stream,
        cursor=cursor,
        completed_at=now if is_complete else None,
        now=now,
    )


def known_mail(db: Queryable, place: MailPlace, ids: Sequence[str]) -> frozenset[str]:
    """Those of these ids that are kept, or wait for a second try."""
    names = {place.external_id(each): each for each in ids}
    rows = db.run(_SQL["known_mail"], source=place.source, external_ids=list(names), **place.key.columns)
    return frozenset(names[row["external_id"]] for row in rows)


def locking_answered(place: MailPlace, threads: Sequence[str], answered: Sequence[str]) -> list[Statement]:
    """The workspace's turn, then the pitches by id."""
    return [
        _SQL["take_turn"].bind(workspace=place.workspace_id),
        _SQL["lock_answered"].bind(
            connection=place.connection_id, workspace=place.workspace_id, threads=list(threads), answered=list(answered)
        ),
    ]


def keeping(place: MailPlace, mails: Sequence[Mapping[str, Any]], now: datetime) -> Statement:
    """Its rows: external ids of those that are new."""
    return _SQL["keep_mail"].bind(
        org=place.org_id,
        workspace=place.workspace_id,
        source=place.source,
        own_prefix=f"{place.connection_id}:%",
        known_only=place.known_only,
        mails=Json(list(mails)),
        now=now,
    )


def recording_answered(answered: Sequence[Mapping[str, Any]], now: datetime) -> Statement:
    """Each: id, replied_at, bounced_at."""
    return _SQL["record_answered"].bind(answered=Json(list(answered)), now=now)
