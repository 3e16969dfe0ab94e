"""A batch of queued mail as one worker has it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from crm_relay.mail.models import WANTED, Fate, OwnedMail, Settled, Standing
from crm_relay.mail.sending.gate import RecipientFacts, Room
from crm_relay.rules.send_windows import SendWindow, is_open, next_open


@dataclass(frozen=True)
class WaitingMail:
    """One mail of a batch as it is now. `is_seen`: an event has come that only a mail that was sent can have.

    `window`: the one that it was queued with, which holds where its owner does not answer for it. `lost_request`: the
    key of an earlier request that carried it, of which the provider's list showed nothing.
    """

    owned: OwnedMail
    status: str
    facts: RecipientFacts
    window: SendWindow | None = None
    is_seen: bool = False
    lost_request: str | None = None
    identity_id: UUID | None = None

    @property
    def id(self) -> UUID:
        """In the ledger."""
        return self.owned.send_id

    def own_standing(self, now: datetime) -> Standing:
        """By the window alone."""
        if self.window is None or is_open(self.window, now):
            return WANTED
        return Standing(held_for="window", held_until=next_open(self.window, now))

    def settled(self, fate: Fate, reason: str | None = None, *, has_events: bool = False) -> Settled:
        """Its fate, as its owner hears of it."""
        owned = self.owned
        return Settled(owned.send_id, fate, reason, owned.entity_type, owned.entity_id, owned.sequence_id, has_events)


@dataclass(frozen=True)
class MailBatch:
    """One request to be made, ours until the transaction ends; `attempts` counts those of this `generation`.

    `is_stopped`: an operator stopped what it is for. `age`: how long ago the first attempt was, by the worker's clock
    or the database's, whichever says more. `has_locked`: other mails of it are locked by another transaction.
    """

    id: UUID
    org_id: UUID
    purpose: str
    generation: int
    attempts: int
    first_attempt_at: datetime | None
    last_attempt_at: datetime | None
    age: timedelta
    room: Room
    mails: tuple[WaitingMail, ...]
    is_stopped: bool = False
    has_locked: bool = False
    locked_since: datetime | None = None

    @property
    def was_lost(self) -> bool:
        """Whether an event of one of its mails may be one of an earlier request, and says nothing of this one."""
        return any(mail.lost_request is not None for mail in self.mails)

    @property
    def key(self) -> str:
        """The idempotency key: the same as long as the bytes are."""
        return f"{self.id}/{self.generation}"
