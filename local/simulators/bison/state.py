"""What one simulated EmailBison instance remembers."""

from __future__ import annotations

import secrets
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass
class Counters:
    """Named as in webhooks; the API spells the same numbers differently (shapes.API_COUNTERS)."""

    emails_sent: int = 0
    replied: int = 0
    opened: int = 0
    unsubscribed: int = 0
    bounced: int = 0
    unique_replies: int = 0
    unique_opens: int = 0
    total_leads_contacted: int = 0
    interested: int = 0


@dataclass
class SimulatedWorkspace:
    """`token` is its api-user token, bound to it for good."""

    id: int
    name: str
    token: str
    added: datetime


@dataclass(frozen=True)
class BisonToken:
    """`workspace_id` None: a super-admin's, which sees the workspace that its user is switched to."""

    text: str
    workspace_id: int | None


@dataclass(frozen=True)
class Tag:
    id: int
    name: str
    default: bool


@dataclass
class SimulatedAccount:
    id: int
    workspace_id: int
    name: str
    email: str
    added: datetime
    modified: datetime
    status: str = "Connected"
    type: str = "Inbox"
    tags: list[Tag] = field(default_factory=list)
    daily_limit: int = 25
    signature: str | None = None
    warmup_enabled: bool = True
    counters: Counters = field(default_factory=Counters)

    @property
    def connected(self) -> bool:
        return self.status.casefold() == "connected"


@dataclass
class SimulatedCampaign:
    id: int
    workspace_id: int
    name: str
    added: datetime
    status: str = "active"
    open_tracking: bool = True
    include_auto_replies: bool = True  # "Include auto replies in stats"
    counters: Counters = field(default_factory=Counters)


@dataclass
class SimulatedLead:
    id: int
    workspace_id: int
    email: str
    first_name: str
    last_name: str
    company: str
    title: str
    added: datetime
    modified: datetime
    status: str = "verified"
    interested: bool = False
    custom_variables: dict[str, str] = field(default_factory=dict)
    counters: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            ("emails_sent", "opens", "unique_opens", "replies", "unique_replies", "bounces"), 0
        )
    )


@dataclass
class BisonSending:
    """One campaign e-mail to one lead: what the API calls a scheduled e-mail."""

    id: int
    workspace_id: int
    account: SimulatedAccount
    lead: SimulatedLead
    campaign: SimulatedCampaign
    subject: str
    sent: datetime
    status: str = "sent"
    opens: int = 0
    replies: int = 0
    interested: bool = False

    @property
    def message_id(self) -> str:
        return f"<sending-{self.id}@mail.example.com>"


@dataclass
class SimulatedReply:
    """Any message of the inbox view: replies, bounces, and what was sent by hand."""

    id: int
    workspace_id: int
    account: SimulatedAccount
    subject: str
    text: str
    sender: tuple[str, str]  # name, address
    recipient: tuple[str, str]
    received: datetime
    folder: str = "Inbox"
    type: str = "Tracked Reply"
    automated: bool = False
    interested: bool = False
    sending: BisonSending | None = None
    html: str | None = None
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass
class BisonHook:
    id: int
    workspace_id: int
    name: str
    url: str
    events: list[str]
    added: datetime
    modified: datetime


def utc_now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


class BisonState:
    """All state. `lock` is held for reads and writes of it, never while a webhook is on its way."""

    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        self.now = now
        self.lock = threading.RLock()
        self.workspaces: dict[int, SimulatedWorkspace] = {}
        self.tokens: dict[str, BisonToken] = {}
        self.accounts: dict[int, SimulatedAccount] = {}
        self.campaigns: dict[int, SimulatedCampaign] = {}
        self.leads: dict[int, SimulatedLead] = {}
        self.sendings: dict[int, BisonSending] = {}
        self.replies: dict[int, SimulatedReply] = {}
        self.hooks: dict[int, BisonHook] = {}
        self.tags: dict[tuple[int, str], Tag] = {}
        # Where the super-admin's user is switched to: one value for all its tokens [V].
        self.current_workspace_id = 0
        self.newest_first = False
        self.delivery_log = False
        self.vendor_samples = False
        self.before_page: Callable[[int], None] | None = None
        self.ids_behind = 0
        self._ids: dict[str, int] = {}

    def next_id(self, kind: str) -> int:
        with self.lock:
            self._ids[kind] = self._ids.get(kind, self.ids_behind) + 1
            return self._ids[kind]

    def new_token(self, workspace_id: int | None) -> str:
        """`<number>|<random>`, the shape of Laravel Sanctum [V]."""
        text = f"{self.next_id('token')}|{secrets.token_urlsafe(36).replace('-', 'a').replace('_', 'b')}"
        with self.lock:
            self.tokens[text] = BisonToken(text, workspace_id)
        return text

    def tag(self, workspace_id: int, name: str, *, default: bool = True) -> Tag:
        """The workspace's tag of this name, made where it is missing; the vendor's example has a default one."""
        with self.lock:
            key = (workspace_id, name)
            if key not in self.tags:
                self.tags[key] = Tag(self.next_id("tag"), name, default)
            return self.tags[key]

    def accounts_of(self, workspace_id: int) -> list[SimulatedAccount]:
        """In the order of the list, which no document tells; by id either way (assumed)."""
        with self.lock:
            found = [account for account in self.accounts.values() if account.workspace_id == workspace_id]
        return sorted(found, key=lambda account: account.id, reverse=self.newest_first)
