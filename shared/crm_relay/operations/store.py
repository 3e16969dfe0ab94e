"""SQL of use cases that go through several rooms, and of the CRM's tables as long as no room owns them."""

import re
from collections.abc import Iterable
from datetime import datetime

from crm_relay.consent.person import Person
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Json, queries_beside

_SQL = queries_beside(__file__)
_TOO_LARGE = 4 * 1024**3


def count_crm(db: Queryable, person: Person) -> Row:
    """Table -> rows that erase_crm would change."""
    return db.run(_SQL["count_crm"], addresses=list(person.addresses), customer_ids=list(person.customer_ids))[0]


def crm_phones(db: Queryable, person: Person) -> frozenset[str]:
    """Numbers of contacts and prospects with one of the person's addresses."""
    return frozenset(row["phone"] for row in db.run(_SQL["crm_phones"], addresses=list(person.addresses)))


def erase_crm(db: Queryable, person: Person) -> Row:
    """Table -> rows that lost the person. Safe to call twice."""
    return db.run(_SQL["erase_crm"], addresses=list(person.addresses), customer_ids=list(person.customer_ids))[0]


def tables_to_search(db: Queryable) -> tuple[list[str], list[str]]:
    """Names of all tables: those that one statement can look through, and those that are too large for that."""
    rows = db.run(_SQL["tables_to_search"], too_large=_TOO_LARGE)
    too_large = [row["name"] for row in rows if row["is_too_large"]]
    return [row["name"] for row in rows if not row["is_too_large"]], too_large


def mentions(db: Queryable, relation: str, texts: Iterable[str]) -> int:
    """Rows of one table in which one of the texts stands by itself, not as a part of a longer one, in any column."""
    wanted = sorted(text.lower() for text in texts)
    pattern = rf"(?<![\w.+%-])({'|'.join(map(re.escape, wanted))})(?![\w-]|\.\w)"
    needles = ["%" + text.replace("\\", "\\\\") + "%" for text in wanted]
    return int(db.run(_SQL["mentions"], relation=relation, needles=needles, pattern=pattern)[0]["rows"])


def keep_receipt(db: Queryable, subject: list[str], receipt: dict[str, object], at: datetime) -> int:
    """The receipt's id."""
    return int(db.run(_SQL["keep_receipt"], subject=subject, receipt=Json(receipt), at=at)[0]["id"])


def erasures_of(db: Queryable, *, channel: str, marks: list[str]) -> tuple[bool, list[Row]]:
    """Whether one of `marks` is kept away, and id, at and receipt of each erasure of one of them, oldest first."""
    rows = db.run(_SQL["erasures_of"], channel=channel, marks=marks)
    receipts = [{name: row[name] for name in ("id", "at", "receipt")} for row in rows if row["id"] is not None]
    return rows[0]["is_erased"], receipts


def complete_receipt(db: Queryable, receipt_id: int, receipt: dict[str, object]) -> None:
    """In place of what it said before."""
    db.run(_SQL["complete_receipt"], id=receipt_id, receipt=Json(receipt))
