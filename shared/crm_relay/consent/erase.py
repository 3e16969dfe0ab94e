"""Takes a person's addresses out of the ledger, and leaves hashes in it that keep them from coming back."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from crm_relay.consent.address import normalise_phone
from crm_relay.consent.models import ConsentChannel
from crm_relay.consent.person import Person
from crm_relay.consent.store import allow_erasure, erasure_salt, hash_entries, hash_marks
from crm_relay.platform.database import Database, Queryable


@dataclass(frozen=True)
class Blocked:
    """`keys` are what the ledger has of the person from now on; `entries` counts lines whose address became a hash."""

    keys: tuple[str, ...]
    entries: int


def erased_key(mark: str, salt: str) -> str:
    """What stays of an address, a number or an id; says exactly what the SQL function `erased_key` says."""
    return f"sha256:{hashlib.sha256(f'{salt}:{mark}'.encode()).hexdigest()}"


def block_return(database: Database, person: Person, now: datetime) -> Blocked:
    """From the commit of this on nothing brings the person back, whatever else of the erasure is still to be done.

    Customer ids are hashed too: a late webhook may know the person by nothing else. Safe to call twice.
    """

    def work(transaction: Queryable) -> Blocked:
        salt = erasure_salt(transaction)
        marks = [
            {"channel": channel, "mark": mark, "key": erased_key(mark, salt)} for channel, mark in _marks_of(person)
        ]
        allow_erasure(transaction)
        entries = hash_entries(transaction, marks)
        hash_marks(transaction, marks, now)
        return Blocked(tuple(sorted(mark["key"] for mark in marks)), entries)

    return database.transact(work)


def _marks_of(person: Person) -> list[tuple[str, str]]:
    numbers = {number for phone in person.phones if (number := normalise_phone(phone)) is not None}
    return [(ConsentChannel.EMAIL.value, mark) for mark in person.marks] + [
        (ConsentChannel.SMS.value, number) for number in sorted(numbers)
    ]
