"""A page of rows for the edge; where one row keeps the database from answering, the others are read without it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from crm_relay.edge_cache import store
from crm_relay.edge_cache.keys import Entity
from crm_relay.edge_cache.models import SourceRow, WriteOutcome, WriteResult
from crm_relay.edge_cache.store import ChangedRow, Key
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import OF_ONE_ROW, FatalError, describe_error
from crm_relay.rules.in_parts import in_parts

_MAY_BE_A_ROWS = (*OF_ONE_ROW, FatalError)


@dataclass(frozen=True)
class SourcePage:
    """`unreadable`: rows that the database cannot write out, to be parked. `seqs`: the changes of all of them."""

    rows: tuple[SourceRow, ...]
    seqs: tuple[int, ...] = ()
    unreadable: tuple[WriteResult, ...] = ()
    last: UUID | None = None

    @property
    def size(self) -> int:
        """Rows, readable or not."""
        return len(self.rows) + len(self.unreadable)


def page_of_changes(
    db: Queryable, *, only: Sequence[Entity] | None, blocked: Sequence[str], now: datetime, limit: int
) -> SourcePage:
    """What changed, and what is parked and due. One statement, if every row can be read."""

    def changed(*, names_only: bool) -> list[ChangedRow]:
        return store.changed_rows(db, only=only, blocked=blocked, now=now, limit=limit, names_only=names_only)

    try:
        found = changed(names_only=False)
        return SourcePage(tuple(each.row for each in found), _seqs(found))
    except _MAY_BE_A_ROWS:
        named = changed(names_only=True)
    return replace(_apart(db, [each.row for each in named], now), seqs=_seqs(named))


def page_of_source(db: Queryable, entity: Entity, *, after: UUID | None, now: datetime, limit: int) -> SourcePage:
    """The next rows by number. `last` None: there are no more."""
    try:
        rows = store.source_page(db, entity, after=after, limit=limit)
        return SourcePage(tuple(rows), last=rows[-1].row_id if rows else None)
    except _MAY_BE_A_ROWS:
        rows = store.source_page(db, entity, after=after, limit=limit, names_only=True)
    return replace(_apart(db, rows, now), last=rows[-1].row_id if rows else None)


def _apart(db: Queryable, named: Sequence[SourceRow], now: datetime) -> SourcePage:
    """In halves, down to the row itself."""
    found: dict[Key, SourceRow] = {}
    names = {(each.entity, each.row_id): each for each in named}
    refused = in_parts(list(names), lambda part: found.update(store.present_rows(db, part, now)), believes=True)
    unreadable = [WriteResult(names[key], WriteOutcome.FAILED, describe_error(error)) for key, error in refused.items()]
    return SourcePage(tuple(found.values()), unreadable=tuple(unreadable))


def _seqs(found: Sequence[ChangedRow]) -> tuple[int, ...]:
    return tuple(seq for each in found for seq in each.seqs)
