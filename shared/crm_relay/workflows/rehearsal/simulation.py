"""A workflow under a clock of its own: starts and steps are decided by the engine's rules, and nothing is written."""

import heapq
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Final
from uuid import UUID

from crm_relay.platform.errors import describe_error
from crm_relay.rules.record_conditions import ConditionSubject, RecordFacts
from crm_relay.workflows.actions.effects import FieldWrite
from crm_relay.workflows.approvals.models import FOR_APPROVAL
from crm_relay.workflows.engine.claim import ClaimedBatch, ClaimedRun, SharedFacts
from crm_relay.workflows.engine.steps.outcomes import Advanced
from crm_relay.workflows.engine.steps.programs import RunnableProgram
from crm_relay.workflows.engine.steps.waits import FOR_EVENT, FOR_WEBHOOK
from crm_relay.workflows.engine.take_runs import BATCH, DecidedRuns, TakeOrder
from crm_relay.workflows.models import EntityEvent, EntityType
from crm_relay.workflows.rehearsal.due import Due, first_of
from crm_relay.workflows.rehearsal.simulated_run import Observer, SimulatedRun
from crm_relay.workflows.rehearsal.written_records import WrittenRecords
from crm_relay.workflows.run_models import Assignee, Letterhead, LetterTemplate, StepFacts, TriggerEvent, WebhookAnswer
from crm_relay.workflows.starting.batch import judge_or_refuse
from crm_relay.workflows.starting.decisions import FAILED, begin, of_event
from crm_relay.workflows.starting.models import Instance, NotStarted, StartableVersion, StartRequest
from crm_relay.workflows.starting.records import RecordKey

_READ_AHEAD: Final = 500
NEVER: Final = datetime.min.replace(tzinfo=UTC)

_ALL: Final = TakeOrder()
_OfOrganization = tuple[
    Letterhead | None, Mapping[str, LetterTemplate], Mapping[UUID, Assignee], Mapping[str, UUID | None]
]

DELIVERED = WebhookAnswer("delivered", 200)
"""What a rehearsal assumes of every webhook."""


@dataclass
class WorkflowSimulation:
    """One version on its own: nothing of it runs before the first event, and nobody else spends its budget.

    A workflow that its budget pauses is resumed at the next midnight of UTC. Memory grows with the runs that wait and
    the records that were met, never with the steps that were taken.
    """

    version: StartableVersion
    program: RunnableProgram
    name: str
    shared: SharedFacts
    written: WrittenRecords
    observer: Observer
    owner: UUID | None = None
    instances: dict[UUID, Instance] = field(default_factory=dict)
    next_free_at: datetime = NEVER
    paused_until: datetime | None = None
    _runs: dict[int, SimulatedRun] = field(default_factory=dict)
    _due: list[Due] = field(default_factory=list)
    _queued: dict[UUID, deque[int]] = field(default_factory=dict)
    _waiting: dict[tuple[str, UUID], set[int]] = field(default_factory=dict)
    _happened: dict[RecordKey, list[tuple[str, datetime]]] = field(default_factory=dict)
    _spent: Counter[tuple[UUID, str]] = field(default_factory=Counter)
    _spent_on: date | None = None
    _number: int = 0

    def happen(self, event: EntityEvent, now: datetime) -> None:
        """The event is handled now: runs that wait for it wake, and it starts what it starts."""
        if event.kind == "event":
            key = (event.entity_type, event.entity_id)
            self._happened.setdefault(key, []).append((event.topic.removeprefix(FOR_EVENT), event.occurred_at or now))
            for run_id in sorted(self._waiting.get((event.topic, event.entity_id), ())):
                self._schedule(self._runs[run_id], now)
        if event.entity_type != self.version.entity_type:
            return
        judged = of_event(self.version, event)
        if isinstance(judged, NotStarted):
            self.observer.refused(judged, now)
        elif judged is not None:
            self.start(judged, now)

    def start(self, request: StartRequest, now: datetime) -> None:
        """The gates of the record, of its runs and of the pace."""
        facts = self.written.of((request.version.entity_type, request.entity_id), self._ahead)
        asked = _unreadable(request, facts) if isinstance(facts, Exception) else judge_or_refuse(request, facts)
        if isinstance(asked, NotStarted):
            self.observer.refused(asked, now)
            return
        self._number += 1
        run_id, instance = UUID(int=self._number), self.instances.get(request.entity_id)
        decided, self.instances[request.entity_id], self.next_free_at = begin(
            request, instance or Instance(request.entity_id), self.next_free_at, run_id, now
        )
        if isinstance(decided, NotStarted):
            self.observer.refused(decided, now)
            return
        for replaced in decided.restarts:
            self._leave_waiting(self._runs.pop(replaced.int))
        if decided.restarts:
            self._queued.pop(request.entity_id, None)
            self.observer.replaced(len(decided.restarts), now)
        run = self._runs[self._number] = SimulatedRun(run_id, request, now)
        self.observer.started(decided, now)
        if decided.at is None:
            self._queued.setdefault(request.entity_id, deque()).append(self._number)
        else:
            self._schedule(run, decided.at)

    def run_until(self, moment: datetime, *, inclusive: bool = False) -> None:
        """Everything that is due before `moment`, at its own time."""
        while (at := self._next()) is not None and (at < moment or (inclusive and at == moment)):
            self._batch(at)

    def waiting(self) -> Counter[str]:
        """Runs that are not over and not behind another one, by the key of the step that they are at."""
        steps = self.program.program.steps
        return Counter(steps[place].key for place, queued in self.open_runs if not queued and place < len(steps))

    @property
    def open_runs(self) -> Iterator[tuple[int, bool]]:
        """Of each run that is not over its place, and whether it waits behind another one."""
        queued = {run for line in self._queued.values() for run in line}
        return ((run.place, number in queued) for number, run in self._runs.items())

    def _next(self) -> datetime | None:
        """When something is due next; what is due while the workflow is paused is due at its end."""
        while self._due:
            at, due, number = self._due[0]
            run = self._runs.get(number)
            if run is None or run.next_run_at != due:
                heapq.heappop(self._due)
            elif self.paused_until is not None and at < self.paused_until:
                heapq.heapreplace(self._due, (self.paused_until, due, number))
            else:
                return at
        return None

    def _batch(self, now: datetime) -> None:
        """As the engine takes it: runs that are due at one moment, one a record, the oldest first."""
        taken: dict[UUID, SimulatedRun] = {}
        left: list[Due] = []
        while len(taken) < BATCH and self._next() == now:
            entry = heapq.heappop(self._due)
            run = self._runs[entry[2]]
            if run.request.entity_id in taken:
                left.append(entry)
            else:
                taken[run.request.entity_id] = run
                run.next_run_at = None
        for entry in left:
            heapq.heappush(self._due, entry)
        today = now.astimezone(UTC).date()
        if self._spent_on != today:
            self._spent.clear()
            self._spent_on = today
        self._decide(list(taken.values()), now)

    def _decide(self, runs: list[SimulatedRun], now: datetime) -> None:
        decided = DecidedRuns(self._claimed, _ALL, now)
        for run in runs:
            before = len(decided.advanced)
            claimed = run.as_run(self.instances[run.request.entity_id].id, self.name, self.owner)
            decided.one(ClaimedRun(claimed, self.program, self._step_facts(run, claimed.event)))
            if len(decided.advanced) == before:
                self._schedule(run, now)
        for advanced in decided.advanced:
            self._record(self._runs[advanced.run.id.int], advanced, now)
        for key, number in decided.spent.items():
            self._spent[key] += number
        for over in decided.over_budget.values():
            tomorrow = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
            self.paused_until = tomorrow
            self.observer.paused(over.over_budget or "", now)

    def _record(self, run: SimulatedRun, advanced: Advanced, now: datetime) -> None:
        state = advanced.state
        self._leave_waiting(run)
        run.came_to(advanced, now)
        for effect in advanced.effects:
            if isinstance(effect, FieldWrite):
                self.written.keep(effect)
        self.observer.advanced(advanced, now)
        if state.is_over:
            self._end(run, now)
            return
        if run.waits_for is not None and run.waits_for_id is not None:
            self._waiting.setdefault((run.waits_for, run.waits_for_id), set()).add(run.id.int)
        # The other system answers at once, and nobody answers an approval.
        at = None if run.waits_for == FOR_APPROVAL else state.next_run_at
        self._schedule(run, now if run.waits_for == FOR_WEBHOOK else at)

    def _end(self, run: SimulatedRun, now: datetime) -> None:
        """The next run of its record may begin."""
        del self._runs[run.id.int]
        entity = run.request.entity_id
        instance = self.instances[entity]
        others = () if len(instance.open_runs) == 1 else tuple(each for each in instance.open_runs if each != run.id)
        self.instances[entity] = Instance(instance.id, instance.last_started_at, others)
        line = self._queued.get(entity)
        if line:
            self._schedule(self._runs[line.popleft()], now)
            if not line:
                del self._queued[entity]

    def _schedule(self, run: SimulatedRun, at: datetime | None) -> None:
        run.next_run_at = at
        if at is not None:
            heapq.heappush(self._due, (at, at, run.id.int))

    def _leave_waiting(self, run: SimulatedRun) -> None:
        if run.waits_for is None or run.waits_for_id is None:
            return
        line = self._waiting.get((run.waits_for, run.waits_for_id))
        if line is not None:
            line.discard(run.id.int)
            if not line:
                del self._waiting[run.waits_for, run.waits_for_id]

    def _ahead(self) -> list[RecordKey]:
        """The records of runs that are due next, read together."""
        found = (self._runs.get(number) for _, _, number in first_of(self._due, _READ_AHEAD))
        return [run.key for run in found if run is not None]

    def _step_facts(self, run: SimulatedRun, event: TriggerEvent) -> StepFacts:
        facts = self.written.of(run.key, self._ahead)
        if isinstance(facts, Exception):
            facts = RecordFacts(None)
        letterhead, templates, people, rotations = self._of_organization
        return StepFacts(
            ConditionSubject(self.version.entity_type, facts, event),
            letterhead=letterhead,
            templates=templates,
            people=people,
            rotations=rotations,
            happened=self._happened_since(run, facts) if self._happened else {},
            webhook=DELIVERED if run.waits_for == FOR_WEBHOOK else None,
        )

    @cached_property
    def _claimed(self) -> ClaimedBatch:
        return ClaimedBatch(spent=self._spent, turns=self.shared.turns)

    @cached_property
    def _of_organization(self) -> _OfOrganization:
        shared, org = self.shared, self.version.org_id
        return (
            shared.letterheads.get(org),
            shared.templates.get(org, {}),
            shared.people.get(org, {}),
            shared.turns.setdefault(self.version.workflow_id, {}),
        )

    def _happened_since(self, run: SimulatedRun, facts: RecordFacts) -> Mapping[str, datetime]:
        keys = {run.key}
        if facts.contact is not None and facts.contact.get("id"):
            keys.add((EntityType.CONTACT.value, UUID(str(facts.contact["id"]))))
        found: dict[str, datetime] = {}
        for key in keys:
            for name, at in self._happened.get(key, ()):
                if at >= run.began_at and (name not in found or at < found[name]):
                    found[name] = at
        return found


def _unreadable(request: StartRequest, error: Exception) -> NotStarted:
    return NotStarted(request, FAILED, ({"gate": "conditions", "problem": describe_error(error)},))
