"""What a start is decided about, and what was decided."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.rules.record_conditions import ConditionGroup
from crm_relay.workflows.models import EntityEvent, Program

Explanation = tuple[Mapping[str, Any], ...]
"""What was compared, each with `actual`, as `workflow_start_decisions.explanation` keeps it."""


@dataclass(frozen=True)
class StartableVersion:
    """The active version of a workflow; `program` None: it cannot be read."""

    workflow_id: UUID
    version: int
    org_id: UUID
    entity_type: str
    starts_from: datetime
    program: Program | None = field(hash=False, default=None)

    @property
    def key(self) -> tuple[UUID, int]:
        """Of the version."""
        return self.workflow_id, self.version


@dataclass(frozen=True)
class StartRequest:
    """Something that may start a version for a record.

    `key` is the identity of the start for ever. `records`: who else than the conditions decides whether the record is
    meant, of a schedule. `trigger_event` None: the database has the event's row.
    """

    version: StartableVersion
    entity_id: UUID
    key: str
    trigger_type: str
    event: EntityEvent | None = None
    trigger_event: Mapping[str, Any] | None = field(default=None, hash=False)
    triggered_by: UUID | None = None
    records: ConditionGroup | None = None

    @property
    def instance_key(self) -> tuple[UUID, str, UUID]:
        """One instance per workflow and record."""
        return self.version.workflow_id, self.version.entity_type, self.entity_id

    @property
    def program(self) -> Program:
        """Only of a version that can be read."""
        if self.version.program is None:
            raise LookupError("the version cannot be read")
        return self.version.program


@dataclass(frozen=True)
class NotStarted:
    """The first gate that refused, and the values that it saw."""

    request: StartRequest
    reason: str
    explanation: Explanation = field(default=(), hash=False)


@dataclass(frozen=True)
class Start:
    """A run that begins at `at`; None: behind the runs of its instance that are open.

    `restarts`: those that it ends. `is_superseded`: a later start of the same batch has ended it already.
    """

    request: StartRequest
    execution_id: UUID
    instance_id: UUID
    at: datetime | None
    restarts: tuple[UUID, ...] = ()
    begins_again: bool = True
    is_superseded: bool = False
    explanation: Explanation = field(default=(), hash=False)


@dataclass(frozen=True)
class Instance:
    """The state of a workflow for a record: when it was started last, and which of its runs are not over."""

    id: UUID
    last_started_at: datetime | None = None
    open_runs: tuple[UUID, ...] = ()
