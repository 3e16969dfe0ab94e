"""Erases a person at the edge: what waits there comes in first, and what was erased goes out at once."""

from crm_relay.consent.person import Person
from crm_relay.edge_cache.replication import conflict_store as store
from crm_relay.edge_cache.replication.push_edits import Push
from crm_relay.edge_cache.replication.replicate import Replication
from crm_relay.edge_cache.table import EdgeTable
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database, Queryable
from crm_relay.platform.errors import TransientError


def erase_conflicts(db: Queryable, person: Person) -> int:
    """How many conflicts lost their two versions; they cannot be reverted any more. Safe to call twice."""
    return store.erase_conflicts(db, person.marks)


def count_conflicts(db: Queryable, person: Person) -> int:
    """How many hold something of the person."""
    return store.count_conflicts(db, person.marks)


def bring_in(db: Database, table: EdgeTable, clock: Clock, deadline: Deadline) -> int:
    """All that was written at the edge reaches PostgreSQL, where it is found; how much. TransientError: not all."""
    push = Push(db, table, clock, deadline)
    if not push.run():
        raise TransientError("what was written at the edge could not all be read in time")
    return push.counts.written


def send_out(db: Database, table: EdgeTable, clock: Clock, deadline: Deadline) -> int:
    """The rows as they are without the person; how many went. TransientError: the schedule sends the rest."""
    replication = Replication(db, table, clock, deadline)
    if not replication.run():
        raise TransientError("what was erased could not all be sent to the edge in time")
    return replication.counts.written + replication.counts.deleted
