"""What has to be looked at now and then: rows that are old, and time zones that cannot be read."""

from datetime import datetime, timedelta

from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import keep_open
from crm_relay.mail.decisions import has_left
from crm_relay.mail.models import Fate, Settled
from crm_relay.notifications.release import store
from crm_relay.notifications.release.settle import close_readable, settle
from crm_relay.notifications.release.slack.post_to_slack import settle_posts
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database, Queryable
from crm_relay.rules.zones import zone_meant

ZONE = "notification_zone"
_TITLE = "A person's time zone is none that this installation knows: quiet hours and digests are read as UTC"
_BATCH = 1000
_SETTLED = timedelta(hours=1)
_SECONDS = 15.0


def remove_old(db: Database, now: datetime, *, days: int, deadline: Deadline) -> int:
    """How many notifications went that were read or put away so many days ago, in batches of 1,000."""
    removed, before = 0, now - timedelta(days=days)
    while deadline.allows(_SECONDS):
        done = store.remove_old(db, before=before, limit=_BATCH)["notifications"]
        removed += done
        if done < _BATCH:
            break
    return removed


def mend_left_behind(db: Database, now: datetime) -> int:
    """Deliveries that never heard of the fate of their mail, because what settled it could not tell; how many mails.

    An operator who settles an unclear mail by hand is one of those. Incidents about what can be read again close.
    """
    before = now - _SETTLED
    store.free_stranded(db, now, before=before)
    close_readable(db, now)
    settle_posts(db, now)
    rows = store.missed_fates(db, before=before, limit=_BATCH)
    fates = [
        Settled(row["send_id"], fate_of(row["status"]), row["reason"], row["entity_type"], row["entity_id"])
        for row in rows
    ]
    if fates:
        db.transact(lambda tx: settle(tx, fates, now))
    return len(fates)


def fate_of(status: str) -> Fate:
    """Of a mail's status; what events have said of it since, can only be said of one that left."""
    kept = {"refused": Fate.REFUSED, "dry_run": Fate.DRY_RUN, "failed": Fate.FAILED, "unknown": Fate.UNKNOWN}
    return kept.get(status, Fate.FAILED if has_left(status) is False else Fate.SENT)


def watch_zones(db: Queryable, now: datetime) -> int:
    """How many zones nobody can read; one incident each, which closes once it is mended. Two statements."""
    unknown = [row for row in store.zones(db) if zone_meant(row["zone"]) is None]
    incidents = [Incident(ZONE, row["zone"][:100], _TITLE, details={"user_id": str(row["user_id"])}) for row in unknown]
    keep_open(db, ZONE, incidents, now)
    return len(unknown)
