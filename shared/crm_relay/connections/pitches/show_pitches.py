"""Pitches for a person: a list, and one with what it waits for."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.mail.reasons import REASONS
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.sql import Query, queries_beside

_SQL: dict[str, Query] = queries_beside(__file__)


@dataclass(frozen=True)
class PitchLine:
    """A pitch in a list. `reason`: why it did not leave; `held_for`: what it waits for."""

    id: UUID
    workspace_id: UUID
    recipient: str | None
    subject: str | None
    status: str
    reason: str | None
    held_for: str | None
    left_at: datetime | None
    sent_at: datetime | None
    replied_at: datetime | None
    bounced_at: datetime | None
    created_at: datetime


@dataclass(frozen=True)
class PitchDetails(PitchLine):
    """One pitch with all that is known of it. `mailboxes`: how many its workspace has."""

    contact_id: UUID | None
    connection_id: UUID | None
    connection_status: str | None
    connection_held_for: str | None
    sync_enabled: bool | None
    mailboxes: int
    from_address: str | None
    attempts: int
    not_before: datetime | None
    cancelled_at: datetime | None
    external_id: str | None
    external_draft_id: str | None


@dataclass(frozen=True)
class PitchShown:
    """`because`: in words, what became of it or what it waits for. `exits`: what may be ordered of it."""

    pitch: PitchDetails
    because: str
    exits: list[str]


def list_pitches(
    db: Queryable, *, workspace: UUID | None = None, status: str | None = None, limit: int = 50
) -> list[PitchLine]:
    """The newest first."""
    rows = db.run(_SQL["list_pitches"], workspace=workspace, status=status, limit=limit)
    return [PitchLine(**row) for row in rows]


def show_pitch(db: Queryable, pitch_id: UUID) -> PitchShown:
    """One statement. Raises RejectedInput with 404 for an unknown one."""
    rows = db.run(_SQL["find_pitch"], id=pitch_id)
    if not rows:
        raise RejectedInput("no such pitch", status=404)
    pitch = PitchDetails(**rows[0])
    return PitchShown(pitch, _because(pitch), _EXITS.get(pitch.status, []))


_EXITS = {
    "draft": ["send", "cancel"],
    "queued": ["cancel"],
    "refused": ["send"],
    "dry_run": ["send"],
    "failed": ["send"],
    "cancelled": ["send"],
    "unknown": ["sent", "not-sent"],
}
_OF_STATUS = {
    "draft": "Its author has not queued it.",
    "sending": "It is on its way.",
    "sent": "It left.",
    "cancelled": "Somebody cancelled it.",
}


def _because(pitch: PitchDetails) -> str:
    status = pitch.status
    waits = status in {"queued", "sending"}
    if waits and pitch.cancelled_at is not None:
        return "Somebody cancelled it: its draft is taken out of the mailbox by the next sync."
    if waits and (mailbox := _of_mailbox(pitch)) is not None:
        return mailbox
    word = pitch.held_for if waits else pitch.reason
    if word in REASONS:
        return REASONS[word].sentence
    if status == "unknown":
        return f"Nobody knows whether it left ({word}): look at the mailbox, then settle it as sent or not sent."
    if status in _OF_STATUS:
        return _OF_STATUS[status]
    return word or "It waits for the next sync of its mailbox."


def _of_mailbox(pitch: PitchDetails) -> str | None:
    """What keeps the mailbox itself from sending; None: nothing."""
    if pitch.connection_id is None:
        several = "The workspace has several mailboxes: set the pitch's connection_id to one of them."
        return {0: "No mailbox of the workspace is connected.", 1: None}.get(pitch.mailboxes, several)
    if pitch.connection_held_for is not None:
        return f"Its mailbox waits for somebody: {pitch.connection_held_for}."
    if not pitch.sync_enabled or pitch.connection_status != "active":
        return f"Its mailbox does not sync: it is {pitch.connection_status}."
    return None
