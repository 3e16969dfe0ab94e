"""Everything that waits in `entity_events`: claimed fairly, decided, and recorded in one transaction a batch."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import OF_ONE_ROW
from crm_relay.rules.in_parts import in_parts
from crm_relay.workflows.models import EntityEvent
from crm_relay.workflows.starting import store
from crm_relay.workflows.starting.batch import StartBatch
from crm_relay.workflows.starting.decisions import of_event
from crm_relay.workflows.starting.models import NotStarted, StartableVersion, StartRequest
from crm_relay.workflows.starting.programs import Programs
from crm_relay.workflows.starting.records import read_records
from crm_relay.workflows.starting.refused import report_unreadable, set_aside

BATCH = 500

_EVERYBODY = UUID(int=0)
_BATCH_SECONDS = 10.0


@dataclass
class StartReport:
    """What a run did. `refused`: reason -> how many did not start; `failed`: events that are tried again later."""

    events: int = 0
    started: int = 0
    queued: int = 0
    woken: int = 0
    batches: int = 0
    failed: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    is_finished: bool = False


@dataclass
class _Done:
    """What one batch has done."""

    events: list[EntityEvent]
    started: int = 0
    queued: int = 0
    woken: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    unreadable: frozenset[tuple[UUID, int]] = frozenset()


Claim = Callable[[Transaction], list[EntityEvent]]


def start_runs(db: Database, programs: Programs, clock: Clock, deadline: Deadline) -> StartReport:
    """Until no event waits or time is up. Any number may run side by side and be killed at any line.

    Lines of events take turns: many events of one workflow hold up no other. An event whose rows cannot be worked on is
    set aside alone, tried again four times, and has an incident meanwhile. One statement where nothing waits.
    """
    return _Starter(db, programs, clock, deadline).run()


@dataclass
class _Starter:
    db: Database
    programs: Programs
    clock: Clock
    deadline: Deadline
    # Lines of the organizations behind it come next.
    after: UUID = _EVERYBODY
    report: StartReport = field(default_factory=StartReport)

    def run(self) -> StartReport:
        while self.deadline.allows(_BATCH_SECONDS):
            taken = self._take()
            if not taken and self.after == _EVERYBODY:
                self.report.is_finished = True
                break
            lines = {(each.org_id, each.entity_type, each.topic) for each in taken}
            self.after = max(each.org_id for each in taken) if len(lines) >= store.LINES else _EVERYBODY
        return self.report

    def _take(self) -> list[EntityEvent]:
        """What was there."""
        now = self.clock()
        try:
            done = self._transact(lambda tx: store.claim_events(tx, now, after=self.after, limit=BATCH), now)
        except OF_ONE_ROW:
            return self._take_in_parts(now)
        self._count(done)
        return done.events

    def _take_in_parts(self, now: datetime) -> list[EntityEvent]:
        """Find the event that stops the others. What is claimed now may be others than those that failed."""
        events = store.claim_events(self.db, now, after=self.after, limit=BATCH)

        def work(part: Sequence[int]) -> None:
            self._count(self._transact(lambda tx: store.claim_these(tx, part), now))

        failed = in_parts([event.id for event in events], work)
        set_aside(self.db, failed, now)
        self.report.failed += len(failed)
        return events

    def _transact(self, claim: Claim, now: datetime) -> _Done:
        return self.db.transact(lambda tx: handle(tx, self.programs, claim(tx), now))

    def _count(self, done: _Done) -> None:
        report = self.report
        report.batches += bool(done.events)
        report.events += len(done.events)
        report.started += done.started
        report.queued += done.queued
        report.woken += done.woken
        report.refused += done.refused
        report_unreadable(self.db, done.unreadable, self.clock())


def handle(tx: Transaction, programs: Programs, events: Sequence[EntityEvent], now: datetime) -> _Done:
    """Decide and record what these events, claimed by the transaction, start; it is the transaction's last work."""
    done = _Done(list(events))
    if not events:
        return done
    versions = programs.of(tx, store.active_versions(tx, {(each.org_id, each.entity_type) for each in events}))
    batch = StartBatch(tx, now)
    requests, refused = _requests(versions, events)
    batch.refuse(refused)
    records = read_records(tx, {(each.version.entity_type, each.entity_id) for each in requests})
    batch.decide(requests, records)
    happened = [each for each in events if each.kind == "event"]
    waking = [store.waking(happened, now)] if happened else []
    results = tx.finish([*waking, *batch.statements([each.id for each in events])])
    done.woken = results[0][0]["woken"] if happened else 0
    done.started = results[-1][0]["started"]
    done.queued = sum(each.at is None and not each.is_superseded for each in batch.starts)
    done.refused = Counter(each.reason for each in batch.decided if isinstance(each, NotStarted))
    done.unreadable = frozenset(each.key for each in versions if each.program is None)
    return done


def _requests(
    versions: Iterable[StartableVersion], events: Iterable[EntityEvent]
) -> tuple[list[StartRequest], list[NotStarted]]:
    listening: dict[tuple[UUID, str], list[StartableVersion]] = {}
    for version in versions:
        listening.setdefault((version.org_id, version.entity_type), []).append(version)
    requests: list[StartRequest] = []
    refused: list[NotStarted] = []
    for event in events:
        for version in listening.get((event.org_id, event.entity_type), ()):
            judged = of_event(version, event)
            if isinstance(judged, StartRequest):
                requests.append(judged)
            elif judged is not None:
                refused.append(judged)
    return requests, refused
