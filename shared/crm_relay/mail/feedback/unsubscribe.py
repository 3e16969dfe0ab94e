"""Somebody wants no more mail: what their page says, and all that follows from their word."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from crm_relay.mail.feedback import store
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.errors import RejectedInput
from crm_relay.webhooks.models import DeliveryOutcome

Stop = Callable[[Queryable, UUID | None, str, str | None, str, datetime], int]
"""Ends what is under way for an address: organization, address, topic (None: everything), the ledger's word, now."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,100}")


@dataclass(frozen=True)
class Reader:
    """Who opens the page. `masked` is their address for their eyes alone; `is_out`: they get nothing any more."""

    organization: str
    masked: str
    topic: str | None
    is_out: bool
    is_out_of_topic: bool


@dataclass(frozen=True)
class UnsubscribeRequest:
    """What was asked for. `only_topic`: no more of this mail's topic; where it has none, no more at all.

    `reader` is whose token it is, None where that is not known yet; it is not kept.
    """

    token: str
    only_topic: bool
    at: datetime
    reader: Reader | None = field(default=None, compare=False)

    def to_body(self) -> bytes:
        """As it is kept while the database is away."""
        content = {"token": self.token, "only_topic": self.only_topic, "at": self.at.isoformat()}
        return json.dumps(content).encode()

    @classmethod
    def from_body(cls, body: bytes) -> "UnsubscribeRequest":
        """RejectedInput for anything that `to_body` did not make."""
        try:
            content = json.loads(body)
            return cls(str(content["token"]), content["only_topic"] is True, datetime.fromisoformat(content["at"]))
        except (ValueError, TypeError, LookupError):
            raise RejectedInput("not a kept request to unsubscribe") from None


def may_be_token(token: str) -> bool:
    """Whether it has the form of ours; whatever else stands in a path is nobody's."""
    return _TOKEN.fullmatch(token) is not None


def reader_of(db: Queryable, token: str) -> Reader | None:
    """One statement that changes nothing; None where nobody has that token."""
    row = store.reader_of(db, token) if may_be_token(token) else None
    return None if row is None else _reader(row)


def unsubscribe(db: Queryable, request: UnsubscribeRequest, *, stop: Stop) -> DeliveryOutcome:
    """The ledger, the mail, the sequences and the queue, within one transaction. Safe to call twice."""
    row = store.unsubscribe_reader(db, request.token, only_topic=request.only_topic, at=request.at)
    if row is None:
        return DeliveryOutcome(ignored=1)
    if row["address"] is not None:
        reason = "opt_out" if row["topic"] is None else "topic_opt_out"
        # Before what is queued is refused: by that it is found whose last step is waiting.
        stop(db, row["org_id"], row["address"], row["topic"], reason, request.at)
        store.refuse_waiting(db, row["org_id"], row["address"], row["topic"])
    return DeliveryOutcome(processed=1)


def _reader(row: Row) -> Reader:
    return Reader(
        organization=row["organization"] or "",
        masked=f"{row['first_letter']}•••@{row['domain_letter']}•••{row['ending'] or ''}"
        if row["first_letter"]
        else "",
        topic=row["topic"],
        is_out=row["is_out"],
        is_out_of_topic=row["is_out_of_topic"],
    )
