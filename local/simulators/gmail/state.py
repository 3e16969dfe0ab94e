"""What simulated Gmail accounts remember: messages, drafts, labels, history, and who may reach them."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes
from email.policy import default

from local.simulators.clock import MovableClock
from local.simulators.gmail.wire import Json, not_found

SYSTEM_LABELS = ("INBOX", "SENT", "DRAFT", "SPAM", "TRASH", "UNREAD", "STARRED", "IMPORTANT")
EVERY_SCOPE = frozenset(f"https://www.googleapis.com/auth/gmail.{each}" for each in ("compose", "readonly"))


@dataclass
class SimulatedMessage:
    """`raw`: the whole message; `internal`: milliseconds."""

    id: str
    thread_id: str
    labels: list[str]
    internal: int
    raw: bytes
    history_id: int = 0

    @property
    def headers(self) -> list[Json]:
        parsed = message_from_bytes(self.raw, policy=default)
        return [{"name": name, "value": str(value)} for name, value in parsed.items()]

    def header(self, name: str) -> str:
        return next((each["value"] for each in self.headers if each["name"].lower() == name.lower()), "")

    @property
    def message_id(self) -> str:
        return self.header("Message-ID").strip()

    @property
    def snippet(self) -> str:
        """The text of a plain part, on one line."""
        part = message_from_bytes(self.raw, policy=default).get_body(("plain", "html"))
        return " ".join(part.get_content().split())[:200] if part is not None else ""


@dataclass
class HistoryChange:
    """`kind`: messageAdded, messageDeleted, labelAdded or labelRemoved."""

    id: int
    kind: str
    message_id: str
    thread_id: str
    labels: list[str]
    added: list[str] = field(default_factory=list)


@dataclass
class GmailAccountState:
    """One mailbox. `floor`: history before it is forgotten."""

    address: str
    clock: MovableClock
    messages: dict[str, SimulatedMessage] = field(default_factory=dict)
    drafts: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=lambda: {each: each for each in SYSTEM_LABELS})
    history: list[HistoryChange] = field(default_factory=list)
    newest: int = 1000
    floor: int = 0
    sent: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def next_history(self) -> int:
        """Ids increase, with gaps [G]."""
        self.newest += 1 + secrets.randbelow(9)
        return self.newest

    def note(self, kind: str, message: SimulatedMessage, added: Sequence[str] = ()) -> None:
        message.history_id = self.next_history()
        change = HistoryChange(
            message.history_id, kind, message.id, message.thread_id, list(message.labels), list(added)
        )
        self.history.append(change)

    def add(
        self, raw: bytes, labels: Iterable[str], thread_id: str | None = None, at: datetime | None = None
    ) -> SimulatedMessage:
        moment = at or self.clock.now()
        made = new_id()
        message = SimulatedMessage(made, thread_id or made, list(labels), int(moment.timestamp() * 1000), raw)
        self.messages[made] = message
        self.note("messageAdded", message)
        return message

    def remove(self, message_id: str) -> None:
        message = self.messages.pop(message_id)
        self.note("messageDeleted", message)

    def message(self, message_id: str) -> SimulatedMessage:
        if message_id not in self.messages:
            raise not_found()
        return self.messages[message_id]

    def draft(self, draft_id: str) -> SimulatedMessage:
        if draft_id not in self.drafts:
            raise not_found()
        return self.messages[self.drafts[draft_id]]

    def thread_of(self, raw: bytes) -> str | None:
        """The conversation of a message that this one answers."""
        parsed = message_from_bytes(raw, policy=default)
        named = f"{parsed.get('In-Reply-To', '')} {parsed.get('References', '')}".split()
        return next((each.thread_id for each in self.messages.values() if each.message_id in named), None)


@dataclass
class GoogleClient:
    client_id: str
    secret: str
    redirect_uris: tuple[str, ...] = ()


@dataclass
class GoogleGrant:
    """A person's consent. The refresh token stays the same, and a new access token does not end the former one [W]."""

    address: str
    client_id: str
    refresh_token: str
    scopes: frozenset[str] = EVERY_SCOPE
    access: dict[str, datetime] = field(default_factory=dict)
    revoked: bool = False


@dataclass
class GoogleState:
    """`signed_in`: whose account says yes. `expires_in`: seconds."""

    clock: MovableClock
    accounts: dict[str, GmailAccountState] = field(default_factory=dict)
    clients: dict[str, GoogleClient] = field(default_factory=dict)
    grants: list[GoogleGrant] = field(default_factory=list)
    codes: dict[str, Json] = field(default_factory=dict)
    signed_in: str = ""
    denies: bool = False
    expires_in: int = 3599
    replaces_message_ids: bool = False
    refused_recipients: set[str] = field(default_factory=set)
    broken_recipients: set[str] = field(default_factory=set)
    page_size: int = 500
    lock: threading.RLock = field(default_factory=threading.RLock)

    def grant_of(self, access_token: str) -> GoogleGrant | None:
        now = self.clock.now()
        return next(
            (each for each in self.grants if not each.revoked and each.access.get(access_token, now) > now), None
        )


def new_id() -> str:
    """16 hexadecimal digits."""
    return f"19{secrets.token_hex(7)}"
