"""Backfills that are due: a page of records a transaction, as many starts as the pace leaves room for."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database, Row, Transaction
from crm_relay.platform.errors import OF_ONE_ROW
from crm_relay.rules.in_parts import in_parts
from crm_relay.workflows.backfill import store
from crm_relay.workflows.backfill.decisions import ANOTHER_VERSION, room_for, wait_for_room
from crm_relay.workflows.starting import store as starting
from crm_relay.workflows.starting.batch import StartBatch
from crm_relay.workflows.starting.decisions import FAILED, is_as_triggered
from crm_relay.workflows.starting.models import NotStarted, StartableVersion, StartRequest
from crm_relay.workflows.starting.programs import Programs
from crm_relay.workflows.starting.records import GONE, next_records, read_records

PAGE = 500
_PAGE_SECONDS = 10.0
_HELD_IS_LOOKED_AT = timedelta(minutes=1)


@dataclass
class BackfillReport:
    """`started` runs; `failed`: records that were set aside. `is_finished` False: the time was up."""

    pages: int = 0
    started: int = 0
    failed: int = 0
    is_finished: bool = False


@dataclass(frozen=True)
class _HeldBackfill:
    """A backfill that the transaction has, and how many starts there is room for."""

    id: UUID
    version: StartableVersion
    after_id: UUID | None
    ordered_by: str
    room: int

    def request(self, record: UUID) -> StartRequest:
        """A record is started by backfills once for ever."""
        return StartRequest(
            self.version,
            record,
            f"backfill:{record}",
            "manual",
            trigger_event={"kind": "backfill", "origin": "backfill", "backfill": str(self.id), "by": self.ordered_by},
        )


def start_backfills(db: Database, programs: Programs, clock: Clock, deadline: Deadline) -> BackfillReport:
    """Until nothing is due or time is up; any number may run side by side and be killed at any line.

    A record that does not match, or that the workflow was started for before, is left out. One statement where nothing
    is due.
    """
    filling = _Filling(db, programs, clock)
    while deadline.allows(_PAGE_SECONDS):
        if not filling.take():
            filling.report.is_finished = True
            break
    return filling.report


@dataclass
class _Filling:
    db: Database
    programs: Programs
    clock: Clock
    report: BackfillReport = field(default_factory=BackfillReport)

    def take(self) -> bool:
        """One page of one backfill; whether there was any."""
        now = self.clock()
        backfill = store.due(self.db, now)
        if backfill is None:
            return False
        try:
            self.db.transact(lambda tx: self._page(tx, backfill, now))
        except OF_ONE_ROW:
            self._page_in_parts(backfill, now)
        return True

    def _page_in_parts(self, backfill: UUID, now: datetime) -> None:
        """The same without the records that stop it; what was started is left out the second time."""
        held = self.db.transact(lambda tx: self._hold(tx, backfill, now))
        if held is None:
            return
        page = next_records(
            self.db, held.version.org_id, held.version.entity_type, held.after_id, limit=min(PAGE, held.room)
        )
        before = self.report.started
        failed = in_parts(page, lambda part: self.db.transact(lambda tx: self._page(tx, backfill, now, only=part)))
        self.report.failed += len(failed)
        done = self.report.started - before
        self.db.transact(lambda tx: self._page(tx, backfill, now, only=page, refused=failed.keys(), moved=done))

    def _page(
        self,
        tx: Transaction,
        backfill: UUID,
        now: datetime,
        *,
        only: Sequence[UUID] | None = None,
        refused: Collection[UUID] = (),
        moved: int | None = None,
    ) -> None:
        """`only`: these records, and it stays where it is unless so many of them were started for it (`moved`)."""
        held = self._hold(tx, backfill, now)
        if held is None:
            return
        version = held.version
        ids = next_records(tx, version.org_id, version.entity_type, held.after_id, limit=PAGE) if only is None else only
        facts = read_records(tx, {(version.entity_type, each) for each in ids if each not in refused})
        before = store.started_before(tx, version.workflow_id, version.entity_type, ids)
        wanted: list[UUID] = []
        looked = 0
        for record in ids:
            if len(wanted) >= held.room:
                break
            looked += 1
            if record not in refused and record not in before:
                wanted += [record] if _matches(held, record, facts.get((version.entity_type, record), GONE)) else []
        batch = StartBatch(tx, now)
        batch.decide([held.request(record) for record in wanted], facts)
        batch.refuse(NotStarted(held.request(record), FAILED) for record in ids[:looked] if record in refused)
        moving = []
        if only is None or moved is not None:
            is_last = only is None and looked == len(ids) < PAGE
            moving = [
                store.moving(
                    held.id,
                    now,
                    after_id=ids[looked - 1] if looked else None,
                    state="completed" if is_last else "running",
                    not_before=now,
                    looked_at=looked,
                    started=len(batch.starts) + (moved or 0),
                    refused=len(wanted) - len(batch.starts),
                    had_runs=len(before & set(ids[:looked])) - (moved or 0),
                    failed=len(refused),
                )
            ]
            self.report.pages += 1
        results = tx.finish([*moving, *batch.statements([])])
        self.report.started += results[-1][0]["started"]

    def _hold(self, tx: Transaction, backfill: UUID, now: datetime) -> _HeldBackfill | None:
        """None: it is not to be had, its workflow is held, or there is no room now."""
        row = store.hold(tx, backfill, now)
        if row is None:
            return None
        version = self._version(tx, row)
        if version is None or version.program is None:
            tx.send_all([store.moving(backfill, now, state="stopped", reason=ANOTHER_VERSION, not_before=now)])
            return None
        if row["is_held"]:
            tx.send_all([store.moving(backfill, now, state="running", not_before=now + _HELD_IS_LOOKED_AT)])
            return None
        per_minute = version.program.settings.starts_per_minute
        room = room_for(row["next_free_at"], per_minute, now)
        if not room:
            at = wait_for_room(row["next_free_at"], per_minute, now)
            tx.send_all([store.moving(backfill, now, state="running", not_before=at)])
            return None
        return _HeldBackfill(backfill, version, row["after_id"], row["ordered_by"], room)

    def _version(self, tx: Transaction, row: Row) -> StartableVersion | None:
        """None: what was ordered is not active any more."""
        if row["active_version"] != row["version"]:
            return None
        known = starting.active_version(tx, row["workflow_id"], None)
        return None if known is None else self.programs.of(tx, [known])[0]


def _matches(held: _HeldBackfill, record: UUID, facts: object) -> bool:
    """A record that cannot be asked is a start that failed, which `decide` says."""
    try:
        return is_as_triggered(held.request(record), facts)  # type: ignore[arg-type]
    except OF_ONE_ROW:
        return True
