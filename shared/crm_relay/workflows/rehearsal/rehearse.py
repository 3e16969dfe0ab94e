"""Runs a draft over what happened, as the engine would have, and says who would have got what; nothing takes effect."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from crm_relay.mail.models import Identity
from crm_relay.platform.database import Database, Row, Transaction
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.sql import SqlValue, queries_beside
from crm_relay.workflows.definition.listeners import listeners_of, waits_of
from crm_relay.workflows.definition.prove_drafts import prove_drafts
from crm_relay.workflows.engine.steps.programs import RunnableProgram
from crm_relay.workflows.events.tidy_up import KEPT_DAYS
from crm_relay.workflows.events.watch import Topic, field_of, recorded_topics
from crm_relay.workflows.models import EntityEvent, Program, StepKind, TriggerKind
from crm_relay.workflows.rehearsal.facts import RecordShelf, only_read, read_shared
from crm_relay.workflows.rehearsal.models import Budget, RecordedTopic, Rehearsal, RehearsedSpan
from crm_relay.workflows.rehearsal.scheduled_starts import ScheduledStarts
from crm_relay.workflows.rehearsal.simulated_run import Observer
from crm_relay.workflows.rehearsal.simulation import WorkflowSimulation
from crm_relay.workflows.rehearsal.tally import Tally
from crm_relay.workflows.rehearsal.written_records import WrittenRecords
from crm_relay.workflows.run_models import Letterhead
from crm_relay.workflows.starting.models import StartableVersion
from crm_relay.workflows.starting.store import event_of_row

_SQL = queries_beside(__file__)

MOST_EVENTS: Final = 100_000
MOST_EFFECTS: Final = 200

ALWAYS: Final = datetime.min.replace(tzinfo=UTC)
SOMEBODY: Final = Letterhead(Identity(id=None, from_address="rehearsal@example.invalid"), "https://example.invalid")
"""The sender in rehearsals of an organization without one."""

_PAGE = 1_000
_AS_NOW = (
    "Conditions and variables are asked of records as they are now, with what the draft has written; what changed is"
    " as it was then."
)
_MAIL = "Mails are those that steps would have queued; opt-outs, caps and limits are asked when a mail leaves."
_SCHEDULE = "A schedule starts for the records that are there now, from when each was created."
_WEBHOOK = "Every webhook is answered with 200 at once."
_PAUSE = "A workflow that its effect budget pauses is resumed at the next midnight of UTC."
_OWN = "Starts by the workflow's own writes are not rehearsed."
_APPROVAL = "Nobody answers an approval: a run that comes to one stays there."


@dataclass(frozen=True)
class RehearsalSubject:
    """What is rehearsed: a draft that was proven, and the topics that it listens to."""

    version: StartableVersion
    name: str
    program: Program
    topics: tuple[Topic, ...]
    owner: UUID | None = None


def rehearse(
    db: Database,
    workflow_id: UUID,
    now: datetime,
    *,
    since: datetime | None = None,
    most_effects: int = MOST_EFFECTS,
    most_events: int = MOST_EVENTS,
) -> Rehearsal:
    """The draft over what happened from `since` until `now`; None: from where all that it listens to is recorded.

    Of more than `most_events` the newest are taken. Reads alone; a page of 1,000 events costs two statements, and the
    memory is that of the runs that wait. RejectedInput with 404 for no such workflow, with 422 and all problems for a
    draft that could not be published.
    """
    subject = subject_of_draft(db, workflow_id)
    return rehearse_subject(db, subject, now, since=since, most_effects=most_effects, most_events=most_events)


def subject_of_draft(db: Database, workflow_id: UUID) -> RehearsalSubject:
    """RejectedInput as in `rehearse`."""
    drafts = db.transact(lambda tx: prove_drafts(tx, [workflow_id]))
    if not drafts or drafts[0].row["is_deleted"]:
        raise RejectedInput("there is no such workflow", status=404)
    (draft,) = drafts
    if draft.program is None:
        raise RejectedInput("the draft has problems", status=422, details=draft.problems)
    version = StartableVersion(
        workflow_id,
        draft.row["newest_version"] + 1,
        draft.row["org_id"],
        draft.program.entity_type.value,
        ALWAYS,
        draft.program,
    )
    heard = listeners_of(draft.program, draft.event_columns, ())
    topics = sorted(((each.entity_type, each.topic) for each in heard), key=lambda each: (each[0].value, each[1]))
    return RehearsalSubject(version, draft.row["name"], draft.program, tuple(topics))


def rehearse_subject(
    db: Database,
    subject: RehearsalSubject,
    now: datetime,
    *,
    since: datetime | None,
    most_effects: int,
    most_events: int = MOST_EVENTS,
) -> Rehearsal:
    """The same of any program."""
    recorded = recorded_topics(db, subject.version.org_id, subject.topics)
    begins = since or max([*recorded.values(), now - timedelta(days=KEPT_DAYS)])
    reading = _RecordedEvents(db, subject, begins, now, most_events)
    tally = Tally(most_effects)
    shelf = RecordShelf(db, subject.version.org_id)
    simulation = simulation_of(db, subject, tally, shelf)
    schedules = ScheduledStarts(db, simulation, shelf, most_events)
    schedules.read(begins, now)
    number, clock = 0, begins
    for page in reading.pages():
        shelf.fetch((each.entity_type, each.entity_id) for each in page if _is_about(subject, each))
        for event in page:
            clock = max(clock, event.occurred_at or clock)
            schedules.run_until(clock)
            simulation.run_until(clock)
            simulation.happen(event, clock)
        number += len(page)
    schedules.run_until(now, inclusive=True)
    simulation.run_until(now, inclusive=True)
    return _rehearsal(subject, reading.span(number, recorded, schedules), tally, simulation)


def simulation_of(
    db: Database, subject: RehearsalSubject, observer: Observer, shelf: RecordShelf | None = None
) -> WorkflowSimulation:
    """Of a workflow that has started nothing yet; `shelf` None: one of its own."""
    runnable = RunnableProgram.of(subject.program)
    shared = read_shared(db, subject.version, runnable, SOMEBODY)
    records = WrittenRecords(shelf or RecordShelf(db, subject.version.org_id))
    return WorkflowSimulation(subject.version, runnable, subject.name, shared, records, observer, subject.owner)


def assumptions_of(program: Program) -> tuple[str, ...]:
    """What a rehearsal cannot know, as far as it concerns the program."""
    kinds = {step.kind for step in program.steps}
    is_scheduled = any(each.kind is TriggerKind.SCHEDULED for each in program.triggers)
    has_budget = program.settings.budget.emails is not None or program.settings.budget.records is not None
    said = [
        (True, _AS_NOW),
        (is_scheduled, _SCHEDULE),
        (StepKind.SEND_EMAIL in kinds, _MAIL),
        (StepKind.WEBHOOK in kinds, _WEBHOOK),
        (StepKind.APPROVAL in kinds, _APPROVAL),
        (has_budget, _PAUSE),
        (program.settings.guard is not None, _OWN),
    ]
    return tuple(sentence for applies, sentence in said if applies)


@dataclass(frozen=True)
class _RecordedEvents:
    db: Database
    subject: RehearsalSubject
    since: datetime
    until: datetime
    most_events: int

    def pages(self) -> Iterator[list[EntityEvent]]:
        """In the order of the engine, each read in a transaction that cannot write."""
        after = self.cut() or 0
        while page := self._page(after):
            yield page
            if len(page) < _PAGE:
                return
            after = page[-1].id

    def cut(self) -> int | None:
        """The newest event that is left out; None: all are taken."""
        rows = self.db.run(_SQL["newest_events"], most=self.most_events, **self._asked)
        return int(rows[0]["id"]) if rows else None

    def span(self, events: int, recorded: dict[Topic, datetime], schedules: ScheduledStarts) -> RehearsedSpan:
        program = self.subject.program
        topics = tuple(RecordedTopic(field_of(*each), recorded.get(each)) for each in self.subject.topics)
        is_whole = len(recorded) == len(self.subject.topics)
        not_rehearsed = [
            f"{trigger.kind.value}: it happens without an event"
            for trigger in program.triggers
            if trigger.kind in {TriggerKind.MANUAL, TriggerKind.API}
        ]
        not_rehearsed += schedules.left_out
        not_rehearsed += [f"{each.field}: it is not recorded" for each in topics if each.since is None]
        return RehearsedSpan(
            since=self.since,
            until=self.until,
            complete_from=max(recorded.values(), default=self.since) if is_whole else None,
            events=events,
            due_times=schedules.number,
            is_cut=events >= self.most_events and self.cut() is not None,
            topics=topics,
            not_rehearsed=tuple(dict.fromkeys(not_rehearsed)),
        )

    @property
    def _asked(self) -> dict[str, SqlValue]:
        waits = sorted(each.topic for each in waits_of(self.subject.program))
        return {
            "org": self.subject.version.org_id,
            "entity_type": self.subject.version.entity_type,
            "since": self.since,
            "until": self.until,
            "waits": waits,
        }

    def _page(self, after: int) -> list[EntityEvent]:
        def work(tx: Transaction) -> list[Row]:
            only_read(tx)
            return tx.run(_SQL["next_events"], after=after, limit=_PAGE, **self._asked)

        return list(map(event_of_row, self.db.transact(work)))


def _is_about(subject: RehearsalSubject, event: EntityEvent) -> bool:
    return event.entity_type == subject.version.entity_type


def _rehearsal(
    subject: RehearsalSubject, span: RehearsedSpan, tally: Tally, simulation: WorkflowSimulation
) -> Rehearsal:
    program, waiting = subject.program, simulation.waiting()
    queued = sum(is_queued for _, is_queued in simulation.open_runs)
    runs = dict(tally.ended) | {"running": sum(waiting.values()), "queued": queued}
    return Rehearsal(
        workflow_id=subject.version.workflow_id,
        name=subject.name,
        entity_type=subject.version.entity_type,
        span=span,
        budget=Budget(program.settings.budget.emails, program.settings.budget.records),
        starts=tally.starts(),
        runs={status: number for status, number in runs.items() if number},
        steps=tally.rehearsed_steps(program, waiting),
        days=tally.days(),
        recipients=len(tally.emails),
        busiest=tally.busiest(),
        effects=tuple(tally.effects),
        has_more_effects=tally.has_more_effects,
        assumptions=assumptions_of(program),
    )
