"""What the sync reads, decides on and remembers."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import islice
from uuid import UUID

from crm_relay.platform.database import Row


@dataclass(frozen=True)
class Customer:
    """One customer as it is now, beside what Mautic confirmed last.

    `exists` is False for a customer who was deleted, `known` where there is a status row. `owner_id` is the customer
    who has this address in Mautic and `kept_contact_id` the contact that stays for it. `source` holds the
    columns of mautic_sync_source. `notes` are the lines of the dirty list that this reading covers.
    """

    customer_id: UUID
    exists: bool
    known: bool
    notes: tuple[int, ...]
    owner_id: UUID | None
    kept_contact_id: int | None
    source: Row
    contact_id: int | None
    sync_hash: str | None
    current_hash: str
    attempts: int
    segments: frozenset[str]
    segments_settled: bool
    dnc_reason: int | None
    left_out: tuple[str, ...] = ()

    @property
    def is_owner(self) -> bool:
        """Whether the address belongs to this customer in Mautic."""
        return self.owner_id == self.customer_id

    @property
    def present_contact_id(self) -> int | None:
        """The contact to write to: its own, else one that it takes over from a customer with the same address."""
        return self.contact_id or (self.kept_contact_id if self.is_owner else None)

    @property
    def address(self) -> str | None:
        """Normalised; None where the customer has no usable address."""
        return self.source.get("address")

    @property
    def wanted_dnc_reason(self) -> int | None:
        """What Mautic should know: 1 unsubscribed, 2 bounced, 3 manual; None where nothing speaks against a mail."""
        return self.source.get("dnc_reason")

    @property
    def wanted_segments(self) -> frozenset[str]:
        """Slugs of the segments that the customer belongs to now."""
        return frozenset(self.source.get("customer_segments") or ())


class Drift(StrEnum):
    """What an audit finds between Postgres and Mautic."""

    FIELD = "field"
    MEMBERSHIP = "membership"
    DNC_MISSING = "do-not-contact missing"
    DNC_LEFT_OVER = "do-not-contact of ours that nothing asks for"
    MAILABLE_DUPLICATE = "muted here, and another contact there is mailable"
    OPTED_OUT_THERE = "opted out there, not known here"
    DELETED = "contact deleted"
    DUPLICATE = "contact duplicated"
    STRANGER = "customer deleted here, mailable there"


@dataclass(frozen=True)
class AuditFinding:
    """One difference; `detail` names a field, a segment or a command, never a value.

    `customer_id` None: it concerns nobody who is a customer now. `address` is the contact's that opted out, and
    `dnc_reason` how, in Mautic's number; `in_person` where the contact is that customer's own.
    """

    drift: Drift
    customer_id: UUID | None
    contact_id: int | None
    detail: str = ""
    memberships: frozenset[str] | None = None
    address: str | None = field(default=None, repr=False)
    dnc_reason: int | None = None
    in_person: bool = False


@dataclass(frozen=True)
class SyncOutcome:
    """What is remembered of one customer after this run has looked at it; `known_contact_id` is what it had read."""

    customer_id: UUID
    notes: tuple[int, ...]
    known_contact_id: int | None
    contact_id: int | None = None
    sync_hash: str | None = None
    error: str | None = None
    attempts: int = 0
    next_attempt_at: datetime | None = None
    conflict_owner_id: UUID | None = None
    segments: frozenset[str] = frozenset()
    segments_settled: bool = True
    dnc_reason: int | None = None
    left_out: tuple[str, ...] = ()
    confirmed: bool = False
    removed_contact_id: int | None = None


@dataclass(frozen=True)
class SyncOptions:
    """How a run behaves; each field is a setting."""

    batch_size: int = 200
    pause_seconds: float = 1.0
    on_delete: str = "suppress"
    shrink_limit_percent: float = 10.0
    audit_sample: int = 1


@dataclass
class SyncReport:
    """What a run did; the answer of the function, the log row and the console are made of it."""

    started_at: datetime
    created: int = 0
    updated: int = 0
    suppressed: int = 0
    removed: int = 0
    segments: int = 0
    requests: int = 0
    unfinished: bool = False
    stopped: str | None = None
    needs_operator: bool = False
    stepped_aside: bool = False
    full_after: UUID | None = None
    failures: dict[UUID, str] = field(default_factory=dict)
    conflicts: set[UUID] = field(default_factory=set)
    confirmed: list[UUID] = field(default_factory=list)
    audit: dict[str, object] | None = None

    @property
    def synced(self) -> int:
        """Contacts that Mautic confirmed in this run."""
        return self.created + self.updated

    @property
    def errors(self) -> list[dict[str, str]]:
        """Customer ids with the reason why they failed; the first hundred."""
        first = islice(self.failures.items(), _ERRORS_KEPT)
        return [{"customer_id": str(customer_id), "reason": reason} for customer_id, reason in first]

    def answer(self) -> dict[str, object]:
        """The function's answer: the document's keys and ours, without any address."""
        body: dict[str, object] = {
            "success": self.stopped is None or self.stepped_aside,
            "contacts_synced": self.synced,
            "contacts_created": self.created,
            "contacts_updated": self.updated,
            "contacts_failed": len(self.failures),
            "segments_synced": self.segments,
            "contacts_suppressed": self.suppressed,
            "contacts_removed": self.removed,
            "conflicts": len(self.conflicts),
            "requests": self.requests,
            "unfinished": self.unfinished,
            "errors": self.errors,
        }
        body |= {} if self.audit is None else {"audit": self.audit}
        return body if self.stopped is None else {**body, "stopped": self.stopped}


_ERRORS_KEPT = 100


@dataclass(frozen=True)
class HookGap:
    """A time in which Mautic's webhook was off or missing, and how far it was read.

    `gap_to` is when it was seen on again. The positions are ids in Mautic's tables, None once all was read.
    """

    gap_from: datetime
    gap_to: datetime
    contacts_read: bool
    opens_after: int | None
    clicks_after: int | None
