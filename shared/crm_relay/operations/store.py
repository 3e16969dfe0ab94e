"""SQL of use cases that go through several rooms, and of the CRM's tables as long as no room owns them."""

from datetime import datetime

from crm_relay.consent.person import Person
from crm_relay.consent.traces import Traces
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Json, SqlValue, queries_beside

_SQL = queries_beside(__file__)


def count_crm(db: Queryable, person: Person) -> Row:
    """Table -> rows that erase_crm would change."""
    return db.run(_SQL["count_crm"], addresses=list(person.addresses), customer_ids=list(person.customer_ids))[0]


def crm_phones(db: Queryable, person: Person) -> frozenset[str]:
    """Numbers of contacts and prospects with one of the person's addresses."""
    return frozenset(row["phone"] for row in db.run(_SQL["crm_phones"], addresses=list(person.addresses)))


def erase_replies(db: Queryable, person: Person) -> Row:
    """`inbox_items` that lost the person. Safe to call twice."""
    return db.run(_SQL["erase_replies"], addresses=list(person.addresses))[0]


def erase_crm(db: Queryable, person: Person) -> Row:
    """Table -> rows that lost the person. Safe to call twice."""
    return db.run(_SQL["erase_crm"], addresses=list(person.addresses), customer_ids=list(person.customer_ids))[0]


def tables_to_search(db: Queryable) -> dict[str, int]:
    """Every table and materialized view -> its blocks of 8 kB."""
    return {row["name"]: int(row["blocks"]) for row in db.run(_SQL["tables_to_search"])}


def mentions(db: Queryable, relation: str, traces: Traces, *, first_block: int, end_block: int | None) -> int:
    """Rows of these blocks of a table that mention the person in any column; `end_block` None: up to its end."""
    rows = db.run(
        _SQL["mentions"],
        relation=relation,
        needles=traces.needles,
        pattern=traces.pattern,
        first_block=first_block,
        end_block=end_block,
    )
    return int(rows[0]["rows"])


def keep_receipt(db: Queryable, subject: list[str], receipt: dict[str, object], at: datetime) -> int:
    """The receipt's id."""
    return int(db.run(_SQL["keep_receipt"], subject=subject, receipt=Json(receipt), at=at)[0]["id"])


def tries_of(db: Queryable, subject: list[str]) -> list[int]:
    """Numbers of the receipts of this person since the last complete one before the latest; in their order."""
    return [row["id"] for row in db.run(_SQL["tries_of"], subject=subject)]


def erasures_of(db: Queryable, *, channel: str, marks: list[str]) -> tuple[bool, list[Row]]:
    """Whether one of `marks` is kept away, and id, at and receipt of each erasure of one of them, oldest first."""
    rows = db.run(_SQL["erasures_of"], channel=channel, marks=marks)
    receipts = [{name: row[name] for name in ("id", "at", "receipt")} for row in rows if row["id"] is not None]
    return rows[0]["is_erased"], receipts


def take_unfinished(db: Queryable, person: Person, *, is_asked: bool) -> Person:
    """Kept from now on until the erasure is complete; the person with what earlier tries knew.

    `is_asked`: by somebody, now; else it is a repetition.
    """
    return _person(db.run(_SQL["take_unfinished"], **_known_by(person), is_asked=is_asked)[0])


def forget_unfinished(db: Queryable, person: Person) -> None:
    """The erasure is complete. Safe to call twice."""
    addresses, customer_ids = sorted(person.addresses), sorted(person.customer_ids)
    db.run(_SQL["forget_unfinished"], addresses=addresses, customer_ids=customer_ids)


def next_unfinished(db: Queryable, before: datetime) -> Person | None:
    """None: all of them were tried since then."""
    rows = db.run(_SQL["next_unfinished"], before=before)
    return _person(rows[0]) if rows else None


def give_up_unfinished(db: Queryable, days: int) -> int:
    """How many are not tried any more because they are that old; nor is somebody who has consented since."""
    return sum(row["is_old"] for row in db.run(_SQL["give_up_unfinished"], days=days))


def complete_receipt(db: Queryable, receipt_id: int, receipt: dict[str, object]) -> None:
    """In place of what it said before."""
    db.run(_SQL["complete_receipt"], id=receipt_id, receipt=Json(receipt))


def _known_by(person: Person) -> dict[str, SqlValue]:
    return {
        "addresses": sorted(person.addresses),
        "phones": sorted(person.phones),
        "customer_ids": sorted(person.customer_ids),
        "contact_ids": sorted(person.contact_ids),
    }


def _person(row: Row) -> Person:
    return Person(
        frozenset(row["addresses"]),
        frozenset(row["phones"]),
        frozenset(row["customer_ids"]),
        frozenset(row["contact_ids"]),
    )
