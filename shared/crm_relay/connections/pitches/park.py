"""Pitches of an unknown fate: an incident each, until somebody or the mailbox says what became of it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from crm_relay.connections.pitches import store
from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import close_incidents, open_incidents
from crm_relay.platform.database import Database, Queryable, Transaction

UNKNOWN = "pitch_unknown"
_TITLE = "Pitch(es) whose outcome is unknown: never sent again, look at the mailbox and settle them"
_AT_ONCE = 200


def parked(db: Queryable, pitches: Sequence[UUID], now: datetime) -> None:
    """Opens their incidents; one that is open stays."""
    open_incidents(db, [Incident(UNKNOWN, str(each), _TITLE) for each in pitches], now)


def pitch_goes_on(db: Queryable, pitches: Sequence[UUID], now: datetime) -> None:
    """Closes their incidents, where there are any."""
    close_incidents(db, UNKNOWN, [str(each) for each in pitches], now)


def free_stranded(db: Database, now: datetime) -> int:
    """Pitches of disconnected mailboxes: parked where they may have left, else free for another mailbox. How many."""

    def free(tx: Transaction) -> int:
        rows = store.strand_pitches(tx, now, _AT_ONCE)
        parked(tx, [row["id"] for row in rows if row["status"] == "unknown"], now)
        return len(rows)

    return db.transact(free)
