"""Rules of connections: what a failure means, when the next sync is, and what has to be asked first; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from crm_relay.platform.errors import TransientError
from crm_relay.providers.connectors.failures import (
    BillingLimit,
    BudgetSpent,
    CursorLost,
    ReconnectNeeded,
    SchemaDrift,
    TimeUsedUp,
)

FAILURES_UNTIL_ERROR = 3
_FIRST_PROBE = timedelta(minutes=30)
_LONGEST_PAUSE = timedelta(hours=24)
_FIRST_RETRY = timedelta(hours=1)
DEFAULT_SHRINK_LIMIT = 20
_SMALL = 5
COMPLETE_EVERY = timedelta(hours=24)
_COMPLETE_AT_LEAST = timedelta(days=7)

Failure = Literal["none", "partial", "outage", "billing", "reconnect", "stream", "failure"]


def classify(error: BaseException) -> Failure:
    """What an error says about the connection.

    `partial`: progress is kept and the next run goes on. `outage`: the vendor's, counts as no failure. `billing`:
    nothing is tried before the next month. `reconnect`: waits for somebody. `stream`: stops that stream alone.
    """
    if isinstance(error, BudgetSpent | TimeUsedUp | CursorLost):
        return "partial"
    if isinstance(error, BillingLimit):
        return "billing"
    if isinstance(error, TransientError):
        return "outage"
    if isinstance(error, ReconnectNeeded):
        return "reconnect"
    return "stream" if isinstance(error, SchemaDrift) else "failure"


def worst(failures: Sequence[Failure]) -> Failure:
    """What a run with several streams says about the connection."""
    order: list[Failure] = ["none", "partial", "stream", "outage", "failure", "billing", "reconnect"]
    return max(failures, key=order.index, default="none")


@dataclass(frozen=True)
class ConnectionState:
    """What the rules need to know of a connection."""

    status: str
    error_count: int
    probes: int
    sync_frequency_minutes: int


@dataclass(frozen=True)
class NextState:
    """What is stored after a run, and why the next one is when it is."""

    status: str
    error_count: int
    probes: int
    next_sync_at: datetime
    held_for: str | None
    reason: str


def after_run(state: ConnectionState, failure: Failure, now: datetime, *, pace: timedelta | None = None) -> NextState:
    """Three failures in a row make it `error`, which is probed with growing pauses and recovers by the first good run.

    `pace`: the least time between two syncs that the month's budget allows.
    """
    usual = max(timedelta(minutes=state.sync_frequency_minutes), pace or timedelta())
    if failure == "reconnect":
        return NextState(
            "error", state.error_count, 0, now + usual, "reconnect", "the account has to be connected again"
        )
    if failure == "billing":
        return NextState(
            state.status, state.error_count, 0, next_month(now), "billing", "the plan's requests are used up"
        )
    if failure == "outage":
        pause = min(usual * (1 << min(state.probes, 4)), timedelta(hours=2))
        return NextState(state.status, state.error_count, state.probes + 1, now + pause, None, "the vendor is away")
    if failure == "failure":
        count = state.error_count + 1
        if count < FAILURES_UNTIL_ERROR:
            return NextState(state.status, count, 0, now + usual, None, "a failure, not yet three in a row")
        probes = state.probes + 1 if state.status == "error" else 1
        return NextState("error", count, probes, now + probe_pause(probes), None, "three failures in a row")
    status = "active" if state.status == "error" else state.status
    soon = timedelta(minutes=1) if failure == "partial" and pace is None else usual
    return NextState(status, 0, 0, now + soon, None, "the rest is done next" if failure == "partial" else "as planned")


def probe_pause(probes: int) -> timedelta:
    """30 minutes, then twice as long each time, at most a day."""
    return min(_FIRST_PROBE * (1 << min(max(probes - 1, 0), 10)), _LONGEST_PAUSE)


def retry_pause(attempts: int) -> timedelta:
    """When a refused record is tried again with the values that it then has: an hour, then longer, at most a day.

    One that changes is tried at once.
    """
    return min(_FIRST_RETRY * (1 << min(attempts, 5)), _LONGEST_PAUSE)


RETRY_SECONDS = tuple(int(retry_pause(attempts).total_seconds()) for attempts in range(6))
"""Of each attempt, the last one of all later ones: for statements that count attempts themselves."""


def next_month(now: datetime) -> datetime:
    """Its first moment, in UTC."""
    first = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)


def pace_of(monthly: int | None, used: int, requests_a_sync: int, now: datetime) -> timedelta | None:
    """The least time between two syncs by which the month's requests last; None where there is no such limit."""
    if monthly is None:
        return None
    left, rest = monthly - used, next_month(now) - now
    if left <= 0:
        return rest
    return rest * max(requests_a_sync, 1) / left


def complete_pass_is_due(completed_at: datetime | None, now: datetime, *, requests: int, monthly: int | None) -> bool:
    """Every day, unless a month of such passes costs more than half of its requests: then every week."""
    if completed_at is None:
        return True
    is_costly = monthly is not None and requests * 30 > monthly / 2
    return now - completed_at >= (_COMPLETE_AT_LEAST if is_costly else COMPLETE_EVERY)


@dataclass(frozen=True)
class RemovalWarning:
    """Why a sync stops and asks: `removed` of `known` records."""

    removed: int
    known: int
    reason: str


def shrink(removed: int, known: int, limit_percent: int, *, read: int | None = None) -> RemovalWarning | None:
    """Whether a sync would take away more than is believable; None: it may go on.

    `read`: how many records a complete pass has read.
    """
    if read == 0 and known > 0:
        return RemovalWarning(known, known, f"the other side shows none of {known} known records")
    if removed > _SMALL and removed * 100 > known * limit_percent:
        return RemovalWarning(
            removed, known, f"{removed} of {known} records would be removed, more than {limit_percent} %"
        )
    return None
