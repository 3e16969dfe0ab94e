"""Why recorded drafts would or would not have started for a record: the first gate that refused, with its values."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.platform.database import Database, Row, Transaction
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.sql import queries_beside
from crm_relay.workflows.engine.steps.outcomes import Advanced
from crm_relay.workflows.models import EntityEvent, EntityType
from crm_relay.workflows.overview.models import DraftDecision, DraftWhy, RecordWhy
from crm_relay.workflows.overview.why import why_record
from crm_relay.workflows.rehearsal.facts import only_read
from crm_relay.workflows.rehearsal.rehearse import RehearsalSubject, simulation_of, subject_of_draft
from crm_relay.workflows.starting.models import NotStarted, Start
from crm_relay.workflows.starting.store import event_of_row

_SQL = queries_beside(__file__)

MOST_DRAFTS = 20
MOST_EVENTS = 200
MOST_DECISIONS = 10

WOULD_START, WOULD_NOT_START, NOTHING_RECORDED = "would_have_started", "would_not_have_started", "nothing_recorded"


def explain_record(
    db: Database, record: tuple[EntityType, UUID], now: datetime, *, workflow_id: UUID | None = None
) -> RecordWhy:
    """What `why_record` says, and the same of up to 20 drafts that are recorded; errors as there."""
    known = why_record(db, record, now, workflow_id=workflow_id)
    key = (record[0].value, record[1])
    ids = [each.workflow_id for each in known.workflows if each.version is None]
    rows = db.run(_SQL["recorded_drafts"], ids=ids, entity_type=key[0], limit=MOST_DRAFTS) if ids else []
    drafts = tuple(why for row in rows if (why := _why(db, row["id"], key, now)) is not None)
    return replace(known, drafts=drafts)


def _why(db: Database, workflow_id: UUID, key: tuple[str, UUID], now: datetime) -> DraftWhy | None:
    """None: the draft has problems by now, so that it would start nothing."""
    try:
        subject = subject_of_draft(db, workflow_id)
    except RejectedInput:
        return None
    decided = _Decisions()
    simulation = simulation_of(db, subject, decided)
    for event in _events(db, subject, key):
        at = event.occurred_at or now
        simulation.run_until(at)
        decided.event = event
        simulation.happen(event, at)
    decisions = tuple(reversed(decided.found[-MOST_DECISIONS:]))
    return DraftWhy(workflow_id, subject.name, *_answer(decisions), decisions)


def _answer(decisions: tuple[DraftDecision, ...]) -> tuple[str, str]:
    if not decisions:
        return NOTHING_RECORDED, "Nothing that the draft listens to was recorded of this record."
    newest = decisions[0]
    if newest.verdict == WOULD_NOT_START:
        return WOULD_NOT_START, f"At {newest.at:%Y-%m-%d %H:%M:%S %Z} it would not have started: {newest.reason}."
    return WOULD_START, f"At {newest.at:%Y-%m-%d %H:%M:%S %Z} it would have started."


def _events(db: Database, subject: RehearsalSubject, key: tuple[str, UUID]) -> list[EntityEvent]:
    """The newest of the record, the oldest of them first."""

    def work(tx: Transaction) -> list[Row]:
        only_read(tx)
        return tx.run(
            _SQL["events_of_record"],
            org=subject.version.org_id,
            entity_type=key[0],
            entity_id=key[1],
            limit=MOST_EVENTS,
        )

    return list(reversed(list(map(event_of_row, db.transact(work)))))


@dataclass
class _Decisions:
    """An observer of starts alone."""

    event: EntityEvent | None = None
    found: list[DraftDecision] = field(default_factory=list)

    def refused(self, refused: NotStarted, at: datetime) -> None:
        """The gate, with what it saw."""
        self._keep(at, WOULD_NOT_START, refused.reason, tuple(refused.explanation))

    def started(self, start: Start, at: datetime) -> None:
        """It passed every gate."""
        self._keep(at, WOULD_START, None if start.at is not None else "queued", tuple(start.explanation))

    def advanced(self, advanced: Advanced, at: datetime) -> None:
        """Of no concern."""

    def replaced(self, runs: int, at: datetime) -> None:
        """Of no concern."""

    def paused(self, budget: str, at: datetime) -> None:
        """Of no concern."""

    def _keep(self, at: datetime, verdict: str, reason: str | None, explanation: tuple[Any, ...]) -> None:
        event = self.event
        number, topic = (None, None) if event is None else (event.id, event.topic)
        self.found.append(DraftDecision(at, number, topic, verdict, reason, explanation))
