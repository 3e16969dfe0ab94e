"""A text message on its way out."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.rules.send_windows import SendWindow, zone_of


@dataclass(frozen=True)
class TextDraft:
    """A text message to be queued. `send_key` is its identity for ever: a second one with the same key is the same."""

    send_key: str
    org_id: UUID
    to_number: str
    body: str
    enrollment_id: UUID | None = None
    campaign_id: UUID | None = None
    sequence_id: UUID | None = None
    contact_id: UUID | None = None


@dataclass(frozen=True)
class QueuedText:
    """One message that is ours to send. `attempts` counts this one; above 1 nobody knows whether it was sent before.

    `ended_by`: why the sequence has ended since; 'erased': number and text are None; 'gone': the window's columns are.
    """

    id: UUID
    org_id: UUID
    enrollment_id: UUID | None
    sequence_id: UUID | None
    to_number: str | None
    body: str | None
    attempts: int
    first_attempt_at: datetime
    is_suppressed: bool
    send_days: Any
    send_window_start: Any
    send_window_end: Any
    campaign_zone: Any
    recipient_zone: str | None
    ended_by: str | None
    is_campaign_paused: bool

    @property
    def window(self) -> SendWindow:
        """Nobody is woken by a message that had to wait. Raises what a window written by hand may be wrong in."""
        zone = zone_of(self.recipient_zone, self.campaign_zone)
        return SendWindow.of(self.send_days, self.send_window_start, self.send_window_end, zone)
