"""Scheduled triggers: each occurrence starts the workflow once for every record that its filter means."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import OF_ONE_ROW
from crm_relay.rules.in_parts import in_parts
from crm_relay.workflows.models import Trigger, TriggerKind
from crm_relay.workflows.starting import store
from crm_relay.workflows.starting.batch import StartBatch
from crm_relay.workflows.starting.decisions import FAILED, is_meant
from crm_relay.workflows.starting.models import NotStarted, StartableVersion, StartRequest
from crm_relay.workflows.starting.programs import Programs
from crm_relay.workflows.starting.records import GONE, next_records, read_records
from crm_relay.workflows.starting.refused import close_schedule, report_schedule, report_unreadable
from crm_relay.workflows.starting.scheduled import store as schedules
from crm_relay.workflows.starting.scheduled.occurrences import latest_occurrence, occurrence_after
from crm_relay.workflows.starting.scheduled.store import ScheduleKey

PAGE = 500
_PAGE_SECONDS = 10.0
_LOOKED_AT_AGAIN = timedelta(hours=1)


@dataclass
class ScheduleReport:
    """`occurrences` that are over, and the runs that they started; `failed`: records that were set aside."""

    occurrences: int = 0
    pages: int = 0
    started: int = 0
    failed: int = 0
    is_finished: bool = False


@dataclass(frozen=True)
class _Held:
    """A schedule that the transaction has: `next_at` and `after_id` of its row, and what it starts."""

    key: ScheduleKey
    version: StartableVersion
    trigger: Trigger
    occurrence: datetime
    after_id: UUID | None

    def request(self, record: UUID) -> StartRequest:
        moment = self.occurrence.isoformat()
        return StartRequest(
            self.version,
            record,
            f"schedule:{self.key[1]}:{moment}:{record}",
            "scheduled",
            trigger_event={"kind": "scheduled", "occurrence": moment},
            records=self.trigger.records,
        )


def start_scheduled(db: Database, programs: Programs, clock: Clock, deadline: Deadline) -> ScheduleReport:
    """Every schedule that is due, in pages of 500 records, until nothing is due or time is up; safe to kill and repeat.

    Of occurrences that were missed only the latest is made up for. A record that neither filter nor conditions mean is
    no start that was refused. One statement where nothing is due.
    """
    scheduler = _Scheduler(db, programs, clock)
    while deadline.allows(_PAGE_SECONDS):
        if not scheduler.take():
            scheduler.report.is_finished = True
            break
    return scheduler.report


@dataclass
class _Scheduler:
    db: Database
    programs: Programs
    clock: Clock
    report: ScheduleReport = field(default_factory=ScheduleReport)

    def take(self) -> bool:
        """One page of one schedule; whether there was any. One that starts nothing more stops no other."""
        now = self.clock()
        key = schedules.due_schedule(self.db, now)
        if key is None:
            return False
        try:
            self.db.transact(lambda tx: self._page(tx, key, now))
        except OF_ONE_ROW:
            self._page_in_parts(key, now)
        return True

    def _page_in_parts(self, key: ScheduleKey, now: datetime) -> None:
        """The same without the records that stop it; what is started twice has its key."""
        held = self.db.transact(lambda tx: self._hold(tx, key, now))
        if held is None:
            return
        page = self._ids(self.db, held)
        failed = in_parts(page, lambda part: self.db.transact(lambda tx: self._page(tx, key, now, only=part)))
        report_schedule(self.db, key, failed, now)
        self.report.failed += len(failed)
        self.db.transact(lambda tx: self._page(tx, key, now, refused=failed.keys()))

    def _page(
        self,
        tx: Transaction,
        key: ScheduleKey,
        now: datetime,
        *,
        only: Sequence[UUID] | None = None,
        refused: Collection[UUID] = (),
    ) -> None:
        """Nothing where the schedule is not to be had. `only`: these records, and the schedule stays where it is."""
        held = self._hold(tx, key, now)
        if held is None:
            return
        ids = self._ids(tx, held) if only is None else only
        batch = self._decide(tx, held, [each for each in ids if each not in refused], now)
        batch.refuse(NotStarted(held.request(each), FAILED) for each in ids if each in refused)
        is_last = only is None and len(ids) < PAGE
        following = occurrence_after(held.trigger, held.occurrence) if is_last else held.occurrence
        moving = [schedules.moving(key, following, None if is_last else ids[-1])] if only is None else []
        results = tx.finish([*moving, *batch.statements([])])
        self.report.started += results[-1][0]["started"]
        self.report.pages += only is None
        self.report.occurrences += is_last
        if is_last and not refused:
            close_schedule(self.db, key, now)

    def _decide(self, tx: Transaction, held: _Held, ids: Sequence[UUID], now: datetime) -> StartBatch:
        facts = read_records(tx, {(held.version.entity_type, each) for each in ids})
        batch = StartBatch(tx, now)
        wanted = []
        for request in map(held.request, ids):
            try:
                if is_meant(request, facts.get((held.version.entity_type, request.entity_id), GONE)):
                    wanted.append(request)
            except OF_ONE_ROW:
                batch.refuse([NotStarted(request, FAILED)])
        batch.decide(wanted, facts)
        return batch

    def _ids(self, db: Database | Transaction, held: _Held) -> list[UUID]:
        return next_records(db, held.version.org_id, held.version.entity_type, held.after_id, limit=PAGE)

    def _hold(self, tx: Transaction, key: ScheduleKey, now: datetime) -> _Held | None:
        """None: it is not to be had; one whose version has no such trigger goes, one that cannot be read waits."""
        row = schedules.hold_schedule(tx, key, now)
        if row is None:
            return None
        known = store.active_version(tx, key[0], None)
        version = None if known is None else self.programs.of(tx, [known])[0]
        if version is not None and version.program is None:
            tx.send_all([schedules.moving(key, now + _LOOKED_AT_AGAIN, row["after_id"])])
            tx.after_commit(lambda: report_unreadable(self.db, [version.key], now))
            return None
        trigger = None if version is None else _trigger(version, key[1])
        if version is None or trigger is None:
            tx.send_all([schedules.moving(key, None, None)])
            return None
        is_begun = row["after_id"] is not None
        occurrence = row["next_at"] if is_begun else latest_occurrence(trigger, row["next_at"], now)
        return _Held(key, version, trigger, occurrence, row["after_id"])


def _trigger(version: StartableVersion, index: int) -> Trigger | None:
    triggers = () if version.program is None else version.program.triggers
    trigger = triggers[index] if 0 <= index < len(triggers) else None
    return trigger if trigger is not None and trigger.kind is TriggerKind.SCHEDULED and trigger.cron else None
