"""The contract of every provider of text messages."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from crm_relay.platform.errors import FatalError
from crm_relay.providers.answers import ConfigurationWrong, TextAnswer


@dataclass(frozen=True)
class TextMessage:
    """A message as the provider has it now; `created_at` None where that is not known."""

    sid: str
    status: str | None
    created_at: datetime | None


class TextProvider(Protocol):
    """One account that sends text messages. None knows an idempotency key: what is Unclear is looked for."""

    @property
    def name(self) -> str:
        """Its word in the tables: of incidents and of consent. Never changes."""

    def send(self, to: str, body: str) -> TextAnswer:
        """One request, never repeated in here; `to` is in E.164. Raises nothing of HTTP."""

    def find(self, to: str, body: str, since: datetime, known: Collection[str] = ()) -> TextMessage | None:
        """The message with this text that was made for `to` since then; None where there is none by now.

        `known`: the provider's ids of other messages, which it is not. TransientError also where that cannot be said.

        A request whose answer did not come in time may still be carried out. Errors as in HttpClient.send.
        """


class NoTextProvider:
    """Where none is configured any more: what was queued before waits for the settings."""

    name = "none"

    def send(self, to: str, body: str) -> TextAnswer:  # noqa: ARG002 - the contract's signature
        """Never: the settings are missing."""
        return ConfigurationWrong("text messages are not configured")

    def find(
        self,
        to: str,  # noqa: ARG002
        body: str,  # noqa: ARG002
        since: datetime,  # noqa: ARG002
        known: Collection[str] = (),  # noqa: ARG002
    ) -> TextMessage | None:
        """Nobody can be asked. Raises FatalError."""
        raise FatalError("text messages are not configured")
