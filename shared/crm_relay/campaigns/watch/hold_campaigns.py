"""Reports campaigns that a fault of their own holds, and lets their people go on once it is repaired."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from crm_relay.campaigns.watch import store
from crm_relay.campaigns.watch.faults import CONTENT_INCIDENT, UNREADABLE, CampaignFault, problems_of_campaign
from crm_relay.incidents.record import close_free_incidents, open_incidents
from crm_relay.platform.database import Database, Queryable, Row
from crm_relay.platform.errors import OF_ONE_ROW
from crm_relay.platform.logging import logger
from crm_relay.rules.in_parts import in_parts


def report_faults(db: Queryable, faults: Iterable[CampaignFault], now: datetime) -> None:
    """An incident and a line in the log for each campaign, however many people and runs meet the fault."""
    for fault in {(each.campaign_id, each.held_for): each for each in faults}.values():
        if open_incidents(db, [fault.incident], now):
            logger().error("a campaign is held", campaign=str(fault.campaign_id), problem=fault.problem)


def release_repaired(db: Database, now: datetime) -> int:
    """How many people go on, because their campaign has been repaired or its fault has gone with its status.

    One statement where nothing was reported. They are due at once: windows and limits are asked again.
    """
    try:
        return _released(db, None, now)
    except OF_ONE_ROW:
        released: list[int] = []
        # Whoever is not gone through stays reported.
        in_parts(store.reported_subjects(db), lambda part: released.append(_released(db, part, now)))
    return sum(released)


def release_unreported(db: Queryable, now: datetime) -> int:
    """Releases people held for a fault of their campaign that no open incident reports; how many. One statement.

    They were held, or locked, while `release_repaired` closed it. Who meets the fault still is held and reported again.
    """
    return store.release_unreported(db, now)


def _released(db: Database, subjects: Sequence[str] | None, now: datetime) -> int:
    rows = store.reported_campaigns(db, subjects)
    repaired = [row for row in rows if not _is_broken(row)]
    return db.transact(lambda tx: _release(tx, repaired, now)) if repaired else 0


def _is_broken(row: Row) -> bool:
    return row["is_open"] and bool(problems_of_campaign(row["document"]))


def _release(tx: Queryable, repaired: list[Row], now: datetime) -> int:
    subjects = sorted({row["subject"] for row in repaired})
    released = store.release_held(tx, subjects, now)
    for kind in (UNREADABLE, CONTENT_INCIDENT):
        close_free_incidents(tx, kind, subjects, now)
    logger().info("campaigns go on", campaigns=subjects, people=released)
    return released
