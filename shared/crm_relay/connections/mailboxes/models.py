"""Where mail of a connected mailbox belongs."""

from dataclasses import dataclass
from uuid import UUID

from crm_relay.connections.records.store import StreamKey

MAIL, PITCHES = "mail", "pitches"
"""The two streams of a mailbox."""


@dataclass(frozen=True)
class MailPlace:
    """`source`: the word in inbox_items. `known_only`: other people's mail is not kept."""

    connection_id: UUID
    workspace_id: UUID
    org_id: UUID
    source: str
    labels: tuple[str, ...]
    known_only: bool
    stream: str = MAIL

    @property
    def key(self) -> StreamKey:
        """Of its checkpoint."""
        return StreamKey(self.connection_id, self.stream, self.org_id)

    def external_id(self, message_id: str) -> str:
        """Ids of messages are those of one mailbox; the connection's never changes."""
        return f"{self.connection_id}:{message_id}"
