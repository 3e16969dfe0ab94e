"""What the rooms that follow mail hear of a batch: the mails it is about, and who leaves."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class MailNames:
    """By what a batch names its mails: our own id (the tag), the provider's, the token to unsubscribe."""

    sends: tuple[UUID, ...] = ()
    email_ids: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.sends or self.email_ids or self.tokens)

    @property
    def only_send(self) -> UUID | None:
        """The only mail, where our own id names it and nothing else does."""
        return self.sends[0] if len(self.sends) == 1 and not (self.email_ids or self.tokens) else None


@dataclass(frozen=True)
class Departure:
    """An address that gets no more mail. `org_id` None: from nobody here; `topic` None: whatever it is about.

    `reason`: the word of the ledger, or topic_opt_out.
    """

    address: str
    reason: str
    org_id: UUID | None = None
    topic: str | None = None
