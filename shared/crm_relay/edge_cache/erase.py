"""Erases a person at the edge: what waits there comes in first, and what was erased goes out at once."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from crm_relay.consent.person import Person
from crm_relay.consent.traces import Traces
from crm_relay.edge_cache import store
from crm_relay.edge_cache.items import item_of
from crm_relay.edge_cache.models import CacheItem
from crm_relay.edge_cache.replication import conflict_store
from crm_relay.edge_cache.replication.push_edits import Push
from crm_relay.edge_cache.replication.replicate import Replication
from crm_relay.edge_cache.table import EdgeTable
from crm_relay.platform.aws.dynamo import Attributes, text_in
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database, Queryable
from crm_relay.platform.errors import TransientError

_PAGE_SECONDS = 2.0


def erase_conflicts(db: Queryable, person: Person) -> int:
    """How many conflicts lost their two versions; they cannot be reverted any more. Safe to call twice."""
    return conflict_store.erase_conflicts(db, person.marks)


def count_conflicts(db: Queryable, person: Person) -> int:
    """How many hold something of the person."""
    return conflict_store.count_conflicts(db, person.marks)


def bring_in(db: Database, table: EdgeTable, clock: Clock, deadline: Deadline) -> int:
    """All that was written at the edge reaches PostgreSQL, where it is found; how much. TransientError: not all."""
    push = Push(db, table, clock, deadline)
    if not push.run():
        raise TransientError("what was written at the edge could not all be read in time")
    if push.counts.parked:
        raise TransientError(f"{push.counts.parked} edits at the edge could not be read, and were parked")
    return push.counts.written


def send_out(db: Database, table: EdgeTable, clock: Clock, deadline: Deadline) -> int:
    """The rows as they are without the person; how many went. TransientError: the schedule sends the rest."""
    replication = Replication(db, table, clock, deadline)
    if not replication.run():
        raise TransientError("what was erased could not all be sent to the edge in time")
    if replication.counts.parked:
        raise TransientError(f"{replication.counts.parked} rows could not be written to the edge, and were parked")
    return replication.counts.written + replication.counts.deleted


def overwrite(db: Database, table: EdgeTable, person: Person, clock: Clock, deadline: Deadline) -> int:
    """Items that still mention the person after everything went out become what PostgreSQL has; how many.

    Such are edits that cannot be read, and rows whose write failed. Safe to call twice. TransientError where one was
    edited meanwhile: that edit is not lost, and is looked at again.
    """
    found = [each for each in _mentioning(table, Traces(person), deadline) if isinstance(each, CacheItem)]
    agreed = store.agreed_rows(db, found, clock())
    for item in found:
        row = agreed[item.entity, item.row_id]
        after = replace(item, version=row.version, doc=row.doc, updated_at=row.updated_at, edited_at=None)
        if not table.put_back(item.entity, item.row_id, after, seen=item, now=clock()):
            raise TransientError("an item at the edge was edited while the person was taken out of it")
    return len(found)


def count_at_edge(table: EdgeTable, traces: Traces, deadline: Deadline) -> dict[str, int]:
    """`edge: entity` -> items that mention the person, no matter who wrote them. TransientError: some were not read."""
    found = Counter(
        each.entity if isinstance(each, CacheItem) else each for each in _mentioning(table, traces, deadline)
    )
    return {f"edge: {name}": number for name, number in found.items()}


def _mentioning(table: EdgeTable, traces: Traces, deadline: Deadline) -> Iterator[CacheItem | str]:
    """By a scan: items, or the names of partitions that hold none of ours."""
    for page in table.everything():
        if not deadline.allows(_PAGE_SECONDS):
            raise TransientError("the edge could not all be searched in time")
        for attributes in page:
            if any(map(traces.found_in, _texts(attributes))):
                yield item_of(attributes) or _partition(attributes)


def _partition(attributes: Attributes) -> str:
    return (text_in(attributes, "pk") or "").partition("#")[0] or "unnamed"


def _texts(attributes: Attributes) -> Iterator[str]:
    """Every text of an item, however deep; a binary value too, where it is text."""
    waiting: list[object] = [attributes]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting += [*each, *each.values()]
        elif isinstance(each, list | set | tuple):
            waiting += each
        elif isinstance(each, bytes):
            yield each.decode(errors="replace")
        elif isinstance(each, str):
            yield each
