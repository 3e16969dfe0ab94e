"""What the schedules of a draft start within a span: every due time of each, and the records that it means."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Final
from uuid import UUID

from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import OF_ONE_ROW
from crm_relay.workflows.events.tidy_up import KEPT_DAYS
from crm_relay.workflows.models import Trigger, TriggerKind
from crm_relay.workflows.rehearsal.facts import RecordShelf, only_read
from crm_relay.workflows.rehearsal.simulation import WorkflowSimulation
from crm_relay.workflows.starting.decisions import FAILED, is_meant
from crm_relay.workflows.starting.models import NotStarted, StartRequest
from crm_relay.workflows.starting.records import next_records
from crm_relay.workflows.starting.scheduled.occurrences import occurrence_after

_PAGE = 1_000
_SHARE: Final = 4
"""So many events cost as much as one start of a schedule may."""


@dataclass
class ScheduledStarts:
    """`due`: times with the place of their trigger; `meant`: by that place the records of its filter, by id.

    A record that was created later than a due time is not started by it. `left_out` says what was too much.
    """

    db: Database
    simulation: WorkflowSimulation
    shelf: RecordShelf
    most: int
    due: deque[tuple[datetime, int]] = field(default_factory=deque)
    meant: dict[int, list[UUID]] = field(default_factory=dict)
    created: dict[UUID, datetime] = field(default_factory=dict)
    unreadable: set[tuple[int, UUID]] = field(default_factory=set)
    left_out: list[str] = field(default_factory=list)
    number: int = 0

    def read(self, since: datetime, until: datetime) -> None:
        """The due times behind `since`, at most those of the last thirty days; one page of records a statement.

        At most `most` records are looked at, and of the due times the newest are taken.
        """
        if not self._triggers:
            return
        self.meant = {place: [] for place in self._triggers}
        begins = max(since, until - timedelta(days=KEPT_DAYS))
        times = sorted((at, place) for place, each in self._triggers.items() for at in _times(each, begins, until))
        if times and not self._look_through():
            self.left_out.append(f"scheduled: there are more than {self.most:,} records")
            return
        room = self.most // _SHARE
        while times and (room := room - len(self.meant[times[-1][1]])) >= 0:
            self.due.appendleft(times.pop())
        if times:
            self.left_out.append(f"scheduled: due until {times[-1][0]:%Y-%m-%d %H:%M:%S} UTC, too many starts")
        self.number = len(self.due)

    def run_until(self, moment: datetime, *, inclusive: bool = False) -> None:
        """Every due time before `moment`, each behind the runs that are due before it."""
        while self.due and (self.due[0][0] < moment or (inclusive and self.due[0][0] == moment)):
            at, place = self.due.popleft()
            self.simulation.run_until(at)
            for record in self._records(place, at):
                request = self._request(place, record)
                if (place, record) in self.unreadable:
                    self.simulation.observer.refused(NotStarted(request, FAILED), at)
                else:
                    self.simulation.start(request, at)

    @cached_property
    def _triggers(self) -> dict[int, Trigger]:
        triggers = self.simulation.program.program.triggers
        return {place: each for place, each in enumerate(triggers) if each.kind is TriggerKind.SCHEDULED and each.cron}

    def _request(self, place: int, record: UUID) -> StartRequest:
        version, trigger = self.simulation.version, self._triggers[place]
        return StartRequest(version, record, f"schedule:{place}:{record}", "scheduled", records=trigger.records)

    def _look_through(self) -> bool:
        """Whether all records of the organization were looked at."""
        version, after, looked = self.simulation.version, None, 0
        while page := self._page(after):
            looked += len(page)
            if looked > self.most:
                return False
            self.shelf.fetch((version.entity_type, each) for each in page)
            for record in page:
                self._look(record)
            after = page[-1]
        return True

    def _look(self, record: UUID) -> None:
        found = self.shelf.of((self.simulation.version.entity_type, record))
        if not isinstance(found, Exception) and (created := _moment((found.record or {}).get("created_at"))):
            self.created[record] = created
        for place in self.meant:
            if self._is_meant(place, record):
                self.meant[place].append(record)

    def _is_meant(self, place: int, record: UUID) -> bool:
        facts = self.simulation.written.of((self.simulation.version.entity_type, record))
        if isinstance(facts, Exception):
            return True
        try:
            return is_meant(self._request(place, record), facts)
        except OF_ONE_ROW:
            self.unreadable.add((place, record))
            return True

    def _records(self, place: int, at: datetime) -> list[UUID]:
        """By id, as the engine takes them; a record that a step has written is looked at again."""
        written = self.simulation.written.fields
        found = [each for each in self.meant[place] if each not in written]
        if written:
            found = sorted([*found, *(each for each in written if self._is_meant(place, each))])
        return [each for each in found if self.created.get(each, at) <= at]

    def _page(self, after: UUID | None) -> list[UUID]:
        version = self.simulation.version

        def work(tx: Transaction) -> list[UUID]:
            only_read(tx)
            return next_records(tx, version.org_id, version.entity_type, after, limit=_PAGE)

        return self.db.transact(work)


def _times(trigger: Trigger, since: datetime, until: datetime) -> Iterator[datetime]:
    at = occurrence_after(trigger, since)
    while at is not None and at <= until:
        yield at
        at = occurrence_after(trigger, at)


def _moment(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
