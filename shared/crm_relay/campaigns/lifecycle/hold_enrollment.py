"""Holds one person of a campaign, and lets one go on."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.campaigns.decisions import goes_on_at
from crm_relay.campaigns.lifecycle import store
from crm_relay.campaigns.load_campaign import read_campaign
from crm_relay.platform.database import Database, Queryable, Transaction
from crm_relay.platform.errors import RejectedInput

_RUNNING = {"active", "engaged"}


@dataclass(frozen=True)
class PlaceChanged:
    """One person's place in a campaign; `changed` False: it was so already."""

    id: UUID
    status: str
    changed: bool
    next_step_at: datetime | None


def pause_enrollment(db: Database, enrollment_id: UUID, now: datetime, *, who: str = store.OPERATOR) -> PlaceChanged:
    """Hold one person; the time of the next step stays. RejectedInput with 409 where the sequence has ended."""
    return db.transact(lambda tx: _pause_enrollment(tx, enrollment_id, now, who))


def resume_enrollment(db: Database, enrollment_id: UUID, now: datetime, *, who: str = store.OPERATOR) -> PlaceChanged:
    """Let one person go on, also after three errors, which are forgotten.

    A time that passed meanwhile stays, as in `resume`; who has none (errors take it away) gets the next open minute.
    """
    return db.transact(lambda tx: _resume_enrollment(tx, enrollment_id, now, who))


def _pause_enrollment(tx: Transaction, enrollment_id: UUID, now: datetime, who: str) -> PlaceChanged:
    place = store.lock_enrollment(tx, enrollment_id)
    if place.status == "paused":
        return PlaceChanged(place.id, "paused", changed=False, next_step_at=place.next_step_at)
    if place.status not in _RUNNING:
        raise RejectedInput(f"the sequence has ended: {place.status}", status=409)
    store.change_enrollment(tx, place.id, "paused", place.next_step_at, change="paused", who=who, now=now)
    return PlaceChanged(place.id, "paused", changed=True, next_step_at=place.next_step_at)


def _resume_enrollment(tx: Transaction, enrollment_id: UUID, now: datetime, who: str) -> PlaceChanged:
    place = store.lock_enrollment(tx, enrollment_id)
    if place.status in _RUNNING:
        return PlaceChanged(place.id, place.status, changed=False, next_step_at=place.next_step_at)
    if place.status != "paused":
        raise RejectedInput(f"the sequence has ended: {place.status}", status=409)
    status = "engaged" if place.engagement_score else "active"
    # What is on its way brings the next time with it.
    at = place.next_step_at or (None if place.has_pending else _new_time(tx, place, now))
    store.change_enrollment(tx, place.id, status, at, change="resumed", who=who, now=now)
    return PlaceChanged(place.id, status, changed=True, next_step_at=at)


def _new_time(tx: Queryable, place: store.Place, now: datetime) -> datetime | None:
    """Before the first step the delay runs from now, or from the activation that is still to come (None)."""
    if not place.current_step and place.campaign_status != "active":
        return None
    campaign = read_campaign(store.campaign_defined(tx, place.campaign_id)["document"])
    return goes_on_at(campaign, place.timezone, now, has_begun=place.current_step > 0)
