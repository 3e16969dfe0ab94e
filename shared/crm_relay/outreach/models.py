"""What the room works with: workspaces, arrivals and what a poll found."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from crm_relay.consent.models import ConsentKind
from crm_relay.providers.bison.events import BisonLead, LeadReply
from crm_relay.providers.bison.vocabulary import AccountStatus

Metric = Literal["emails_sent_mtd", "replies_mtd", "positive_replies_mtd", "bounced_mtd", "unsubscribed_mtd"]
LeadTime = Literal["replied_at", "interested_at", "bounced_at", "unsubscribed_at"]


@dataclass(frozen=True)
class OutreachWorkspace:
    """A workspace as it is called today, whatever name its token has; `id` None: it is not known here.

    `key` is the first name that it had: counters and keys use it, since no rename changes it. Empty
    parts are None.
    """

    name: str
    key: str
    id: UUID | None
    org_id: UUID
    bison_id: int | None
    instance_host: str | None
    was_rejected: bool
    """Whether calls without a valid token were counted since its last good delivery."""
    counts_automated: bool = False
    """Whether automatic replies move its counters."""


@dataclass(frozen=True)
class AccountState:
    """What is known of an account, and since when. `recheck_since`: a webhook reported it as disconnected."""

    status: AccountStatus
    status_at: datetime | None
    recheck_since: datetime | None
    removed_at: datetime | None


@dataclass(frozen=True)
class Meaning:
    """What one event does. `lead`: who it is about; `suppression`: what the ledger says of the lead's address.

    `waits`: an opt-out without an address, which is kept until the lead has one. `shown_in`: the counter in whose total
    at EmailBison the event is, though it moves none of ours.
    """

    metric: Metric | None
    lead: BisonLead | None
    lead_time: LeadTime | None
    reply: LeadReply | None
    suppression: ConsentKind | None
    account: AccountState | None
    waits: bool = False
    shown_in: Metric | None = None


@dataclass(frozen=True)
class Filling:
    """A line of the log that was filled in from the totals of an account; `occurred_at` is when they were read."""

    id: int
    amount: int
    occurred_at: datetime
    account_id: int


@dataclass(frozen=True)
class SettlingAccount:
    """An account whose totals EmailBison showed at two moments, and what was counted of it.

    `before` and `after` are the totals by metric; empty where the account was another workspace's at that moment.
    `ahead`: what was counted before the earlier totals showed it. `counted`: by metric between the two moments;
    `filled`: what was filled in so far and not taken back. `uncounted`: replies that came and move no counter here.
    """

    account_id: int
    settling_at: datetime
    before: Mapping[str, int]
    after: Mapping[str, int]
    ahead: Mapping[str, int]
    counted: Mapping[str, int]
    filled: Mapping[str, int]
    uncounted: int = 0


@dataclass(frozen=True)
class TotalsGap:
    """`missing` events never came; negative: so many were filled in too much.

    `ahead`: so many were counted that the next totals will show.
    """

    account_id: int
    metric: str
    missing: int
    ahead: int


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
    """A row of webhook_health. `success_rate` in percent, None where nothing came; `is_open`: its incident is open.

    `has_zone`: its time zone is one; else it counts in UTC.
    """

    workspace_name: str
    last_webhook_at: datetime | None
    deliveries: int
    success_rate: float | None
    is_silent: bool
    silence_hours: int | None
    has_zone: bool
    is_open: bool


@dataclass(frozen=True)
class Selection:
    """Which deliveries: those received since then, of a workspace, of an event type, or only those that failed."""

    since: datetime
    workspace_name: str | None = None
    event_type: str | None = None
    failed_only: bool = False
