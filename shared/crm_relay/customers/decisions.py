"""What to do with one customer, and why: pure, shared by the sync, the dry run and `why`."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from crm_relay.customers.field_map import SEGMENT_NAMES, meant_address
from crm_relay.customers.models import Customer


class SyncAction(StrEnum):
    """What happens to a customer in this run."""

    CREATE = "create"
    UPDATE = "update"
    BLANK_ADDRESS = "blank address"
    MUTE = "mute"
    CONFLICT = "conflict"
    REFUSE = "refuse"
    NOTHING = "nothing"


@dataclass(frozen=True)
class SyncDecision:
    """An action and its reason; the reason names rules and ids, never a person's data."""

    action: SyncAction
    reason: str
    contact_id: int | None = None


def decide(customer: Customer) -> SyncDecision:
    """The one rule that applies. The order is the rule: what keeps a customer out comes before what has changed."""
    if not customer.exists:
        return SyncDecision(SyncAction.NOTHING, "deleted here")
    if customer.address is None:
        return _without_address(customer)
    if not customer.is_owner:
        return SyncDecision(SyncAction.CONFLICT, f"the address belongs to customer {customer.owner_id}")
    is_accepted = meant_address(customer) is not None
    if customer.source["do_not_contact"] and customer.present_contact_id is None:
        if is_accepted and customer.sync_hash != customer.current_hash:
            return SyncDecision(SyncAction.MUTE, "may not be contacted: Mautic may have the address all the same")
        return SyncDecision(SyncAction.NOTHING, "may not be contacted and is not sent to Mautic")
    if not is_accepted:
        return SyncDecision(
            SyncAction.REFUSE, "the address has characters that Mautic drops or refuses", _stale(customer)
        )
    return _with_address(customer)


def _stale(customer: Customer) -> int | None:
    """The contact, while it may have an address that is not the customer's any more."""
    return None if customer.sync_hash == customer.current_hash else customer.present_contact_id


def _without_address(customer: Customer) -> SyncDecision:
    if customer.present_contact_id is None:
        return SyncDecision(SyncAction.NOTHING, "no address")
    if customer.sync_hash == customer.current_hash:
        return SyncDecision(SyncAction.NOTHING, "unchanged")
    return SyncDecision(SyncAction.BLANK_ADDRESS, "no address any more", customer.present_contact_id)


def _with_address(customer: Customer) -> SyncDecision:
    contact_id = customer.present_contact_id
    if contact_id is None:
        return SyncDecision(SyncAction.CREATE, "not known to Mautic")
    if customer.sync_hash != customer.current_hash or contact_id != customer.contact_id:
        return SyncDecision(SyncAction.UPDATE, "changed", contact_id)
    if needs_segments(customer):
        return SyncDecision(SyncAction.UPDATE, "memberships not settled", contact_id)
    return SyncDecision(SyncAction.NOTHING, "unchanged")


@dataclass(frozen=True)
class MembershipChange:
    """Slugs to join and to leave."""

    join: frozenset[str]
    leave: frozenset[str]


def wanted_memberships(customer: Customer) -> frozenset[str]:
    """Slugs of the segments that Mautic has too; every other segment stays here."""
    return customer.wanted_segments & SEGMENT_NAMES.keys()


def membership_change(customer: Customer) -> MembershipChange:
    """The difference to what Mautic confirmed; while that is not settled, all that may stand there is sent again."""
    wanted = wanted_memberships(customer)
    present = customer.segments if customer.segments_settled else frozenset()
    return MembershipChange(join=wanted - present, leave=customer.segments - wanted)


def needs_segments(customer: Customer) -> bool:
    """Whether any membership has to be changed."""
    change = membership_change(customer)
    return bool(change.join or change.leave)


CLEARED = 0
"""In dnc_reason: Mautic confirmed that a recorded re-consent made the contact mailable again."""


def must_clear_dnc(customer: Customer) -> bool:
    """Only a recorded re-consent makes a contact mailable again, and it does so once."""
    granted = customer.source.get("consented_at") is not None
    return granted and customer.wanted_dnc_reason is None and customer.dnc_reason != CLEARED


UNSUBSCRIBED, BOUNCED, MANUAL = 1, 2, 3
"""Reasons of a do-not-contact in Mautic."""


def is_lifted(customer: Customer, reason: int | None, *, is_ours: bool) -> bool:
    """Whether a do-not-contact that Mautic shows is ours and nothing asks for it any more.

    One of a person's own is never lifted. Somebody who unsubscribes where we had pushed "unsubscribed" leaves no mark
    of their own there, so that one stays too until a consent is recorded.
    """
    return is_ours and reason in {BOUNCED, MANUAL} and customer.wanted_dnc_reason is None


_FIRST_PAUSE = timedelta(minutes=15)
_LONGEST_PAUSE = timedelta(hours=24)


def next_attempt(attempts: int, now: datetime) -> datetime:
    """When a row that failed `attempts` times has its turn again: 15 minutes, doubling up to a day."""
    pause: timedelta = _FIRST_PAUSE * 2 ** min(attempts - 1, 10)
    return now + min(pause, _LONGEST_PAUSE)


_SLOW_SECONDS, _QUICK_SECONDS = 10.0, 3.0


def next_batch_size(size: int, sent: int, seconds: float, most: int) -> int:
    """Half after a slow batch, twice as many after a quick full one, never more than `most`.

    A batch must end well before a request times out: an answer that never comes leaves open what was written.
    """
    if seconds > _SLOW_SECONDS:
        return max(1, size // 2)
    return min(most, size * 2) if seconds < _QUICK_SECONDS and sent >= size else size


@dataclass(frozen=True)
class Shrinkage:
    """What would vanish from Mautic by this run, against what is known there."""

    customers: int
    known: int
    vanishing: int


_NEVER_SUSPICIOUS = 20


def stop_reason(shrinkage: Shrinkage, limit_percent: float) -> str | None:
    """Why this run must not change anything; None where it may. A few deletions are everyday, whatever their share."""
    if shrinkage.vanishing and not shrinkage.customers:
        return f"the source is empty, {shrinkage.vanishing} contacts would go"
    share = 100 * shrinkage.vanishing / max(1, shrinkage.known)
    if shrinkage.vanishing > _NEVER_SUSPICIOUS and share > limit_percent:
        return f"{shrinkage.vanishing} of {shrinkage.known} contacts would go, the limit is {limit_percent:g} %"
    return None
