"""All that the house has to know of one source of deliveries; each file in `sources/` describes one."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from crm_relay.consent.person import Person
from crm_relay.platform.database import Row
from crm_relay.platform.sql import Statement
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
class KeptDelivery(Generic[Parsed]):
    """A delivery in the inbox, locked there.

    `inbox_id` is None for a delivery that was applied before, also where it is in the batch twice. `erased` are its
    addresses and customer ids that belong to erased persons; empty for one that was applied before.
    """

    delivered: Delivered
    parsed: Parsed
    inbox_id: int | None
    erased: frozenset[str] = frozenset()

    @property
    def is_new(self) -> bool:
        """Whether its effects have not been applied."""
        return self.inbox_id is not None


@dataclass(frozen=True)
class Batch(Generic[Parsed]):
    """Deliveries of one source that are applied in one transaction, in their order.

    A live webhook has one, catching up at most 50. `is_repeated`: a unique index refused the writes of the first
    attempt, so `reads` must include what makes the decision certain.
    """

    deliveries: Sequence[Received[Parsed]]
    is_repeated: bool = False


@dataclass(frozen=True)
class ReadMore:
    """The rows so far do not suffice: read these too and decide again. It costs a message; for rare paths."""

    statements: Mapping[str, Statement]


@dataclass(frozen=True)
class Decided:
    """What a batch means: one outcome a delivery, and the statements that record it, which share the commit's message.

    `after_commit` logs, counts metrics and wakes queues. Where `refused` is set in an outcome, the delivery is set
    aside as well.
    """

    outcomes: Sequence[DeliveryOutcome]
    writes: Sequence[Statement] = ()
    after_commit: Sequence[Callable[[], object]] = ()


ReadRows: TypeAlias = Mapping[str, list[Row]]
"""The rows of each statement that was read, by the name that the source gave it."""


@dataclass(frozen=True)
class Source(Generic[Keys, Parsed]):
    """One source of deliveries.

    `name` is what `webhook_inbox.source` and queued messages say. `receive` verifies a request with its keys and parses
    it only then; RejectedInput: nothing of it is kept. `parse` reads a stored delivery again.

    `reads` and `decide` do no input or output and may be called again. `reads` has the locks, in the order of the
    tables and by id inside a table, then the reads, each under a name by which `decide` finds its rows; they share a
    message with the insert into the inbox, which comes first. `decide` gets the deliveries as the inbox has them, also
    those that were applied before. `addresses` are normalised ones that `decide` asks `erased` for and that may not be
    found in the body by their form alone.
    """

    name: str
    receive: Callable[[WebhookRequest, Keys, datetime], Received[Parsed]]
    parse: Callable[[Delivered], Parsed]
    reads: Callable[[Batch[Parsed]], Mapping[str, Statement]]
    decide: Callable[[Sequence[KeptDelivery[Parsed]], ReadRows], Decided | ReadMore]
    redact: Redact
    addresses: Callable[[Parsed], AbstractSet[str]] = lambda _parsed: frozenset()


Sources = Mapping[str, Source[Any, Any]]
"""By name."""
