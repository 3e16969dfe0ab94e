"""What one simulated Resend account remembers."""

from __future__ import annotations

import base64
import secrets
import threading
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from local.simulators.clock import MovableClock
from local.simulators.resend.wire import Json

# [D] For so long payloads are signed with the previous secret as well.
OVERLAP = timedelta(hours=24)


def new_id() -> str:
    return str(uuid.uuid4())


def new_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(24)).decode()}"


def bare(address: str) -> str:
    """Of `Name <address>`, in lower case; by hand, since the standard library's parser takes most of a batch's time."""
    address = address.strip()
    start = address.rfind("<")
    return (address[start + 1 : -1] if start >= 0 and address.endswith(">") else address).strip().lower()


@dataclass
class SimulatedMail:
    """One mail that was accepted, and so one that somebody gets. `to` as it was sent; `key` None: sent without one."""

    id: str
    to: tuple[str, ...]
    payload: Json
    key: str | None
    at: datetime
    suppressed: str | None = None  # previous_bounce, previous_complaint or manual: accepted, and not sent [D]
    last_event: str = "sent"
    message_id: str = field(default_factory=lambda: f"<{uuid.uuid4()}@email.example.com>")

    @property
    def recipients(self) -> list[str]:
        return [bare(each) for each in self.to]

    @property
    def tags(self) -> dict[str, str]:
        """An object in webhooks, a list where they are sent [S]."""
        return {each["name"]: each["value"] for each in self.payload.get("tags") or []}


@dataclass
class Inbound:
    """A mail that came in; `headers` by names in lower case [D]."""

    id: str
    sender: str
    to: tuple[str, ...]
    subject: str
    text: str
    headers: dict[str, str]
    at: datetime
    cc: tuple[str, ...] = ()
    message_id: str = field(default_factory=lambda: f"<{uuid.uuid4()}@mail.example.org>")


@dataclass
class ResendHook:
    """`secrets`: each until when it signs; None: until it is rotated."""

    id: str
    url: str
    events: list[str]
    at: datetime
    secrets: list[tuple[str, datetime | None]]
    status: str = "enabled"

    @property
    def secret(self) -> str:
        return self.secrets[-1][0]

    def secrets_at(self, moment: datetime) -> list[str]:
        """Newest first."""
        return [secret for secret, until in reversed(self.secrets) if until is None or moment < until]

    def rotate(self, now: datetime) -> str:
        self.secrets = [(secret, until or now + OVERLAP) for secret, until in self.secrets]
        self.secrets.append((new_secret(), None))
        return self.secret


class ResendAccount:
    """All state. `lock` is held for reads and writes of it, never while a request of ours is on its way."""

    def __init__(self, clock: MovableClock) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.full_access_keys: set[str] = {f"re_{secrets.token_urlsafe(24)}"}
        self.sending_keys: set[str] = {f"re_{secrets.token_urlsafe(24)}"}
        self.mails: dict[str, SimulatedMail] = {}
        self.inbound: dict[str, Inbound] = {}
        self.hooks: dict[str, ResendHook] = {}
        self.suppressed: dict[str, str] = {}  # bare address -> origin: bounce, complaint or manual [D]
        self.verified_domains: set[str] | None = None  # None: all
        self.permissive_is_known = True
        self.daily_quota: int | None = None
        self.monthly_quota: int | None = None

    def take(self, mails: Iterable[SimulatedMail]) -> None:
        with self.lock:
            self.mails.update((mail.id, mail) for mail in mails)

    def used(self, start: datetime) -> int:
        """Mails since `start`; both directions count [D]."""
        with self.lock:
            moments = [mail.at for mail in self.mails.values()] + [mail.at for mail in self.inbound.values()]
        return sum(moment >= start for moment in moments)
