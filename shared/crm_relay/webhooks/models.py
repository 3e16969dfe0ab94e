"""A verified delivery, and what became of it."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

Origin = Literal["webhook", "deferred", "replay"]
"""How a delivery came to be applied: from the provider, from the deferred queue, or from the inbox once more."""

Counted = Literal["processed", "duplicates", "unmatched", "ignored"]
"""The one count of a delivery's outcome in which an event is."""

DELIVERY_ID = "delivery-id"
"""Among the kept headers; no request can bring it, since what a request brings is taken from a list."""

# Nothing here names a person or opens a door; the signature is left out, since it was checked and would let anyone who
# reads the table send the delivery again.
_KEPT_HEADERS = ("content-type", "user-agent", "x-origin-base-url")


@dataclass(frozen=True)
class Delivered:
    """One verified request of a provider. `body` is exactly what was signed; header names are lower-case.

    `delivery_id` is the provider's own id of the delivery where its signature covers that, else None. `started` is the
    monotonic clock when the request arrived, None for a stored delivery. Neither it nor `origin` is stored.
    """

    source: str
    body: bytes
    received_at: datetime
    headers: Mapping[str, str] = field(default_factory=dict)
    workspace_name: str | None = None
    delivery_id: str | None = None
    origin: Origin = field(default="webhook", compare=False)
    started: float | None = field(default=None, compare=False)

    @cached_property
    def dedupe_key(self) -> str:
        """A signed delivery id says that a delivery is the same one. Without, the body is its own identity."""
        own = self.body if self.delivery_id is None else self.delivery_id.encode()
        return identity_of(own, self.workspace_name)

    @property
    def kept_headers(self) -> dict[str, str]:
        """Those that may be stored, and the delivery's id, by which a delivery read from there is the same one."""
        kept = {name: self.headers[name] for name in _KEPT_HEADERS if name in self.headers}
        return kept if self.delivery_id is None else kept | {DELIVERY_ID: self.delivery_id}

    @property
    def message(self) -> dict[str, Any]:
        """What stands in the deferred queue."""
        return self.message_head | {"body_base64": base64.b64encode(self.body).decode()}

    @property
    def message_head(self) -> dict[str, Any]:
        """The message without the body."""
        return {
            "source": self.source,
            "workspace_name": self.workspace_name,
            "dedupe_key": self.dedupe_key,
            "received_at": self.received_at.isoformat(),
            "headers": self.kept_headers,
        }


def identity_of(body: bytes, workspace_name: str | None) -> str:
    """What a delivery with this body is filed under: 64 hexadecimal digits."""
    workspace = b"" if workspace_name is None else workspace_name.encode() + b"\0"
    return hashlib.sha256(workspace + body).hexdigest()


@dataclass(frozen=True)
class DeliveryOutcome:
    """How many events of a delivery took effect, had come before, wait for their customer, or are not kept.

    `refused`: why the delivery may have no effect now; it is kept, and can be replayed once the reason is gone.
    """

    processed: int = 0
    duplicates: int = 0
    unmatched: int = 0
    ignored: int = 0
    refused: str | None = None

    @property
    def total(self) -> int:
        """Every event is in exactly one of the four."""
        return self.processed + self.duplicates + self.unmatched + self.ignored

    @property
    def answer(self) -> dict[str, Any]:
        """What the provider is told."""
        return {
            "success": True,
            "events_processed": self.processed,
            "duplicates": self.duplicates,
            "unmatched": self.unmatched,
            "ignored": self.ignored,
        }
