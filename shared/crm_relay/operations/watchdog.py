"""Which schedules have been silent for too long, and how many messages lie in the dead-letter queues.

It needs no database: it works on the day on which that one is away. While the watchdog itself is dead its metrics are
missing, which the alarms on them take for the worst.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from crm_relay.platform.aws.heartbeats import Heartbeats
from crm_relay.platform.aws.queue import queue_state

WATCHDOG = "watchdog"
"""Under this name the watchdog notes its own looks."""

PAUSE = timedelta(hours=1)
"""A watchdog that did not look for this long was switched off, and most likely every schedule with it."""


@dataclass(frozen=True)
class SilenceDecision:
    """`overdue`: how long each has been silent. `begin`: waiting for these begins now; `gone`: it ends."""

    overdue: Mapping[str, timedelta] = field(default_factory=dict)
    begin: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


def decide_silence(
    heartbeats: Mapping[str, datetime], limits: Mapping[str, timedelta], now: datetime
) -> SilenceDecision:
    """What the times of the last runs mean. After a pause, and for a schedule never seen, waiting begins now."""
    gone = tuple(sorted(heartbeats.keys() - limits.keys() - {WATCHDOG}))
    last_look = heartbeats.get(WATCHDOG)
    if last_look is None or now - last_look > PAUSE:
        return SilenceDecision(begin=tuple(limits), gone=gone)
    silent = {name: now - heartbeats[name] for name in limits if name in heartbeats}
    return SilenceDecision(
        {name: age for name, age in silent.items() if age > limits[name]},
        tuple(name for name in limits if name not in heartbeats),
        gone,
    )


def find_overdue(heartbeats: Heartbeats, limits: Mapping[str, timedelta], now: datetime) -> Mapping[str, timedelta]:
    """Schedule -> how long it has been silent, of those that should have run. Errors as in Heartbeats."""
    decision = decide_silence(heartbeats.read(), limits, now)
    heartbeats.change({WATCHDOG: now} | dict.fromkeys(decision.begin, now), decision.gone)
    return decision.overdue


def count_dead_letters(queue_urls: Sequence[str]) -> dict[str, int]:
    """Queue's name -> messages that wait in it, of those that have any. Errors as in queue_state."""
    waiting = {url.rpartition("/")[2]: queue_state(url).waiting for url in queue_urls}
    return {name: count for name, count in waiting.items() if count}
