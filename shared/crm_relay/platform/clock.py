"""Aware UTC time, and the deadline that bounds every loop."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The present, aware, in UTC; the only place in the house that reads the wall clock."""
    return datetime.now(UTC)


def clock_in_step(read: Callable[[], datetime], own: Clock = utc_now) -> Clock:
    """A clock that shows what `read` shows, which is asked once, however wrong our own one is.

    Workers that compare what they wrote with what others wrote need one clock: the database's.
    """
    before = own()
    there, after = read(), own()
    ahead = there - (before + (after - before) / 2)
    return lambda: own() + ahead


class LambdaContext(Protocol):
    """What is used of the context object that Lambda hands to every handler."""

    @property
    def aws_request_id(self) -> str:
        """The invocation's id in the log."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends the invocation."""


@dataclass(frozen=True)
class Deadline:
    """A point on the monotonic clock by which work has to have saved its progress."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """`seconds` from now."""
        return cls(time.monotonic() + seconds)

    @classmethod
    def of_invocation(cls, context: LambdaContext, *, reserve: float, limit: float | None = None) -> "Deadline":
        """Lambda's own limit less `reserve` seconds for saving, or `limit` seconds where that is sooner."""
        seconds = context.get_remaining_time_in_millis() / 1000 - reserve
        return cls.after(seconds if limit is None else min(seconds, limit))

    def share(self, part: float, *, least: float) -> "Deadline":
        """A part of the time that is left, and `least` seconds at least: what comes behind has the rest."""
        return Deadline.after(min(self.seconds_left, max(least, self.seconds_left * part)))

    @property
    def seconds_left(self) -> float:
        """Never negative."""
        return max(0.0, self.at - time.monotonic())

    def allows(self, seconds: float) -> bool:
        """Whether a step that may take `seconds` can still be begun."""
        return self.seconds_left >= seconds
