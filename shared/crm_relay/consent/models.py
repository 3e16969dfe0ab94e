"""The words of the ledger, shared by every channel."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from crm_relay.consent.address import normalise, normalise_phone


class ConsentChannel(StrEnum):
    """By what somebody is written to."""

    EMAIL = "email"
    SMS = "sms"


class ConsentKind(StrEnum):
    """What happened. All but `consent` mute; permanent bounces and complaints do so for the whole installation."""

    OPT_OUT = "opt_out"
    HARD_BOUNCE = "hard_bounce"
    COMPLAINT = "complaint"
    ERASED = "erased"
    CONSENT = "consent"


@dataclass(frozen=True)
class ConsentEvent:
    """One event for the ledger.

    `source` names who says so (mautic, resend, crm, import, …). `source_event` is that side's own id of the event:
    given one, the event counts once for each kind, address and organization. `evidence` is how a consent can be proven,
    and only a consent needs it. `org_id` None is the installation's own organization. An erased address is a salted
    hash. A consent dated more than five minutes ahead of the database's clock is refused; anything else that is dated
    ahead counts from the moment of recording, so that no opt-out is lost to a fast clock.
    """

    kind: ConsentKind
    address: str
    source: str
    occurred_at: datetime
    channel: ConsentChannel = ConsentChannel.EMAIL
    source_event: str | None = None
    evidence: str | None = None
    org_id: UUID | None = None

    @property
    def key(self) -> str | None:
        """The address as the ledger files it; None where it is not one of the channel."""
        if self.kind is ConsentKind.ERASED:
            return self.address or None
        return normalise(self.address) if self.channel is ConsentChannel.EMAIL else normalise_phone(self.address)


@dataclass(frozen=True)
class ConsentEntry:
    """A line of the ledger as it stands; `recorded_at` is when it became known here."""

    id: int
    org_id: UUID
    channel: ConsentChannel
    address: str
    kind: ConsentKind
    source: str
    source_event: str | None
    evidence: str | None
    occurred_at: datetime
    recorded_at: datetime
