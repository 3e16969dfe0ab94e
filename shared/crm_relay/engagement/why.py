"""What a person did with the mail, and what became of their addresses by it, for `crm-relay why`."""

from dataclasses import dataclass
from uuid import UUID

from crm_relay.consent.person import Person
from crm_relay.engagement.decisions import judge_address
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import SqlValue, queries_beside

_SQL = queries_beside(__file__)

LATEST = 20
"""So many events are told one by one, and as many of those that wait; `counts` has all of them."""


@dataclass(frozen=True)
class AddressState:
    """One address of one customer; `reason` says how many bounces were counted and whether they mute it."""

    customer_id: UUID
    address: str
    bounces: int
    is_muted: bool
    reason: str


@dataclass(frozen=True)
class Engagement:
    """`counts` are by kind, apart for events that wait; `events` and `waiting` are the newest, without payload."""

    counts: list[Row]
    events: list[Row]
    waiting: list[Row]
    addresses: list[AddressState]


def engagement_of(db: Queryable, person: Person) -> Engagement:
    """Three statements, whatever there is."""
    customer_ids = list(person.customer_ids)
    known_by: dict[str, SqlValue] = {
        "customer_ids": customer_ids,
        "addresses": list(person.addresses),
        "contact_ids": list(person.contact_ids),
    }
    events = db.run(_SQL["latest_engagement"], **known_by, limit=LATEST)
    return Engagement(
        counts=db.run(_SQL["engagement_counts"], **known_by),
        events=[each for each in events if not each["is_waiting"]],
        waiting=[each for each in events if each["is_waiting"]],
        addresses=[_state(row) for row in db.run(_SQL["bounces_of"], customer_ids=customer_ids)],
    )


def _state(row: Row) -> AddressState:
    bounces, is_valid = row["bounce_count"], row["is_valid"]
    reason = judge_address(bounces, is_valid=is_valid)
    return AddressState(row["customer_id"], row["address"], bounces, not is_valid, reason)
