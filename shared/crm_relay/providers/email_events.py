"""What e-mail providers tell by webhook and of a received mail, in our words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

MailEventKind = Literal[
    "sent",
    "scheduled",
    "delivered",
    "delivery_delayed",
    "complained",
    "bounced",
    "opened",
    "clicked",
    "failed",
    "suppressed",
]
BounceType = Literal["permanent", "transient", "undetermined"]


@dataclass(frozen=True)
class MailEvent:
    """Something that happened to a mail of ours. `occurred_at`: when the provider noticed, not when the mail was made.

    `recipients` are bare addresses as they were sent to, not normalised. `bounce_type` is None unless it bounced or was
    suppressed for an earlier bounce (which was permanent). `reason` is in the provider's words, at most 500 characters,
    and without addresses. The IP address of who clicks or opens is not kept.
    """

    kind: MailEventKind
    email_id: str
    occurred_at: datetime
    message_id: str | None = None
    recipients: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    bounce_type: BounceType | None = None
    suppressed_after_complaint: bool = False
    reason: str | None = None
    link: str | None = None
    user_agent: str | None = None

    @property
    def is_permanent_bounce(self) -> bool:
        """The address will never work; also where nothing was sent because of an earlier bounce."""
        return self.bounce_type == "permanent"

    @property
    def is_complaint(self) -> bool:
        """The person called it spam, this mail or an earlier one."""
        return self.kind == "complained" or self.suppressed_after_complaint


@dataclass(frozen=True)
class InboundMail:
    """A mail came in. Its headers, by which it is matched to ours, have to be asked for: InboundProvider.received.

    `also_to`: where else it went, and the address that it was forwarded for.
    """

    email_id: str
    from_address: str | None
    to: tuple[str, ...]
    subject: str | None
    message_id: str | None
    received_at: datetime
    also_to: tuple[str, ...] = ()


@dataclass(frozen=True)
class TopicChange:
    """One topic of a contact; `subscribed` is None for a word that is not known."""

    topic_id: str
    subscribed: bool | None


@dataclass(frozen=True)
class ContactChanged:
    """A contact at the provider; `unsubscribed` from everything, None where only topics changed.

    `topics`: those that changed.
    """

    email: str
    unsubscribed: bool | None
    occurred_at: datetime
    topics: tuple[TopicChange, ...] = ()


@dataclass(frozen=True)
class SuppressionAdded:
    """The provider sends nothing to this address any more. `origin`: bounce, complaint, manual or a word that is new.

    `email_id`: the mail that caused it.
    """

    email: str
    origin: str | None
    occurred_at: datetime
    email_id: str | None = None


@dataclass(frozen=True)
class Unknown:
    """An event that nobody here needs, or that is new; `type` is the provider's name."""

    type: str


Event = MailEvent | InboundMail | ContactChanged | SuppressionAdded | Unknown


@dataclass(frozen=True)
class ReceivedMail:
    """A received mail without its text. Message ids stand in angle brackets, `references` oldest first.

    `headers`: those of rules/replies/vocabulary.py, by name in lower case.
    """

    email_id: str
    message_id: str | None
    in_reply_to: str | None
    references: tuple[str, ...]
    headers: Mapping[str, str]
    from_address: str | None
    to: tuple[str, ...]
    subject: str | None
