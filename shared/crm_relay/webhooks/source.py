"""All that the house has to know of one source of deliveries; each file in `sources/` describes one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from crm_relay.consent.person import Person
from crm_relay.platform.database import Queryable
from crm_relay.webhooks.models import Delivered, DeliveryOutcome

Keys = TypeVar("Keys")
Parsed = TypeVar("Parsed")


class WebhookRequest(Protocol):
    """What of a request a source may look at. Header names are lower-case; `body` is what was signed."""

    @property
    def path_parameters(self) -> Mapping[str, str]: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def body(self) -> bytes: ...


@dataclass(frozen=True)
class Received(Generic[Parsed]):
    """A verified request as it is kept, and what it says."""

    delivered: Delivered
    parsed: Parsed


Redact = Callable[[str, Person], str | None]
"""The body of a delivery without one person's events; None: it has none of them and can stay as it is."""

Redactors = Mapping[str, Redact]
"""By the source's stored name."""


@dataclass(frozen=True)
class Source(Generic[Keys, Parsed]):
    """One source of deliveries.

    `name` is what `webhook_inbox.source` and queued messages say. `receive` verifies a request with its keys and parses
    it only then; RejectedInput: nothing of it is kept. `parse` reads a stored delivery again. `apply` and `again` have
    all their effects within the transaction and may be called again; `again` is for a delivery that was applied before.
    """

    name: str
    receive: Callable[[WebhookRequest, Keys, datetime], Received[Parsed]]
    parse: Callable[[Delivered], Parsed]
    apply: Callable[[Queryable, Delivered, Parsed], DeliveryOutcome]
    again: Callable[[Queryable, Delivered, Parsed], DeliveryOutcome]
    redact: Redact


Sources = Mapping[str, Source[Any, Any]]
"""By name."""


def nothing_new(_transaction: Queryable, _delivered: Delivered, _parsed: object) -> DeliveryOutcome:
    """`again` of a source where it does not matter what the delivery was about."""
    return DeliveryOutcome(duplicates=1)
