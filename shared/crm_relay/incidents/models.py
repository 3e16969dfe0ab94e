"""What is wrong, as the room that found it describes it, and the alert about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Incident:
    """Something that is wrong until it recovers; known by `kind` and `subject`, which no other workspace may use.

    `title` says it of one subject, without naming it, in words that a whole group may share; a plural may stand in it
    as "sender account(s) disconnected". `details` are kept in the table for the operator, and never sent.
    """

    kind: str
    subject: str
    title: str
    workspace_name: str | None = None
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Kept:
    """What a comparison changed: how many incidents it opened, and how many it closed."""

    opened: int
    closed: int


@dataclass(frozen=True)
class PendingAlert:
    """One incident to send: it is open, or with `closed_at` it is over.

    `taken_by` names the channels that have taken this alert already. `opening_taken_by`: of one that was over before
    every channel had its opening, those that had; None: no channel is owed it.
    """

    id: int
    kind: str
    subject: str
    title: str
    workspace_name: str | None
    opened_at: datetime
    closed_at: datetime | None
    attempts: int = 0
    taken_by: frozenset[str] = frozenset()
    opening_taken_by: frozenset[str] | None = None
