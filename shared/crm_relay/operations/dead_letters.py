"""Rounds of schedules that were given up, in their dead-letter queue: shown, started again or taken away."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from crm_relay.platform.aws.queue import (
    QueueMessage,
    aws_call,
    delete_message,
    receive_messages,
    release_message,
)

_INVISIBLE_SECONDS = 120
_MOST_LOOKED_AT = 1000
_LATEST = ":$LATEST"


@dataclass(frozen=True)
class GivenUpRound:
    """One message. `schedule` is empty where it cannot be told; `reason` is a code or a class, never a message.

    `outcome`: EventBridge could not start the round, the function failed, or the message is neither.
    """

    schedule: str
    outcome: Literal["not started", "failed", "unreadable"]
    reason: str
    at: datetime | None
    function: str = ""
    payload: str = ""


@dataclass(frozen=True)
class DeadLettersDone:
    """`messages` were taken away; `started` are schedules, each once; `left` are messages that stay."""

    messages: int = 0
    left: int = 0
    started: tuple[str, ...] = ()


def read_round(message: QueueMessage) -> GivenUpRound:
    """What a message says.

    Of EventBridge Scheduler it is the schedule's input, with attributes
    (https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html); of Lambda the record of an
    invocation (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html).
    """
    content = _object(message.text)
    if "SCHEDULE_ARN" in message.attributes and content is not None:
        reason = message.attributes.get("ERROR_CODE", "")
        function = message.attributes.get("TARGET_ARN", "")
        return _round(content, "not started", reason, message.sent_at, function)
    record = content or {}
    called, payload, answered = (record.get(name) for name in ("requestContext", "requestPayload", "responsePayload"))
    if isinstance(called, dict) and isinstance(payload, dict) and isinstance(called.get("functionArn"), str):
        error = answered.get("errorType") if isinstance(answered, dict) else None
        return _round(payload, "failed", str(error or called.get("condition")), message.sent_at, called["functionArn"])
    return GivenUpRound("", "unreadable", "", message.sent_at)


def _round(
    payload: Mapping[str, Any], outcome: Literal["not started", "failed"], reason: str, at: datetime | None, arn: str
) -> GivenUpRound:
    schedule = payload.get("schedule")
    name = schedule if isinstance(schedule, str) else ""
    return GivenUpRound(name, outcome, reason, at, arn.removesuffix(_LATEST), json.dumps(payload, sort_keys=True))


def _object(text: str) -> dict[str, Any] | None:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


@dataclass
class GivenUpRounds:
    """The queue; use it with `with`. What was looked at and not taken away is visible to others again at the end."""

    queue_url: str
    _held: dict[str, QueueMessage] = field(default_factory=dict)

    def __enter__(self) -> "GivenUpRounds":
        while len(self._held) < _MOST_LOOKED_AT:
            found = receive_messages(self.queue_url, invisible_seconds=_INVISIBLE_SECONDS)
            if not found:
                break
            self._held |= {each.id: each for each in found}
        return self

    def __exit__(self, *_: object) -> None:
        for message in self._held.values():
            release_message(self.queue_url, message)

    def rounds(self, schedule: str | None = None) -> list[GivenUpRound]:
        """The oldest first; of one schedule, or of all."""
        return [found for _, found in self._of(schedule)]

    def discard(self, schedule: str | None = None) -> DeadLettersDone:
        """Take away what `rounds` shows. Errors as in delete_message."""
        taken = list(self._of(schedule))
        self._take(message for message, _ in taken)
        return DeadLettersDone(messages=len(taken), left=len(self._held))

    def replay(self, schedule: str | None = None) -> DeadLettersDone:
        """Start each round once, however often it was given up, and take its messages away then.

        What cannot be read stays. A function that cannot be started raises as aws_call; its messages stay too.
        """
        groups: dict[tuple[str, str], list[tuple[QueueMessage, GivenUpRound]]] = {}
        for message, found in self._of(schedule):
            if found.outcome != "unreadable" and found.function:
                groups.setdefault((found.function, found.payload), []).append((message, found))
        started, taken = [], 0
        for (function, payload), some in groups.items():
            aws_call("lambda", "invoke", FunctionName=function, InvocationType="Event", Payload=payload.encode())
            self._take(message for message, _ in some)
            started.append(some[0][1].schedule or function.rpartition(":")[2])
            taken += len(some)
        return DeadLettersDone(taken, len(self._held), tuple(started))

    def _of(self, schedule: str | None) -> Sequence[tuple[QueueMessage, GivenUpRound]]:
        found = [(message, read_round(message)) for message in self._held.values()]
        wanted = [each for each in found if schedule is None or each[1].schedule == schedule]
        return sorted(wanted, key=lambda each: "" if each[1].at is None else each[1].at.isoformat())

    def _take(self, messages: Iterator[QueueMessage]) -> None:
        for message in messages:
            delete_message(self.queue_url, message)
            del self._held[message.id]
