"""Ends a campaign, or one person's place in it, for good; and puts an ended campaign away."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.campaigns.engine.settle import settle, settle_texts
from crm_relay.campaigns.engine.stop import end_enrollments
from crm_relay.campaigns.follow_up import RUNNING, status_after, stopped_by_status
from crm_relay.campaigns.lifecycle import end_store, store
from crm_relay.mail.holds.take_back import TAKEN_BACK, take_back_emails, take_back_texts
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import RejectedInput

CANCELLED = "cancelled"


@dataclass(frozen=True)
class CampaignEnded:
    """`changed` False: it was so already. `stopped` sequences ended with it.

    `taken_back`: messages that waited, where they were all that was cancelled.
    """

    id: UUID
    status: str
    changed: bool
    stopped: int = 0
    taken_back: int = 0


def cancel(db: Database, campaign_id: UUID, now: datetime, *, who: str = store.OPERATOR) -> CampaignEnded:
    """End everybody's sequence and take back the mail and the texts that wait; there is no way back.

    What is being sent at this moment may still arrive. Safe to call twice. RejectedInput: 404, and 409 for a campaign
    that has ended otherwise or is not native.
    """
    return db.transact(lambda tx: _cancel(tx, campaign_id, now, who))


def cancel_waiting(db: Database, campaign_id: UUID, now: datetime, *, who: str = store.OPERATOR) -> CampaignEnded:
    """Take back the mail and the texts that wait, and end no sequence: the next steps are due after their delays.

    What is being sent at this moment may still arrive. Safe to call twice. RejectedInput: 404, and 409 for a campaign
    that is not native.
    """
    state = db.transact(lambda tx: _native(tx, campaign_id))
    emails = take_back_emails(db, campaign_id, now, settle)
    texts = take_back_texts(db, campaign_id, now, settle_texts)
    if emails + texts:
        store.note_change(db, campaign_id, TAKEN_BACK, {"emails": emails, "texts": texts}, who=who, now=now)
    return CampaignEnded(campaign_id, state.status, changed=emails + texts > 0, taken_back=emails + texts)


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
    stopped = _end_everybody(tx, campaign_id, now)
    about = {"before": state.status, "after": CANCELLED, "stopped": stopped}
    store.change_status(tx, campaign_id, CANCELLED, change=CANCELLED, about=about, who=who, now=now)
    return CampaignEnded(campaign_id, CANCELLED, changed=True, stopped=stopped)


def _end_everybody(tx: Transaction, campaign_id: UUID, now: datetime) -> int:
    """How many sequences end: decided for each status, so that a million people are one statement."""
    standing = end_store.lock_everybody(tx, campaign_id, RUNNING)
    ended = stopped_by_status(standing, status_after(CANCELLED), CANCELLED)
    end_store.end_everybody(tx, campaign_id, ended, CANCELLED, now)
    return sum(standing[before] for before in ended)


def _cancel_enrollment(tx: Transaction, enrollment_id: UUID, now: datetime, who: str) -> CampaignEnded:
    place, status = store.read_enrollment(tx, enrollment_id), status_after(CANCELLED)
    ended = end_enrollments(tx, [enrollment_id], status, CANCELLED, now)
    if ended:
        about = {"before": ended[0].status, "after": status}
        store.note_enrollment_change(tx, place, CANCELLED, about, who=who, now=now)
    return CampaignEnded(enrollment_id, status if ended else place.status, changed=bool(ended), stopped=len(ended))


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
