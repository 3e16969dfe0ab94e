"""Erases a person from connections: records there go with the next sync, and nothing here says whose they were."""

from datetime import datetime

from crm_relay.connections.audiences.store import erasing
from crm_relay.consent.person import Person
from crm_relay.platform.database import Database, Queryable, Row
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__)

DELETED_FOR_GOOD = "members of Mailchimp, deleted for good by the next sync: nobody can add them again, only they can"


def erase_connected(db: Database, person: Person, now: datetime) -> Row:
    """Table -> rows that lost the person. One transaction; safe to call twice.

    Before the contact loses its address: by that the records are found. A record that is removed there by the next sync
    is counted here; a vendor's own history and backups are beyond reach.
    """
    addresses = sorted(person.addresses)
    statements = [
        _SQL["erase_pitches"].bind(addresses=addresses, now=now),
        _SQL["erase_recipients"].bind(addresses=addresses, now=now),
        _SQL["erase_rejects"].bind(addresses=addresses),
        _SQL["erase_records"].bind(addresses=addresses, now=now),
        erasing(addresses),
    ]
    pitches, recipients, rejects, records, standings = db.transact(lambda tx: tx.finish(statements))
    return {
        "integration_rejects": len(rejects),
        "integration_records, removed there by the next sync": len(records),
        "pitches": len(pitches),
        "integration_standings": len(standings),
        "inbox_items, to others as well": len(recipients),
    }


def count_connected(db: Queryable, person: Person) -> Row:
    """Table -> rows that erase_connected would change, and what cannot be taken back."""
    counts = db.run(_SQL["count_person"], addresses=sorted(person.addresses))[0]
    members = counts.pop("mailchimp_members")
    return counts | ({DELETED_FOR_GOOD: members} if members else {})
