"""A mailbox as the engine asks it: mail that came in, and drafts that go out once; `mailbox_connector.py` opens one.

A mailbox has no streams of records. The engine asks `changes` first, a page at a time; a cursor that is too old leads
to `listing`. A message leaves as a draft, whose id is stored before it is sent: a draft can leave only once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class MailboxProfile:
    """`address`: whose mailbox it is. `newest`: the cursor behind everything that is in it now."""

    address: str = field(repr=False)
    newest: str


@dataclass(frozen=True)
class MailPage:
    """Ids of messages, which may repeat those of another page. `cursor`: where the next read begins, once this is the
    last page (`next_page` None); None: the listing says nothing about that.
    """

    ids: Sequence[str]
    next_page: str | None
    cursor: str | None = None


@dataclass(frozen=True)
class MailboxMessage:
    """A message without its body. `received_at`: by the clock of the mailbox.

    Names of `headers` are in lower case; one that stands twice has both values, a comma between them.
    """

    id: str
    thread_id: str
    labels: frozenset[str]
    received_at: datetime | None
    headers: Mapping[str, str] = field(repr=False)
    snippet: str = field(repr=False)


@dataclass(frozen=True)
class DraftRef:
    """A draft, and the conversation that it is in."""

    id: str
    thread_id: str


@dataclass(frozen=True)
class SentRef:
    """A message that left."""

    id: str
    thread_id: str


class DraftGone(Exception):
    """There is no such draft: it was sent, or somebody deleted it."""


class Mailbox(Protocol):
    """One mailbox, opened for one run. Each call is one request, except where it says otherwise; none is repeated."""

    def profile(self) -> MailboxProfile:
        """Whose it is, and where the next read begins."""

    def changes(self, cursor: str, labels: Sequence[str], page: str | None) -> MailPage:
        """Messages that came, or got one of the labels, behind `cursor`. Raises CursorLost where that is too old."""

    def listing(self, since: datetime, label: str, page: str | None) -> MailPage:
        """Messages with a label that came since then. Raises CursorLost for a `page` that is not known any more."""

    def message(self, message_id: str) -> MailboxMessage | None:
        """None: it is gone by now."""

    def labels(self) -> Mapping[str, str]:
        """Id -> name."""

    def create_draft(self, letter: bytes) -> DraftRef:
        """Of an RFC 5322 message."""

    def find_draft(self, message_id: str) -> DraftRef | None:
        """By its Message-ID; the mailbox's index may lag."""

    def has_draft(self, draft_id: str) -> bool:
        """False: it was sent, or somebody deleted it."""

    def ready_to_send(self) -> None:
        """Waits for all that a `send_draft` has to wait for, so that nothing is waited for behind the last question."""

    def send_draft(self, draft_id: str) -> SentRef:
        """Behind `ready_to_send`. Raises DraftGone; NoAnswer and ServerFailed where it may have left."""

    def delete_draft(self, draft_id: str) -> bool:
        """False: it was gone."""

    def find_sent(self, message_id: str, thread_id: str | None) -> SentRef | None:
        """A message that left, by its Message-ID, else by the conversation of its draft: up to two requests."""
