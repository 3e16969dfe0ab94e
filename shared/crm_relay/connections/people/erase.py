"""Erases a person from connections: records there go with the next sync, and nothing here says whose they were."""

from datetime import datetime

from crm_relay.consent.person import Person
from crm_relay.platform.database import Database, Queryable, Row
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__)


def erase_connected(db: Database, person: Person, now: datetime) -> Row:
    """Table -> rows that lost the person. One transaction; safe to call twice.

    Before the contact loses its address: by that the records are found. A record that is removed there by the next sync
    is counted here; a vendor's own history and backups are beyond reach.
    """
    addresses = sorted(person.addresses)
    statements = [
        _SQL["erase_rejects"].bind(addresses=addresses),
        _SQL["erase_records"].bind(addresses=addresses, now=now),
        _SQL["erase_pitches"].bind(addresses=addresses, now=now),
    ]
    rejects, records, pitches = db.transact(lambda tx: tx.finish(statements))
    return {
        "integration_rejects": len(rejects),
        "integration_records, removed there by the next sync": len(records),
        "pitches": len(pitches),
    }


def count_connected(db: Queryable, person: Person) -> Row:
    """Table -> rows that erase_connected would change."""
    return db.run(_SQL["count_person"], addresses=sorted(person.addresses))[0]
