"""A mail on its way out: what is queued, its sender, its mode, and what became of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid5

from crm_relay.platform.database import Queryable, Transaction
from crm_relay.rules.send_windows import SendWindow

_SENDS = UUID("5f0c1b53-7f6c-4b5e-9d0e-1c7f0f3f8a11")


@lru_cache(maxsize=1024)
def id_of_send(send_key: str) -> UUID:
    """The ledger's id of the mail with this key, known before the row is there: the mail carries it as a tag."""
    return uuid5(_SENDS, send_key)


class Mode(Enum):
    """SEND_MODE. Dry-run is the default: nothing leaves."""

    DRY_RUN = "dry-run"
    ALLOW_LIST = "allow-list"
    LIVE = "live"


@dataclass(frozen=True)
class SendPolicy:
    """What this installation may send at all; `allow_list` holds normalised addresses and domains (`@example.com`).

    `keeps_places`: what the mode keeps here waits for another mode; else it is passed over, and not sent later.
    """

    mode: Mode = Mode.DRY_RUN
    allow_list: frozenset[str] = frozenset()
    is_for_colleagues: bool = False
    keeps_places: bool = False

    def allows(self, address: str) -> bool:
        """Whether a mail to this normalised address may leave."""
        has_domain = f"@{address.rpartition('@')[2]}" in self.allow_list
        if self.mode is Mode.ALLOW_LIST:
            return address in self.allow_list or has_domain
        return self.mode is Mode.LIVE or (self.is_for_colleagues and has_domain)

    @property
    def allowed(self) -> frozenset[str] | None:
        """The only recipients of campaigns; None: everybody."""
        return None if self.mode is Mode.LIVE else self.allow_list if self.mode is Mode.ALLOW_LIST else frozenset()

    def for_colleagues(self) -> "SendPolicy":
        """The same for mail to colleagues: in dry-run mode it leaves to the domains of the allow-list."""
        return replace(self, is_for_colleagues=True)

    def for_campaigns(self) -> "SendPolicy":
        """The same for campaigns: nobody is used up by a mode in which nothing leaves."""
        return replace(self, keeps_places=True)


@dataclass(frozen=True)
class Identity:
    """The sender of a mail. Without `postal_address` nothing may: every campaign mail has to carry one."""

    id: UUID | None
    from_address: str
    from_name: str | None = None
    reply_to: str | None = None
    inbound_domain: str | None = None
    postal_address: str | None = None
    paused: bool = False


@dataclass(frozen=True)
class Letter:
    """What somebody is to get, rendered, before it has a sender, a footer and headers (`compose` gives it those).

    `recipient` is the address as it was written, `address` its normalised form. `send_key` is its identity for ever.
    `topic`: what the reader may unsubscribe from alone.
    """

    send_key: str
    org_id: UUID
    recipient: str
    address: str
    subject: str
    html: str
    text: str
    topic: str | None = None
    window: SendWindow | None = None
    entity_type: str | None = None
    entity_id: UUID | None = None
    campaign_id: UUID | None = None
    sequence_id: UUID | None = None
    contact_id: UUID | None = None
    ab_variant: str | None = None


@dataclass(frozen=True)
class Mail:
    """One e-mail to be queued. `send_key` is its identity for ever: a second one with the same key is the same mail.

    `payload` is the object that the provider takes (one item of a batch); `links` is how many different links it holds.
    """

    send_key: str
    org_id: UUID
    recipient: str
    address: str
    subject: str
    payload: Mapping[str, Any]
    unsubscribe_token: str
    reply_token: str
    links: int = 0
    identity_id: UUID | None = None
    topic: str | None = None
    window: SendWindow | None = None
    entity_type: str | None = None
    entity_id: UUID | None = None
    campaign_id: UUID | None = None
    sequence_id: UUID | None = None
    contact_id: UUID | None = None
    ab_variant: str | None = None

    @property
    def id(self) -> UUID:
        """Its id in the ledger."""
        return id_of_send(self.send_key)


class Fate(Enum):
    """What became of a queued mail, once that is known.

    SENT: the provider took it. DRY_RUN: the mode passed it over. REFUSED: the gate said no, and why. FAILED: the
    provider said no to this one for good. UNKNOWN: it may have left, and may never be tried again.
    """

    SENT = "sent"
    DRY_RUN = "dry_run"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class OwnedMail:
    """A mail or text message as its owner knows it: the entity it was queued for, and which step of it."""

    send_id: UUID
    entity_type: str | None = None
    entity_id: UUID | None = None
    sequence_id: UUID | None = None


@dataclass(frozen=True)
class Settled:
    """One mail whose fate is known; `reason` is a word of ours or the provider's code, never an address.

    `has_events`: the provider has reported on it before, so its row says more than the fate.
    """

    send_id: UUID
    fate: Fate
    reason: str | None = None
    entity_type: str | None = None
    entity_id: UUID | None = None
    sequence_id: UUID | None = None
    has_events: bool = False


@dataclass(frozen=True)
class Standing:
    """What the owner of a mail says about it now: why it may never leave, or why and until when it has to wait.

    The words are those of mail/reasons.py. `held_until` None: until the owner is asked again.
    """

    refused_for: str | None = None
    held_for: str | None = None
    held_until: datetime | None = None


WANTED = Standing()
"""It may leave, as far as its owner is concerned."""

Settle = Callable[[Transaction, Sequence[Settled], datetime], None]
"""What the owner of the mails does about their fate, in the transaction that records it."""

StillWanted = Callable[[Queryable, Sequence[OwnedMail], datetime], Mapping[UUID, Standing]]
"""What the owner of the mails says before they leave, in one statement; a mail that is left out is WANTED."""


def always_wanted(_db: Queryable, _mails: Sequence[OwnedMail], _now: datetime) -> Mapping[UUID, Standing]:
    """Of mail whose owner never changes its mind."""
    return {}
