"""A backfill as it is ordered, previewed and shown."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.workflows.rehearsal.models import Budget, RehearsedDay, RehearsedEffect, RehearsedStarts, RehearsedStep


@dataclass(frozen=True)
class Backfill:
    """How far it has come. `state`: running, stopped or completed; `had_runs`: records that were left out for that."""

    id: UUID
    workflow_id: UUID
    version: int
    state: str
    reason: str | None
    looked_at: int
    started: int
    refused: int
    had_runs: int
    failed: int
    ordered_by: str
    not_before: datetime
    created_at: datetime
    completed_at: datetime | None


@dataclass(frozen=True)
class BackfillPreview:
    """What a backfill would start now, and what that would come to in thirty days.

    `matching`: records that it would start for; `had_runs`: others that match and were started before, `is_cut`: not
    all records were looked at. `minutes`: so long the pace stretches it.
    """

    workflow_id: UUID
    name: str
    version: int
    looked_at: int
    matching: int
    had_runs: int
    failed: int
    is_cut: bool
    minutes: float
    examples: tuple[UUID, ...]
    budget: Budget
    starts: RehearsedStarts
    steps: tuple[RehearsedStep, ...]
    days: tuple[RehearsedDay, ...]
    effects: tuple[RehearsedEffect, ...]
    has_more_effects: bool
    assumptions: tuple[str, ...]
