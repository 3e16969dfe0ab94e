"""What a backfill would start and do, without an effect."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import OF_ONE_ROW, RejectedInput
from crm_relay.workflows.backfill import store
from crm_relay.workflows.backfill.models import BackfillPreview
from crm_relay.workflows.definition.drafts import workflow_name
from crm_relay.workflows.rehearsal.facts import RecordShelf, only_read
from crm_relay.workflows.rehearsal.models import Budget
from crm_relay.workflows.rehearsal.rehearse import RehearsalSubject, assumptions_of, simulation_of
from crm_relay.workflows.rehearsal.tally import Tally
from crm_relay.workflows.starting.decisions import is_as_triggered
from crm_relay.workflows.starting.models import StartableVersion, StartRequest
from crm_relay.workflows.starting.programs import Programs
from crm_relay.workflows.starting.records import next_records
from crm_relay.workflows.starting.store import active_version

MOST_LOOKED_AT: Final = 20_000
_PAGE = 1_000
_EXAMPLES = 10
_AHEAD = timedelta(days=30)


def preview_backfill(
    db: Database, workflow_id: UUID, now: datetime, *, most: int = MOST_LOOKED_AT, most_effects: int = 50
) -> BackfillPreview:
    """The active version, started now for the first `most` records that match, and thirty days of what follows.

    Reads alone, three statements a page of 1,000 records. RejectedInput with 409 where it is not published.
    """
    row = active_version(db, workflow_id, None)
    version = None if row is None else Programs().of(db, [row])[0]
    if version is None or version.program is None:
        raise RejectedInput("the workflow is not published", status=409)
    subject = RehearsalSubject(version, workflow_name(db, workflow_id), version.program, ())
    looking = _Looking(db, subject, now, Tally(most_effects))
    looking.through(most)
    return looking.preview()


@dataclass
class _Looking:
    db: Database
    subject: RehearsalSubject
    now: datetime
    tally: Tally
    looked: int = 0
    matching: int = 0
    had_runs: int = 0
    failed: int = 0
    is_cut: bool = False
    examples: list[UUID] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.shelf = RecordShelf(self.db, self.subject.version.org_id)
        self.simulation = simulation_of(self.db, self.subject, self.tally, self.shelf)

    def through(self, most: int) -> None:
        """Records by their ids, then what follows of their runs."""
        version = self.subject.version
        ids, before = _page(self.db, version, None)
        while ids and self.looked < most:
            taken = ids[: most - self.looked]
            self.shelf.fetch((version.entity_type, each) for each in taken)
            for record in taken:
                self._look(record, had_runs=record in before)
            self.looked += len(taken)
            ids, before = _page(self.db, version, taken[-1])
        self.is_cut = bool(ids)
        self.simulation.run_until(self.now + _AHEAD, inclusive=True)

    def _look(self, record: UUID, *, had_runs: bool) -> None:
        version = self.subject.version
        request = StartRequest(version, record, f"backfill:{record}", "manual")
        facts = self.shelf.of((version.entity_type, record))
        try:
            if isinstance(facts, Exception):
                raise facts
            holds = is_as_triggered(request, facts)
        except OF_ONE_ROW:
            self.failed += 1
            return
        if holds and had_runs:
            self.had_runs += 1
        elif holds:
            self.matching += 1
            if len(self.examples) < _EXAMPLES:
                self.examples.append(record)
            self.simulation.start(request, self.now)

    def preview(self) -> BackfillPreview:
        program, tally = self.subject.program, self.tally
        # A backfill takes half of the bucket.
        pace = max(program.settings.starts_per_minute // 2, 1)
        return BackfillPreview(
            workflow_id=self.subject.version.workflow_id,
            name=self.subject.name,
            version=self.subject.version.version,
            looked_at=self.looked,
            matching=self.matching,
            had_runs=self.had_runs,
            failed=self.failed,
            is_cut=self.is_cut,
            minutes=round(self.matching / pace, 1),
            examples=tuple(self.examples),
            budget=Budget(program.settings.budget.emails, program.settings.budget.records),
            starts=tally.starts(),
            steps=tally.rehearsed_steps(program, self.simulation.waiting()),
            days=tally.days(),
            effects=tuple(tally.effects),
            has_more_effects=tally.has_more_effects,
            assumptions=assumptions_of(program),
        )


def _page(db: Database, version: StartableVersion, after: UUID | None) -> tuple[list[UUID], frozenset[UUID]]:
    """Records behind `after`, and those of them that were started before."""

    def work(tx: Transaction) -> tuple[list[UUID], frozenset[UUID]]:
        only_read(tx)
        ids = next_records(tx, version.org_id, version.entity_type, after, limit=_PAGE)
        return ids, store.started_before(tx, version.workflow_id, version.entity_type, ids) if ids else frozenset()

    return db.transact(work)
