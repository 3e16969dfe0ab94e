"""A pitch on its way out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.mail.models import Standing
from crm_relay.mail.sending.gate import FrequencyCap, RecipientFacts, Room
from crm_relay.platform.database import Row
from crm_relay.providers.connectors.mailbox import DraftRef


@dataclass(frozen=True)
class MailboxSender:
    """The mailbox that pitches leave by. `daily`: so many in 24 hours."""

    connection_id: UUID
    workspace_id: UUID
    org_id: UUID
    integration: str
    address: str = field(repr=False)
    daily: int


@dataclass(frozen=True)
class ClaimedPitch:
    """A pitch that is ours, with what the ledgers say of it now.

    `left_at`: when its draft was last asked to be sent; None: it surely never left.
    """

    id: UUID
    attempts: int
    address: str | None = field(repr=False)
    subject: str = field(repr=False)
    body_html: str | None = field(repr=False)
    body_text: str | None = field(repr=False)
    message_id: str
    draft: DraftRef | None
    left_at: datetime | None
    is_erased: bool
    is_cancelled: bool
    is_contact_deleted: bool
    is_stopped: bool
    room: Room
    facts: RecipientFacts
    left_today: tuple[datetime, ...]

    @classmethod
    def of(cls, row: Row) -> "ClaimedPitch":
        """A row of `facts_of_pitch`."""
        facts = RecipientFacts(
            row["recipient"],
            row["suppressed_by"],
            cap=_cap(row),
            left=tuple(row["left_times"] or ()),
        )
        return cls(
            room=Room(row["room_mails"], row["room_frees_at"]),
            facts=facts,
            draft=None if row["draft_id"] is None else DraftRef(row["draft_id"], row["thread_id"] or ""),
            left_today=tuple(row["left_today"] or ()),
            **{name: row[name] for name in _COLUMNS},
        )

    @property
    def is_empty(self) -> bool:
        """Nobody has written anything yet."""
        return not (self.subject.strip() or (self.body_html or "").strip() or (self.body_text or "").strip())

    def standing(self) -> Standing:
        """What the pitch itself says."""
        if self.is_cancelled:
            return Standing(refused_for="cancelled")
        return Standing(refused_for="contact_deleted") if self.is_contact_deleted else Standing()


_COLUMNS = (
    "id",
    "attempts",
    "address",
    "subject",
    "body_html",
    "body_text",
    "message_id",
    "left_at",
    "is_erased",
    "is_cancelled",
    "is_contact_deleted",
    "is_stopped",
)


def _cap(row: Mapping[str, Any]) -> FrequencyCap | None:
    return None if row["cap_emails"] is None else FrequencyCap(row["cap_emails"], row["cap_days"])


@dataclass(frozen=True)
class PitchRecord:
    """What is written of a pitch. `keeps`: it stays ours; `not_before` None: as it was.

    `counted`: the word of the run's counts, where it is not the status.
    """

    status: str
    reason: str | None = None
    held_for: str | None = None
    not_before: datetime | None = None
    more_attempts: int = 0
    left_at: datetime | None = None
    draft: DraftRef | None = None
    external_id: str | None = None
    sent_at: datetime | None = None
    keeps: bool = False
    counted: str | None = None
