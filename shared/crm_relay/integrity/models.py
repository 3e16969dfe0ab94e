"""What a check finds, what may be done about it, and what a run did."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args
from uuid import UUID

from crm_relay.edge_cache.keys import Entity
from crm_relay.edge_cache.models import CacheItem
from crm_relay.edge_cache.table import EdgeTable
from crm_relay.mail.models import Settled
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database

CheckName = Literal[
    "backlog",
    "drift",
    "parked",
    "orphaned_email",
    "duplicate_message",
    "invalid_state",
    "accounting",
    "counters",
    "retention",
    "notifications",
    "workflows",
    "connections",
]
CHECKS: tuple[CheckName, ...] = get_args(CheckName)

MOST_KEPT = 1000
"""So many findings of a check are kept and mended in one run; the rest is counted, and has its turn later."""


@dataclass(frozen=True)
class Fingerprint:
    """A row of PostgreSQL as it should stand at the edge, by version and content hash."""

    version: int
    content: int


@dataclass(frozen=True)
class Suspect:
    """A row that differs between the sides. `row` None: PostgreSQL has none; `item` None: the edge has none."""

    entity: Entity
    row_id: UUID
    what: str
    row: Fingerprint | None
    item: CacheItem | None


@dataclass(frozen=True)
class EmailChange:
    """New values for some columns of one e-mail, as long as its version is the one that was seen."""

    row_id: UUID
    seen_version: int
    action: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class MendEmail:
    """All of these changes or none; `whole` names what belongs together, also across findings."""

    whole: str
    changes: tuple[EmailChange, ...]


@dataclass(frozen=True)
class DropStatus:
    """A sync status that belongs to nobody goes, and Mautic is told as for any deleted customer."""

    customer_id: UUID


@dataclass(frozen=True)
class MendEnrollment:
    """New values for some columns of one enrollment, as long as `seen` is what stands in it."""

    enrollment_id: UUID
    action: str
    seen: Mapping[str, Any]
    values: Mapping[str, Any]


@dataclass(frozen=True)
class SettleLine:
    """A line of a campaign's log becomes what the ledger says of its message, and the sequence goes on by it."""

    line_id: UUID
    channel: str
    settled: Settled


@dataclass(frozen=True)
class Replicate:
    """The row goes to the edge once more."""

    suspect: Suspect


@dataclass(frozen=True)
class PushNow:
    """What waits at the edge is written to PostgreSQL at once."""


Remedy = MendEmail | DropStatus | MendEnrollment | SettleLine | Replicate | PushNow


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. `details` hold ids, names of columns and numbers. No `remedy`: a person has to look.

    `parked`: the check would mend others of its kind, but not this one.
    """

    entity: str
    row_id: str
    what: str
    details: Mapping[str, object] = field(default_factory=dict)
    remedy: Remedy | None = None
    parked: bool = False


@dataclass(frozen=True)
class Looked:
    """What a check saw. `total` may be more than `findings`. `unseen`: what could not be looked at, and why."""

    findings: tuple[Finding, ...] = ()
    total: int = 0
    unseen: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether what it does not name is sound."""
        return not self.unseen and self.total <= len(self.findings)


@dataclass(frozen=True)
class CheckOrder:
    """What a run shall do. `approved`: checks whose fixes may go beyond `cap`; `dry_run` writes nothing anywhere."""

    full: bool = False
    fix: bool = False
    dry_run: bool = False
    approved: frozenset[str] = frozenset()
    cap: int = 100
    ordered_by: str = "schedule"


@dataclass(frozen=True)
class Inspection:
    """What the checks look at and act through. `push_now` False: something is left. A rehearsal writes nothing.

    `left_out`: rooms that are not installed.
    """

    db: Database
    table: EdgeTable
    clock: Clock
    deadline: Deadline
    push_now: Callable[[], bool]
    full: bool = False
    is_rehearsal: bool = False
    left_out: frozenset[str] = frozenset()


@dataclass(frozen=True)
class CheckResult:
    """One check of a run. `fixable`: so many of what it found it could mend; `plan`: what that would be, in short."""

    check: CheckName
    found: int
    fixable: int = 0
    fixed: int = 0
    asks: bool = False
    unseen: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Mapping[str, object], ...] = ()

    def as_counts(self) -> dict[str, object]:
        """For the table and the log: without the findings themselves."""
        answer: dict[str, object] = {
            "found": self.found,
            "fixable": self.fixable,
            "fixed": self.fixed,
            "asks": self.asks,
        }
        return answer | ({"unseen": dict(self.unseen)} if self.unseen else {})


@dataclass(frozen=True)
class CheckReport:
    """What a run found and did; `run_id` None: a dry run leaves no trace. `archived`: lines of campaigns' logs."""

    run_id: int | None
    at: datetime
    items_read: int
    results: tuple[CheckResult, ...]
    error: str | None = None
    archived: int = 0

    @property
    def found(self) -> int:
        """Of all checks."""
        return sum(each.found for each in self.results)

    def as_json(self) -> dict[str, Any]:
        """For the answer and the console."""
        return {
            "success": self.error is None,
            "run": None if self.run_id is None else f"run-{self.run_id}",
            "found": self.found,
            "fixed": sum(each.fixed for each in self.results),
            "items_read": self.items_read,
            "archived": self.archived,
            "error": self.error,
            "checks": {each.check: each.as_counts() for each in self.results},
        }
