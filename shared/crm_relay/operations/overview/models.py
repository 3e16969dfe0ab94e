"""What the operator's page shows, part by part; the API's answers and their description are made of these."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from crm_relay.edge_cache.status import DirectionStatus
from crm_relay.operations.views.mends import Mend

MOST_COUNTED = 1000
"""What waits is counted up to here; one more means "more than that"."""


@dataclass(frozen=True)
class ResyncProgress:
    """The latest full resync of an entity; `eta_seconds` None: it is done, or too young to tell."""

    entity: str
    phase: str
    is_running: bool
    percent: float
    total: int
    written: int
    swept: int
    ordered_by: str
    started_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    rows_per_second: float | None
    eta_seconds: float | None
    error: str | None


@dataclass(frozen=True)
class EntitySize:
    """How many rows an entity has; `is_estimate`: the planner's belief, None before it has one.

    `blocked_at`: since when its deletions are held back.
    """

    entity: str
    rows: int | None
    is_estimate: bool
    blocked_at: datetime | None


@dataclass(frozen=True)
class MauticState:
    """The latest run, and what waits for the next one (up to MOST_COUNTED)."""

    last_started_at: datetime | None
    last_finished_at: datetime | None
    last_synced: int
    last_failed: int
    pending: int
    to_repeat: int


@dataclass(frozen=True)
class Status:
    """GET /api/sync/status. `installed`: the rooms of this installation; of the others nothing is shown."""

    healthy: bool
    checked_at: datetime
    directions: list[DirectionStatus]
    resyncs: list[ResyncProgress]
    entities: list[EntitySize]
    conflicts_24h: int
    mautic: MauticState
    installed: list[str]


@dataclass(frozen=True)
class CacheRun:
    """A line of the audit trail of the edge sync."""

    id: int
    direction: str
    entity: str | None
    ordered_by: str
    started_at: datetime
    finished_at: datetime | None
    status: str
    error: str | None
    read_count: int
    written_count: int
    unchanged_count: int
    deleted_count: int
    parked_count: int
    conflict_count: int
    pending_count: int | None


@dataclass(frozen=True)
class MauticRun:
    """One run of the Mautic sync."""

    started_at: datetime
    finished_at: datetime | None
    synced: int
    created: int
    updated: int
    failed: int
    segments: int


@dataclass(frozen=True)
class WorkspaceShown:
    """Counters are those of the current month in the workspace's zone; `success_rate_24h` in percent."""

    name: str
    timezone: str
    has_webhook: bool
    is_healthy: bool
    is_silent: bool
    last_webhook_at: datetime | None
    deliveries_24h: int
    success_rate_24h: float | None
    rejected_in_a_row: int
    month: date | None
    emails_sent: int
    replies: int
    interested: int
    bounced: int
    unsubscribed: int
    accounts: int
    connected_accounts: int


@dataclass(frozen=True)
class ProviderDay:
    """One mail provider on one day, over all workspaces."""

    day: date
    provider: str
    sent: int
    replies: int
    accounts: int
    connected_accounts: int


@dataclass(frozen=True)
class Conflict:
    """Which fields differed and who won; not their content."""

    id: int
    entity: str
    row_id: UUID
    differing: list[str]
    winner: str
    rule: str
    decided_at: datetime
    reverted_at: datetime | None
    reverted_by: str | None


@dataclass(frozen=True)
class OpenIncident:
    """`closed_at` None: it is open. `is_told`: somebody was alerted. `subject` None: the role does not see it.

    `closed_by` None: nobody closed it by hand. `snoozed_until`: put off by an operator. `mend`: what mends it.
    """

    id: int
    kind: str
    subject: str | None
    workspace_name: str | None
    title: str
    opened_at: datetime
    closed_at: datetime | None
    closed_by: str | None
    is_told: bool
    snoozed_until: datetime | None
    snoozed_by: str | None
    mend: Mend


@dataclass(frozen=True)
class FailedTask:
    """A message that was given up, without its content."""

    id: int
    source: str
    failed_at: datetime
    error: str | None
    replayed_at: datetime | None


@dataclass(frozen=True)
class DeadLetters:
    """`deliveries_waiting` and `failed_tasks_waiting` are counted up to MOST_COUNTED."""

    deliveries_waiting: int
    failed_tasks_waiting: int
    failed_tasks: list[FailedTask]


@dataclass(frozen=True)
class CheckState:
    """One check of the last run that has ended; `standing`: so many of the latest findings are not mended by now.

    `unseen`: what could not be looked at, and why; of that nobody knows whether it is sound.
    """

    check: str
    found: int
    fixable: int
    fixed: int
    asks: bool
    standing: int
    unseen: dict[str, str]


@dataclass(frozen=True)
class IntegrityRun:
    """One run of the checks."""

    id: int
    ordered_by: str
    is_full: bool
    is_fix: bool
    started_at: datetime
    finished_at: datetime | None
    status: str
    error: str | None


@dataclass(frozen=True)
class StandingFinding:
    """Something that is wrong by now, by ids and rules; `row_id` and `what` None: the role does not see them."""

    id: int
    check_name: str
    entity: str
    row_id: str | None
    what: str | None
    status: str
    found_at: datetime


@dataclass(frozen=True)
class Fix:
    """An automatic change; what it changed is asked for by itself. `row_id` None: the role does not see it."""

    id: int
    run_id: int
    check_name: str
    entity: str
    row_id: str | None
    action: str
    fixed_at: datetime
    fixed_by: str
    reverted_at: datetime | None
    reverted_by: str | None


@dataclass(frozen=True)
class FixVersions:
    """Personal data. None: there was, or is, no such row."""

    id: int
    check_name: str
    entity: str
    row_id: str
    action: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    fixed_at: datetime
    fixed_by: str
    reverted_at: datetime | None
    reverted_by: str | None


@dataclass(frozen=True)
class Integrity:
    """Runs and fixes newest first."""

    checks: list[CheckState]
    runs: list[IntegrityRun]
    findings: list[StandingFinding]
    fixes: list[Fix]
