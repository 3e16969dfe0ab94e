"""What one simulated Mailchimp account remembers: audiences, members, batches, and who may reach it."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local.simulators.clock import MovableClock
from local.simulators.mailchimp.wire import Json

STATUSES = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional")


def hash_of(address: str) -> str:
    return hashlib.md5(address.strip().lower().encode(), usedforsecurity=False).hexdigest()


def seconds(moment: datetime) -> str:
    """`2026-11-22T23:41:12+00:00` [O]."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


@dataclass
class SimulatedMergeField:
    merge_id: int
    tag: str
    name: str
    type: str
    required: bool = False
    options: Json = field(default_factory=dict)

    @property
    def shown(self) -> Json:
        return {
            "merge_id": self.merge_id,
            "tag": self.tag,
            "name": self.name,
            "type": self.type,
            "required": self.required,
            "default_value": "",
            "public": False,
            "display_order": self.merge_id,
            "options": self.options,
            "help_text": "",
        }


@dataclass
class SimulatedMember:
    """`in_compliance`: unsubscribed or bounced by themselves, so that the API cannot subscribe them again."""

    contact_id: str
    address: str
    status: str
    changed: datetime
    merges: Json = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    in_compliance: bool = False
    reason: str | None = None

    @property
    def id(self) -> str:
        return hash_of(self.address)

    def shown(self, audience: SimulatedAudience, *, with_contact_id: bool = True) -> Json:
        content: Json = {
            "id": self.id,
            "email_address": self.address,
            "unique_email_id": self.id[:10],
            "contact_id": self.contact_id,
            "email_type": "html",
            "status": self.status,
            "merge_fields": {each.tag: self.merges.get(each.tag, "") for each in audience.fields},
            "last_changed": seconds(self.changed),
            "tags_count": len(self.tags),
            "tags": [{"id": number + 1, "name": name} for number, name in enumerate(self.tags)],
            "list_id": audience.id,
        }
        if self.reason is not None:
            content["unsubscribe_reason"] = self.reason
        if not with_contact_id:
            # [O] The answer of a batch subscription does not have it.
            del content["contact_id"]
        return content


@dataclass
class SimulatedAudienceHook:
    id: str
    url: str
    events: Json
    sources: Json
    signing_secret: str | None = None

    @property
    def shown(self) -> Json:
        return {"id": self.id, "url": self.url, "events": self.events, "sources": self.sources}


@dataclass
class SimulatedAudience:
    id: str
    name: str
    fields: list[SimulatedMergeField]
    members: dict[str, SimulatedMember] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)
    hooks: list[SimulatedAudienceHook] = field(default_factory=list)

    def find(self, key: str, *, only_hash: bool = False) -> SimulatedMember | None:
        """By contact_id, by the hash of the address, or by the address; `only_hash` where [O] names nothing else."""
        if not only_hash and key in self.members:
            return self.members[key]
        if not only_hash and "@" in key:
            key = hash_of(key)
        return next((each for each in self.members.values() if each.id == key), None)

    def field(self, tag: str) -> SimulatedMergeField | None:
        return next((each for each in self.fields if each.tag == tag), None)


@dataclass
class SimulatedOperations:
    """Carried out at the first look at it that follows `polls` others."""

    id: str
    operations: list[Json]
    submitted: datetime
    polls: int
    results: list[Json] | None = None
    errored: int = 0

    @property
    def status(self) -> str:
        if self.results is not None:
            return "finished"
        return "started" if self.polls <= 1 else "pending"


@dataclass
class MailchimpState:
    """All state. `lock` is held for reads and writes of it. `created`: how often the API created each address."""

    clock: MovableClock = field(default_factory=MovableClock)
    lock: Any = field(default_factory=threading.RLock)
    center: str = "us19"
    audiences: dict[str, SimulatedAudience] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    tokens: set[str] = field(default_factory=set)
    clients: dict[str, tuple[str, str]] = field(default_factory=dict)
    codes: dict[str, tuple[str, str]] = field(default_factory=dict)
    batches: dict[str, SimulatedOperations] = field(default_factory=dict)
    created: Counter[str] = field(default_factory=Counter)
    polls: int = 1
    signs_hooks: bool = False

    def now(self) -> datetime:
        return self.clock.now()


def new_id() -> str:
    return secrets.token_hex(5)
