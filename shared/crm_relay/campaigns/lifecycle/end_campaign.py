"""Ends a campaign, or one person's place in it, for good; and puts an ended campaign away."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.campaigns.lifecycle import store
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import RejectedInput

CANCELLED = "cancelled"


@dataclass(frozen=True)
class CampaignEnded:
    """`changed` False: it was so already. `stopped` sequences ended with it."""

    id: UUID
    status: str
    changed: bool
    stopped: int = 0


def cancel(db: Database, campaign_id: UUID, now: datetime, *, who: str = store.OPERATOR) -> CampaignEnded:
    """End everybody's sequence and take back the mail and the texts that wait; there is no way back.

    What is being sent at this moment may still arrive. Safe to call twice. RejectedInput: 404, and 409 for a campaign
    that has ended otherwise or is not native.
    """
    return db.transact(lambda tx: _cancel(tx, campaign_id, now, who))


def cancel_enrollment(db: Database, enrollment_id: UUID, now: datetime, *, who: str = store.OPERATOR) -> CampaignEnded:
    """The same for one person; the answer's id is the enrollment's. RejectedInput with 404 for none."""
    return db.transact(lambda tx: _cancel_enrollment(tx, enrollment_id, now, who))


def archive(db: Database, campaign_id: UUID, now: datetime, *, who: str = store.OPERATOR) -> CampaignEnded:
    """Put a campaign away: lists leave it out, and its log and its counts stay.

    RejectedInput with 409 while people are on their way in it: cancel it first. Safe to call twice.
    """
    return db.transact(lambda tx: _archive(tx, campaign_id, now, who))


def _cancel(tx: Transaction, campaign_id: UUID, now: datetime, who: str) -> CampaignEnded:
    state = _native(tx, campaign_id)
    if state.status == CANCELLED:
        return CampaignEnded(campaign_id, CANCELLED, changed=False)
    if state.status not in {"draft", "active", "paused"}:
        raise RejectedInput(f"a campaign that is {state.status} cannot be cancelled", status=409)
    store.take_time(tx)
    stopped = store.stop_all(tx, campaign_id, now)
    about = {"before": state.status, "after": CANCELLED, "stopped": stopped}
    store.change_status(tx, campaign_id, CANCELLED, change=CANCELLED, about=about, who=who, now=now)
    return CampaignEnded(campaign_id, CANCELLED, changed=True, stopped=stopped)


def _cancel_enrollment(tx: Transaction, enrollment_id: UUID, now: datetime, who: str) -> CampaignEnded:
    place = store.lock_enrollment(tx, enrollment_id)
    stopped = store.stop_one(tx, enrollment_id, now)
    if stopped:
        store.note_enrollment_change(
            tx, place, CANCELLED, {"before": place.status, "after": "stopped"}, who=who, now=now
        )
    return CampaignEnded(enrollment_id, "stopped" if stopped else place.status, changed=bool(stopped), stopped=stopped)


def _archive(tx: Transaction, campaign_id: UUID, now: datetime, who: str) -> CampaignEnded:
    state = _native(tx, campaign_id)
    if state.status == "archived":
        return CampaignEnded(campaign_id, "archived", changed=False)
    on_their_way = store.count_on_their_way(tx, campaign_id)
    if on_their_way:
        details = [f"people: {on_their_way} are on their way"]
        raise RejectedInput("the campaign has to be cancelled before it is archived", status=409, details=details)
    about = {"before": state.status, "after": "archived"}
    store.change_status(tx, campaign_id, "archived", change="archived", about=about, who=who, now=now)
    return CampaignEnded(campaign_id, "archived", changed=True)


def _native(tx: Transaction, campaign_id: UUID) -> store.State:
    state = store.lock_campaign(tx, campaign_id)
    if state.source != "native":
        raise RejectedInput("only native campaigns can be ended", status=409)
    return state
