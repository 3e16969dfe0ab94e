"""Searches every store for a person: tables, the edge, the bucket and the queues."""

from collections import Counter
from collections.abc import Callable, Sequence

from crm_relay.consent.person import Person
from crm_relay.consent.traces import Traces
from crm_relay.edge_cache.erase import count_at_edge
from crm_relay.edge_cache.table import EdgeTable
from crm_relay.operations import store
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import FatalError, RejectedInput, TransientError
from crm_relay.sources.all_sources import REDACTORS
from crm_relay.webhooks.defer import Deferred
from crm_relay.webhooks.people.erase import erase_deliveries, erase_failed_tasks, objects_with, queues_with
from crm_relay.workflows.operations.erase import SEARCHED, redact_mentions

_BLOCKS = 32_768
"""256 MB of a table a statement."""

_STATEMENT_SECONDS = 10.0


class LastLook:
    """`found` is place -> how many still mention the person; `unreached` is place -> why it was not looked at."""

    def __init__(self, person: Person, deadline: Deadline) -> None:
        self._person, self._deadline = person, deadline
        self._traces = Traces(person)
        self.found: Counter[str] = Counter()
        self.unreached: dict[str, str] = {}

    def at(self, db: Queryable, edge: EdgeTable | None, deferred: Deferred) -> "LastLook":
        """Look at all of them; one that cannot be looked at does not hide the others."""
        self._at_tables(db)
        self._at("webhook_inbox", lambda: self._deliveries(db))
        if edge is not None:
            self._at("edge", lambda: count_at_edge(edge, self._traces, self._deadline))
        self._at("bucket", lambda: {"bucket": objects_with(deferred, REDACTORS, self._person)})
        self._at("queues", lambda: queues_with(deferred, REDACTORS, self._person))
        return self

    def take_out_of_workflows(self, db: Queryable) -> None:
        """What mentions the person there without being about them is found by this look alone; then look once more."""
        mentioned = [table for table in SEARCHED if self.found.pop(table, 0)]
        if mentioned:
            self._at("workflows", lambda: self._redacted(db, mentioned))
            self._at_tables(db, only=frozenset(mentioned))

    def _redacted(self, db: Queryable, tables: Sequence[str]) -> None:
        redact_mentions(db, self._traces, tables)

    def _at_tables(self, db: Queryable, *, only: frozenset[str] | None = None) -> None:
        if not self._traces.forms:
            return
        tables: dict[str, int] = {}
        self._at("tables", lambda: tables.update(store.tables_to_search(db)))
        if only is not None:
            tables = {table: blocks for table, blocks in tables.items() if table in only}
        for table, blocks in tables.items():
            self._at(table, lambda table=table, blocks=blocks: {table: self._in_table(db, table, blocks)})  # type: ignore[misc]

    def _in_table(self, db: Queryable, table: str, blocks: int) -> int:
        rows = 0
        for first in range(0, max(blocks, 1), _BLOCKS):
            if not self._deadline.allows(_STATEMENT_SECONDS):
                raise TransientError("the table could not all be searched in time")
            is_last = first + _BLOCKS >= blocks
            end = None if is_last else first + _BLOCKS
            rows += store.mentions(db, table, self._traces, first_block=first, end_block=end)
        return rows

    def _deliveries(self, db: Queryable) -> dict[str, int]:
        """What a search of the rows' text does not find: base64, and events that name the person by an id alone."""
        return {
            "webhook_inbox": erase_deliveries(db, REDACTORS, self._person, dry_run=True).redacted,
            "failed_tasks": erase_failed_tasks(db, REDACTORS, self._person, dry_run=True).redacted,
        }

    def _at(self, place: str, look: Callable[[], dict[str, int] | None]) -> None:
        try:
            counts = look() or {}
        except (RejectedInput, TransientError, FatalError) as error:
            self.unreached[place] = str(error)
            return
        for name, number in counts.items():
            # A delivery may be found by its text and by what it says.
            self.found[name] = max(self.found[name], number)
        self.found = +self.found
