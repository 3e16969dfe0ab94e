"""Opt-outs on their way to the ledger: kept until it is known whose they are, or at which number."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.consent.address import normalise_phone, number_ends
from crm_relay.consent.models import ConsentChannel
from crm_relay.consent.person import Person
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Json, Rows, SqlValue, Statement, queries_beside

_SQL = queries_beside(__file__)


@dataclass(frozen=True)
class WaitingOptOut:
    """One event of `source`. `address` is in its one form and in the ledger already; `number_end`: what is known of a
    number without its country, in place of it.

    `source_person` is how the source names the person; `customer_id` who the event means, whether or not there is
    such a customer. `org_id` None: the organization of the person, once known.
    """

    source: str
    source_event: str
    channel: ConsentChannel
    occurred_at: datetime
    address: str | None = None
    number_end: str | None = None
    source_person: str | None = None
    customer_id: UUID | None = None
    org_id: UUID | None = None


def keeping(waiting: Sequence[WaitingOptOut]) -> Statement:
    """To be sent with other statements; an event that waits already is left alone."""
    return _SQL["keep_waiting"].bind(
        waiting=Rows([{**asdict(each), "channel": each.channel.value} for each in waiting])
    )


def waiting_events(source: str, events: Sequence[str]) -> Statement:
    """source_event of those that wait."""
    return _SQL["waiting_events"].bind(source=source, events=sorted(events))


def waiting_persons(db: Queryable, source: str) -> list[str] | None:
    """How the source names those whose opt-outs wait; None where none waits."""
    row = db.run(_SQL["waiting_persons"], source=source)[0]
    return list(row["persons"]) if row["events"] else None


def claiming(source: str, persons: Sequence[str], limit: int, ids: Sequence[UUID] | None = None) -> Statement:
    """Locks up to `limit` of those whose person is known by now. `ids`: only of these."""
    among = None if ids is None else list(ids)
    return _SQL["claim_waiting_opt_outs"].bind(source=source, persons=Json(list(persons)), limit=limit, ids=among)


def settling(ids: Sequence[UUID]) -> Statement:
    """They are in the ledger by now, or about somebody who was erased."""
    return _SQL["settle_waiting"].bind(ids=sorted(ids))


def looking_again(owners: Sequence[tuple[UUID, UUID | None]]) -> Statement:
    """They go on waiting; each with the customer whose it is, if that is known."""
    rows: list[dict[str, SqlValue]] = [{"id": row_id, "customer_id": owner} for row_id, owner in sorted(owners)]
    return _SQL["look_again"].bind(looked=Rows(rows))


def waiting_of(db: Queryable, person: Person) -> list[Row]:
    """What is the person's, or may be by the end of a number."""
    numbers = [number for phone in person.phones if (number := normalise_phone(phone)) is not None]
    ends = sorted({end for number in numbers for end in number_ends(number)})
    return db.run(_SQL["waiting_of"], **_known_by(person), ends=ends)


def erase_waiting(db: Queryable, person: Person) -> int:
    """How many went. Safe to call twice."""
    return len(db.run(_SQL["erase_waiting"], **_known_by(person)))


def count_waiting(db: Queryable, person: Person) -> int:
    """How many are the person's."""
    return int(db.run(_SQL["count_waiting"], **_known_by(person))[0]["events"])


def _known_by(person: Person) -> dict[str, SqlValue]:
    numbers = {number for phone in person.phones if (number := normalise_phone(phone)) is not None}
    return {
        "customer_ids": sorted(person.customer_ids),
        "contact_ids": sorted(map(str, person.contact_ids)),
        "addresses": sorted(person.addresses | numbers),
    }
