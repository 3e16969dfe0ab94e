"""What one simulated Mautic remembers, and the indexes that find a contact by its unique fields."""

from __future__ import annotations

import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local.simulators.mautic.contact_fields import SimulatedField, core_fields


@dataclass
class SimulatedDoNotContact:
    id: int
    channel: str
    reason: int
    comments: str
    added: datetime
    channel_id: int | None = None


@dataclass
class SimulatedContact:
    id: int
    added: datetime
    fields: dict[str, Any] = field(default_factory=dict)
    modified: datetime | None = None
    modified_by: str | None = None
    identified: datetime | None = None
    last_active: datetime | None = None
    visited: bool = False
    suppressions: dict[str, SimulatedDoNotContact] = field(default_factory=dict)
    segments: set[int] = field(default_factory=set)
    removed_segments: set[int] = field(default_factory=set)
    tags: list[str] = field(default_factory=list)

    @property
    def dnc(self) -> dict[str, tuple[int, str]]:
        """Channel -> (reason, comments)."""
        return {channel: (entry.reason, entry.comments) for channel, entry in self.suppressions.items()}

    @property
    def anonymous(self) -> bool:
        return not any(self.fields.get(alias) for alias in ("firstname", "lastname", "email", "company"))


@dataclass
class SimulatedSegment:
    id: int
    name: str
    alias: str
    added: datetime
    description: str | None = None
    published: bool = True
    filters: list[Any] = field(default_factory=list)
    modified: datetime | None = None
    modified_by: str | None = None


@dataclass
class SimulatedEmail:
    id: int
    name: str
    subject: str
    added: datetime
    html: str
    segments: list[int] = field(default_factory=list)
    sent: int = 0
    read: int = 0


@dataclass
class SimulatedSending:
    """One e-mail to one person: Mautic's email_stat row, found by its tracking hash."""

    id: int
    email_id: int
    contact_id: int
    address: str
    sent: datetime
    hash: str
    opens: int = 0
    first_open: datetime | None = None
    last_open: datetime | None = None
    opened_at: list[datetime] = field(default_factory=list)


@dataclass
class SimulatedHit:
    """One request for a tracked link or a page: Mautic's page_hits row."""

    id: int
    contact_id: int
    url: str
    at: datetime
    email_id: int | None = None


@dataclass(frozen=True)
class Event:
    type: str
    payload: dict[str, Any]


@dataclass
class SimulatedHook:
    id: int
    name: str
    url: str
    secret: str
    triggers: list[str]
    added: datetime
    description: str | None = None
    order: str | None = None
    published: bool = True
    modified: datetime | None = None
    created_by: int | None = None
    log: list[bool] = field(default_factory=list)
    queue: list[Event] = field(default_factory=list)


def utc_now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


class MauticData:
    """All state; `lock` guards single reads and single writes, never a read and the write that follows it."""

    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        self.now = now
        self.lock = threading.RLock()
        self.fields: dict[str, SimulatedField] = core_fields()
        self.contacts: dict[int, SimulatedContact] = {}
        self.segments: dict[int, SimulatedSegment] = {}
        self.emails: dict[int, SimulatedEmail] = {}
        self.sendings: dict[str, SimulatedSending] = {}
        self.hits: list[SimulatedHit] = []
        self.hooks: dict[int, SimulatedHook] = {}
        self.tags: dict[str, int] = {}
        self.api_enabled = True
        self.shows_statistics = True
        self.database_down = False
        self.forbidden: tuple[str, ...] = ()
        self.rate_limit = 0
        self.queue_mode = False
        self.busy = 0
        self.publish: Callable[[list[Event]], None] = lambda _: None
        self.ids_behind = 0
        self._ids: dict[str, int] = {}
        self._index: defaultdict[str, defaultdict[str, set[int]]] = defaultdict(lambda: defaultdict(set))

    def next_id(self, kind: str, first: int = 1) -> int:
        with self.lock:
            self._ids[kind] = self._ids.get(kind, self.ids_behind + first - 1) + 1
            return self._ids[kind]

    def new_hash(self) -> str:
        return secrets.token_hex(11)

    def breathe(self) -> None:
        """The moment between looking for a contact and writing it, in which a second request may do the same."""
        time.sleep(0.003 if self.busy > 1 else 0)

    @property
    def unique_fields(self) -> list[SimulatedField]:
        return [item for item in self.fields.values() if item.unique]

    def holders(self, alias: str, value: Any) -> set[int]:
        """Ids of the contacts with this value; the database compares without regard to case."""
        if self.fields[alias].unique:
            return set(self._index[alias].get(_key(value), ()))
        return {c.id for c in self.contacts.values() if _key(c.fields.get(alias)) == _key(value)}

    def store(self, contact: SimulatedContact) -> None:
        self.contacts[contact.id] = contact
        for item in self.unique_fields:
            self._add_to_index(item.alias, contact)

    def set_value(self, contact: SimulatedContact, alias: str, value: Any) -> None:
        self._remove_from_index(alias, contact)
        contact.fields[alias] = value
        if contact.id in self.contacts:
            self._add_to_index(alias, contact)

    def forget(self, contact: SimulatedContact) -> None:
        self.contacts.pop(contact.id, None)
        for item in self.unique_fields:
            self._remove_from_index(item.alias, contact)

    def reindex(self, alias: str) -> None:
        with self.lock:
            self._index.pop(alias, None)
            for contact in self.contacts.values():
                self._add_to_index(alias, contact)

    def _add_to_index(self, alias: str, contact: SimulatedContact) -> None:
        value = contact.fields.get(alias)
        if self.fields[alias].unique and value not in (None, ""):
            self._index[alias][_key(value)].add(contact.id)

    def _remove_from_index(self, alias: str, contact: SimulatedContact) -> None:
        self._index[alias][_key(contact.fields.get(alias))].discard(contact.id)


def _key(value: Any) -> str:
    return "" if value is None else str(value).casefold()
