"""Reports campaigns that an open transaction of somebody else keeps from going on."""

from datetime import datetime, timedelta

from crm_relay.campaigns.watch import store
from crm_relay.incidents.models import Incident, Kept
from crm_relay.incidents.record import keep_open
from crm_relay.platform.database import Database

LOCKED = "campaign_locked"
"""The kind of its incidents; the subject is the campaign's id."""

PATIENCE = timedelta(minutes=10)
"""So long may a campaign be locked before it is reported."""


def watch_locks(db: Database, now: datetime) -> Kept:
    """Open and close incidents of campaigns whose row, step or organization is locked. Safe to call twice.

    The engine leaves such a campaign out, and goes on with the others. An incident that somebody has locked is waited
    for behind the look, which holds the claimers' turn.
    """
    locked = db.transact(lambda tx: store.locked_campaigns(tx, now, PATIENCE))
    incidents = [
        Incident(LOCKED, str(row["id"]), "campaign(s) locked by an open transaction", details={"name": row["name"]})
        for row in locked
    ]
    return keep_open(db, LOCKED, incidents, now)
