"""A text message on its way out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.mail.models import OwnedMail
from crm_relay.mail.sending.gate import RecipientFacts


@dataclass(frozen=True)
class TextDraft:
    """A text message to be queued. `send_key` is its identity for ever: a second one with the same key is the same."""

    send_key: str
    org_id: UUID
    to_number: str
    body: str
    entity_type: str | None = None
    entity_id: UUID | None = None
    campaign_id: UUID | None = None
    sequence_id: UUID | None = None
    contact_id: UUID | None = None


@dataclass(frozen=True)
class QueuedText:
    """One message that is ours to send. `attempts` counts this one; above 1 nobody knows whether it was sent before,
    and the provider is asked each time before it leaves.

    `generation`: how often it surely was not sent and began again. `has_twin`: the step has left for the
    same person before: one number and one address.
    Number and text are None once the person was erased. `known`: the provider's ids of other messages to this number.
    `touched_at`: when it was last tried, looked for or put off before this.
    """

    id: UUID
    org_id: UUID
    entity_type: str | None
    entity_id: UUID | None
    sequence_id: UUID | None
    to_number: str | None
    body: str | None
    attempts: int
    first_attempt_at: datetime
    is_suppressed: bool
    generation: int = 0
    has_twin: bool = False
    known: Sequence[str] = ()
    touched_at: datetime | None = None

    @property
    def owned(self) -> OwnedMail:
        """As its owner knows it."""
        return OwnedMail(self.id, self.entity_type, self.entity_id, self.sequence_id)

    @property
    def facts(self) -> RecipientFacts:
        """What the ledgers say of it."""
        return RecipientFacts(
            self.to_number if self.body is not None else None,
            "sms_opt_out" if self.is_suppressed else None,
        )
