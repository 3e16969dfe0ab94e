"""Tells every channel, once an incident, that it began and that it is over."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

from crm_relay.incidents import store
from crm_relay.incidents.message import AlertMessage, Group, group_news, render
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.errors import FatalError, RejectedInput, TransientError
from crm_relay.platform.logging import count_metric, logger

QUIET = timedelta(minutes=15)
"""For so long an incident has to stay closed before it is told as over; if it opens again before, it continues."""

_CLAIM = timedelta(minutes=5)
# No message is begun past this: its sender may take a minute, and the claim has to outlive it.
_SENDING_SECONDS = 180.0
_ONE_MESSAGE_SECONDS = 10.0
_AT_MOST = 10_000


class AlertChannel(Protocol):
    """Somewhere people look. `name` is kept with what it took, so it must stay the same and be its own."""

    @property
    def name(self) -> str:
        """For the table and the log; no secret."""

    def send(self, message: AlertMessage) -> None:
        """Raises TransientError where it may work later, RejectedInput for this message, FatalError for any."""


@dataclass(frozen=True)
class AlertReport:
    """Incidents whose news every channel has that could take it, and those that wait for the next call."""

    sent: int
    failed: int


def tell_pending(
    db: Database,
    channels: Sequence[AlertChannel],
    now: datetime,
    *,
    deadline: Deadline | None = None,
    quiet: timedelta = QUIET,
) -> AlertReport:
    """Tell what is open and was not told, and what has been over for `quiet`; two statements, whatever there is.

    `now` is the present, not the beginning of a longer run: the claim of five minutes counts from it. Any number of
    tellers may run side by side. The incident was committed before, and is marked after it was sent: a crash in between
    tells it again once the claim has run out. What closed before anybody heard of it is never told.

    A channel that took a message does not get it again because another one failed; one that fails is left alone until
    the next call. One that is gone for good counts as told where another took it. Where none did, the news waits, until
    a channel is mended. Raises as Database.run; what a channel raises is logged.
    """
    if not channels:
        return AlertReport(0, 0)
    claimed_until = now + _CLAIM
    news = store.claim_news(db, now, claimed_until=claimed_until, quiet_since=now - quiet, limit=_AT_MOST)
    outcomes = [_Outcome(group) for group in group_news(news)]
    sending, until = _Sending(channels), _earlier(Deadline.after(_SENDING_SECONDS), deadline)
    try:
        for outcome in outcomes:
            if until.allows(_ONE_MESSAGE_SECONDS):
                sending.tell(outcome)
    finally:
        if outcomes:
            store.record_told(db, [each.as_json() for each in outcomes], now, claimed_until=claimed_until)
    sent = sum(len(each.group.news) for each in outcomes if each.told)
    return AlertReport(sent, len(news) - sent)


class _Answer(Enum):
    TOOK = "took"
    LATER = "later"
    GONE = "gone"


@dataclass
class _Outcome:
    """What became of a group; as it is made it was not tried, and only its claim is given back."""

    group: Group
    took: set[str] = field(default_factory=set)
    tries: int = 0
    told: bool = False

    def as_json(self) -> dict[str, object]:
        return {
            "ids": [each.id for each in self.group.news],
            "is_opening": self.group.is_opening,
            "told": self.told,
            "tries": self.tries,
            "taken_by": sorted(self.group.taken_by | self.took),
        }


class _Sending:
    """The channels of one call, and how those answered that failed in it."""

    def __init__(self, channels: Sequence[AlertChannel]) -> None:
        self._channels = channels
        self._failed: dict[str, _Answer] = {}

    def tell(self, outcome: _Outcome) -> None:
        """To every channel that lacks it. What one took is noted at once, since the next one may raise anything."""
        message, waits = render(outcome.group), False
        for channel in self._channels:
            if channel.name in outcome.group.taken_by:
                continue
            if channel.name not in self._failed:
                outcome.tries = 1
            answer = self._failed.get(channel.name) or self._send(channel, message, outcome.group)
            if answer is _Answer.TOOK:
                outcome.took.add(channel.name)
            waits = waits or answer is _Answer.LATER
        outcome.told = not waits and bool(outcome.took | outcome.group.taken_by)

    def _send(self, channel: AlertChannel, message: AlertMessage, group: Group) -> _Answer:
        about = {"channel": channel.name, "kind": group.news[0].kind, "incidents": len(group.news)}
        try:
            channel.send(message)
        except TransientError as error:
            self._failed[channel.name] = _Answer.LATER
            logger().warning("incidents not told, tried again", extra=about | {"reason": str(error)})
            return _Answer.LATER
        except (FatalError, RejectedInput) as error:
            # A refused message says nothing about the next one.
            if isinstance(error, FatalError):
                self._failed[channel.name] = _Answer.GONE
            logger().error("alert channel broken", extra=about | {"reason": str(error)})
            count_metric("AlertChannelBroken")
            return _Answer.GONE
        logger().info("incidents told", extra=about | {"is_opening": group.is_opening})
        return _Answer.TOOK


def _earlier(one: Deadline, other: Deadline | None) -> Deadline:
    return one if other is None or one.at < other.at else other
