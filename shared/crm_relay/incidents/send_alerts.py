"""Sends every channel one alert when an incident opens and one when it recovers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

from crm_relay.incidents import store
from crm_relay.incidents.message import AlertGroup, AlertMessage, group_alerts, render
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.errors import FatalError, RejectedInput, TransientError
from crm_relay.platform.logging import count_metric, logger

QUIET = timedelta(minutes=15)
"""An incident must stay closed this long before its recovery is sent; if it opens again earlier, it continues."""

_CLAIM = timedelta(minutes=5)
# No message is begun past this: its sender may take a minute, and the claim has to outlive it.
_SENDING_SECONDS = 180.0
_ONE_MESSAGE_SECONDS = 10.0
_LIMIT = 10_000


class AlertChannel(Protocol):
    """Somewhere people look. `name` is kept with what it took, so it must stay the same and be its own."""

    @property
    def name(self) -> str:
        """For the table and the log; no secret."""

    def send(self, message: AlertMessage) -> None:
        """Raises TransientError where it may work later, RejectedInput for this message, FatalError for any."""


@dataclass(frozen=True)
class AlertReport:
    """Alerts that every working channel has taken, and those that wait for the next call."""

    sent: int
    failed: int

    def as_json(self) -> dict[str, int]:
        """As a function answers it."""
        return {"incidents_told": self.sent, "incidents_waiting": self.failed}


def send_alerts(
    db: Database,
    channels: Sequence[AlertChannel],
    now: datetime,
    *,
    deadline: Deadline | None = None,
    quiet: timedelta = QUIET,
) -> AlertReport:
    """Send what is open and was not sent, and what has been over for `quiet`; two statements for any number.

    `now` is the present, not the beginning of a longer run: the claim of five minutes counts from it. Any number of
    senders may run side by side. The incident was committed before, and is marked after it was sent: after a crash in
    between it is sent again once the claim has run out. What closed before its opening was sent is never sent; where
    one channel had the opening, the others are sent it before the recovery.

    A channel that took a message does not get it again because another one failed; one that fails is left alone until
    the next call. One that is gone for good is ignored where another took the alert. Where none did, the alert waits
    until a channel is mended. Raises as Database.run; what a channel raises is logged.
    """
    if not channels:
        return AlertReport(0, 0)
    claimed_until = now + _CLAIM
    alerts = store.claim_alerts(db, now, claimed_until=claimed_until, quiet_since=now - quiet, limit=_LIMIT)
    outcomes = [_Outcome(group) for group in group_alerts(alerts)]
    sending, until = _Sending(channels), _earlier(Deadline.after(_SENDING_SECONDS), deadline)
    try:
        for outcome in outcomes:
            if until.allows(_ONE_MESSAGE_SECONDS):
                sending.send(outcome)
    finally:
        if outcomes:
            store.record_sent(db, [each.as_json() for each in outcomes], now, claimed_until=claimed_until)
    sent = sum(len(each.group.alerts) for each in outcomes if each.sent_to_all)
    return AlertReport(sent, len(alerts) - sent)


class _Answer(Enum):
    TOOK = "took"
    LATER = "later"
    GONE = "gone"


@dataclass
class _Outcome:
    """What became of a group; as it is made it was not tried, and only its claim is given back."""

    group: AlertGroup
    took: set[str] = field(default_factory=set)
    took_opening: set[str] = field(default_factory=set)
    tries: int = 0
    sent_to_all: bool = False

    def is_owed_opening(self, channel: str) -> bool:
        """Whether it would hear of the end alone."""
        taken = self.group.opening_taken_by
        return taken is not None and channel not in taken | self.took_opening

    def as_json(self) -> dict[str, object]:
        opening = self.group.opening_taken_by
        return {
            "opening_taken_by": None if opening is None else sorted(opening | self.took_opening),
            "ids": [each.id for each in self.group.alerts],
            "is_opening": self.group.is_opening,
            "sent_to_all": self.sent_to_all,
            "tries": self.tries,
            "taken_by": sorted(self.group.taken_by | self.took),
        }


class _Sending:
    """The channels of one call, and how those answered that failed in it."""

    def __init__(self, channels: Sequence[AlertChannel]) -> None:
        self._channels = channels
        self._failed: dict[str, _Answer] = {}

    def send(self, outcome: _Outcome) -> None:
        """To every channel that lacks it. What one took is noted at once, since the next one may raise anything."""
        waits = False
        for channel in self._channels:
            if channel.name in outcome.group.taken_by:
                continue
            if channel.name not in self._failed:
                outcome.tries = 1
            answer = self._failed.get(channel.name) or self._send_in_order(channel, outcome)
            if answer is _Answer.TOOK:
                outcome.took.add(channel.name)
            waits = waits or answer is _Answer.LATER
        outcome.sent_to_all = not waits and bool(outcome.took | outcome.group.taken_by)

    def _send_in_order(self, channel: AlertChannel, outcome: _Outcome) -> _Answer:
        if outcome.is_owed_opening(channel.name):
            opening = outcome.group.as_opening()
            answer = self._send(channel, render(opening), opening)
            if answer is not _Answer.TOOK:
                return answer
            outcome.took_opening.add(channel.name)
        return self._send(channel, render(outcome.group), outcome.group)

    def _send(self, channel: AlertChannel, message: AlertMessage, group: AlertGroup) -> _Answer:
        about = {"channel": channel.name, "kind": group.alerts[0].kind, "incidents": len(group.alerts)}
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
