"""The contract of every e-mail provider; tests/contract/providers/test_email_provider.py holds each of them to it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from crm_relay.platform.errors import FatalError
from crm_relay.providers.answers import EmailAnswer
from crm_relay.providers.email_events import ReceivedMail


class EmailProvider(Protocol):
    """One account that sends e-mail.

    A provider that takes one mail a request says so by `largest_batch = 1`: it gets arrays of one. A provider that
    does not recognise a repeated request says so by `has_idempotency_key = False`: then `key` is ignored, and whatever
    is Unclear is never sent again, but waits for an event and is given up as unknown after a day. Both are facts about
    the provider and never change between two calls.
    """

    @property
    def name(self) -> str:
        """Its word in the tables: of incidents, of consent and of received mail. Never changes."""

    @property
    def largest_batch(self) -> int:
        """So many mails it takes in one request, 1 or more."""

    @property
    def has_idempotency_key(self) -> bool:
        """Whether the same key and bytes send nothing twice, for at least 24 hours and also at the same moment."""

    def send_batch(self, payload: bytes, key: str) -> EmailAnswer:
        """One request, never repeated in here. Raises nothing of HTTP.

        `payload` is a JSON array of 1 to `largest_batch` mails as `mail.compose` makes them: `from`, `to` (a list with
        one address), `subject`, `html` or `text` or both, `headers`, `tags` (name and value), and `reply_to` where
        there is one. A provider with another form of request makes it of this. A larger array or other bytes are
        RefusedWhole. `key` has 1 to 256 visible ASCII characters.
        """


@runtime_checkable
class LooksUpMail(Protocol):
    """A provider that can say what it has of a batch whose answer was lost."""

    def find_sent(self, payload: bytes, since: datetime) -> Sequence[str | None]:
        """Its id of each mail of the array, None for one that it has not. `since`: the first attempt.

        Reads only. Raises TransientError where it cannot be asked now, FatalError or RejectedInput where it never can.
        """


class InboundProvider(Protocol):
    """One account that receives e-mail."""

    @property
    def name(self) -> str:
        """As EmailProvider.name: the `source` of what it received."""

    def received(self, email_id: str) -> ReceivedMail | None:
        """A received mail without its text; None where there is none. Errors as in HttpClient.send."""


class NoEmailProvider:
    """Where none is configured: dry-run asks nobody."""

    name = "none"
    largest_batch = 100
    has_idempotency_key = True

    def send_batch(self, payload: bytes, key: str) -> EmailAnswer:  # noqa: ARG002 - the contract's signature
        """Never called in dry-run. Raises FatalError."""
        raise FatalError("no e-mail provider is configured: RESEND_API_KEY is not set")
