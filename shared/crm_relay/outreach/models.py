"""What the room works with: workspaces, arrivals and what a poll found."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crm_relay.webhooks.models import Origin


@dataclass(frozen=True)
class Arrival:
    """One delivery on its way in. `elapsed_ms`: since the request arrived; `instance`: the host of our EmailBison."""

    workspace_name: str
    dedupe_key: str
    received_at: datetime
    instance: str
    origin: "Origin" = "webhook"
    elapsed_ms: int = 0


@dataclass(frozen=True)
class PollState:
    """Where the reading of a workspace's accounts stands; `cycle` names the reading by when it began."""

    cycle: datetime
    next_page: int
    pass_number: int


@dataclass(frozen=True)
class PassOutcome:
    """What a reading from the first to the last page found.

    `total` is EmailBison's own count at the last page, None where it gives none; `is_steady`: it was the same on every
    page; `unseen` are accounts that we knew and that stood on no page, at most 50 of them.
    """

    seen: int
    total: int | None
    is_steady: bool
    unseen: tuple[int, ...]


@dataclass(frozen=True)
class Polled:
    """What a workspace's poll did. `is_complete` False: the time was up, and the next run goes on from there."""

    workspace_name: str
    pages: int
    accounts: int
    removed: int
    is_complete: bool


@dataclass(frozen=True)
class WorkspaceHealth:
    """A row of webhook_health. `success_rate` in percent, None where nothing came; `is_open`: its incident is open."""

    workspace_name: str
    last_webhook_at: datetime | None
    deliveries: int
    success_rate: float | None
    is_silent: bool
    silence_hours: int | None
    is_open: bool


@dataclass(frozen=True)
class Selection:
    """Which deliveries: those received since then, of a workspace, of an event type, or only those that failed."""

    since: datetime
    workspace_name: str | None = None
    event_type: str | None = None
    failed_only: bool = False
