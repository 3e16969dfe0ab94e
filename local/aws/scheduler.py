"""Stands in for EventBridge Scheduler: fires the template's schedules by the clock, or one round on demand."""

import heapq
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local.template.schedules import next_firing
from local.template.template import SamTemplate, Schedule

Invoke = Callable[[str, Mapping[str, Any]], Any]
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Firing:
    """One schedule that ran, and what its function answered."""

    function: str
    schedule: Schedule
    answer: Any


@dataclass(order=True, frozen=True)
class _Due:
    at: datetime
    function: str = field(compare=False)
    schedule: Schedule = field(compare=False)


class Scheduler:
    """Schedules that the template switches off never fire."""

    def __init__(self, template: SamTemplate, invoke: Invoke) -> None:
        self._invoke = invoke
        self._schedules = [
            (name, one) for name, function in template.functions.items() for one in function.schedules if one.enabled
        ]
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def run_round(self, *functions: str) -> list[Firing]:
        """Every schedule once, of these functions or of all, in the template's order; raises what a function raises."""
        wanted = [each for each in self._schedules if not functions or each[0] in functions]
        return [Firing(name, one, self._invoke(name, one.input)) for name, one in wanted]

    def start(self) -> None:
        """Fires in the background; a rate counts from now on."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._fire_until_stopped, name="scheduler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Functions that run are left to their edge; safe to call twice."""
        self._stopping.set()
        if self._thread:
            self._thread.join()
            self._thread = None

    def _fire_until_stopped(self) -> None:
        now = datetime.now(UTC)
        due = [one for name, schedule in self._schedules for one in _following(name, schedule, now)]
        heapq.heapify(due)
        while due:
            first = heapq.heappop(due)
            if self._stopping.wait((first.at - datetime.now(UTC)).total_seconds()):
                return
            # Asynchronous as there: a long round does not hold up the other schedules.
            threading.Thread(target=self._fire, args=[first.function, first.schedule], daemon=True).start()
            # From now and not from then: a laptop that slept does not make up for the rounds it missed.
            for one in _following(first.function, first.schedule, max(first.at, datetime.now(UTC))):
                heapq.heappush(due, one)

    def _fire(self, function: str, schedule: Schedule) -> None:
        try:
            self._invoke(function, schedule.input)
        except Exception:
            logger.exception("%s failed when %s fired", function, schedule.name)


def _following(function: str, schedule: Schedule, after: datetime) -> list[_Due]:
    at = next_firing(schedule.expression, schedule.timezone, after)
    return [_Due(at, function, schedule)] if at else []
