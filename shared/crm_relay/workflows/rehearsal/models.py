"""What a rehearsal says."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True)
class RecordedTopic:
    """Something that the draft listens to. `since` None: nothing of it was kept, so nothing of it was rehearsed."""

    field: str
    since: datetime | None


@dataclass(frozen=True)
class RehearsedSpan:
    """What was rehearsed. `is_cut`: there are more events than a rehearsal takes, and the newest were taken.

    `complete_from`: from then on nothing that the draft listens to is missing; None: a part of it was never recorded.
    `due_times`: those of its schedules.
    """

    since: datetime
    until: datetime
    complete_from: datetime | None
    events: int
    due_times: int
    is_cut: bool
    topics: tuple[RecordedTopic, ...]
    not_rehearsed: tuple[str, ...]


@dataclass(frozen=True)
class RefusedStarts:
    """Starts that one gate refused, with the values of the first of them."""

    reason: str
    starts: int
    entity_id: UUID
    at: datetime
    explanation: tuple[Any, ...]


@dataclass(frozen=True)
class RehearsedStarts:
    """`delayed`: held back by the pace, at most `longest_delay` seconds. `replaced`: runs that a restart ended."""

    started: int
    queued: int
    replaced: int
    delayed: int
    longest_delay: float
    refused: tuple[RefusedStarts, ...]


@dataclass(frozen=True)
class RehearsedStep:
    """A step and how often it was taken. `waiting`: runs that are there at the end of the span. `by_day`: completed."""

    key: str
    kind: str
    name: str | None
    completed: int
    skipped: int
    failed: int
    waiting: int
    by_day: dict[str, int]
    problems: dict[str, int]


@dataclass(frozen=True)
class RehearsedDay:
    """A day of UTC. `emails` and `records` count against the effect budget; `paused`: the part of it that ran out."""

    day: date
    started: int
    emails: int
    records: int
    notifications: int
    webhooks: int
    paused: str | None


@dataclass(frozen=True)
class RehearsedEffect:
    """What somebody would have got, or what would have been written. `to`: ids of contacts and colleagues, roles, hosts
    or columns; never an address or a text.
    """

    at: datetime
    step: str
    kind: str
    entity_id: UUID
    to: tuple[str, ...]


@dataclass(frozen=True)
class Recipient:
    """A contact and how many e-mails it would have got."""

    contact_id: UUID
    emails: int


@dataclass(frozen=True)
class Budget:
    """The effect budget of a day; None: no bound."""

    emails: int | None
    records: int | None


@dataclass(frozen=True)
class Rehearsal:
    """A draft held against what happened. `effects`: the first ones; `busiest`: who would have got most e-mails."""

    workflow_id: UUID
    name: str
    entity_type: str
    span: RehearsedSpan
    budget: Budget
    starts: RehearsedStarts
    runs: dict[str, int]
    steps: tuple[RehearsedStep, ...]
    days: tuple[RehearsedDay, ...]
    recipients: int
    busiest: tuple[Recipient, ...]
    effects: tuple[RehearsedEffect, ...]
    has_more_effects: bool
    assumptions: tuple[str, ...]
