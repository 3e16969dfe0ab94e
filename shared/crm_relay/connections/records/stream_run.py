"""What one run of one stream works with, and what it has done so far."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from crm_relay.connections.decisions import DEFAULT_SHRINK_LIMIT
from crm_relay.connections.records.merge import Hasher
from crm_relay.connections.records.store import ContactFilter, StreamKey
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database
from crm_relay.providers.connectors.contract import RecordStream

FROM_EXTERNAL = "from_external"
"""The direction of records of theirs that we refused."""

Counts = Counter[str]
"""Words: created, updated, failed, read, conflicts, removed, unclear, echoes."""


@dataclass(frozen=True)
class SyncRules:
    """What the settings of a connection say beside the fields.

    `direction`: `both`, `out` (nothing of theirs is taken over) or `in` (nothing of ours is sent).
    """

    direction: str = "both"
    creates_here: bool = True
    when_removed_there: str = "keep"
    when_removed_here: str = "keep"
    shrink_limit_percent: int = DEFAULT_SHRINK_LIMIT
    contacts: ContactFilter = field(default_factory=ContactFilter)


@dataclass
class StreamRun:
    """One stream in one run. `is_dry`: nothing is written on either side, only counted.

    `matched`: contacts that were found by their address to be a record that nothing was linked to before.
    `unjudged`: records whose departure the database refused. `may_shrink`: somebody has seen how many records would be
    removed, and said yes.
    """

    db: Database
    stream: RecordStream
    key: StreamKey
    rules: SyncRules
    clock: Clock
    deadline: Deadline
    is_dry: bool = False
    may_shrink: bool = False
    incoming: Counts = field(default_factory=Counter)
    outgoing: Counts = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    is_unclear: bool = False
    examples: list[str] = field(default_factory=list)
    matched: set[UUID] = field(default_factory=set)
    unjudged: set[str] = field(default_factory=set)
    _is_checked: bool = False

    def ensure_fields(self) -> None:
        """Before records are taken over or sent: a field that is gone there reads as an empty one. Once a run.

        Raises SchemaDrift, and what else RecordStream.check raises.
        """
        if not self._is_checked:
            self.stream.check()
            self._is_checked = True

    @property
    def hasher(self) -> Hasher:
        """Of this connection."""
        return Hasher(self.key.connection_id.bytes)

    def note(self, reason: str) -> None:
        """Why a record was refused, each reason once; they hold no value of a person."""
        if reason not in self.errors and len(self.errors) < 20:
            self.errors.append(reason)

    def now(self) -> datetime:
        """By the clock of the database."""
        return self.clock()

    @property
    def connection_id(self) -> UUID:
        """Of the connection."""
        return self.key.connection_id
