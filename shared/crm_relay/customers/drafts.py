"""One contact on its way to Mautic, and what follows from Mautic's answer: pure."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from crm_relay.customers.decisions import (
    CLEARED,
    SyncAction,
    SyncDecision,
    must_clear_dnc,
    next_attempt,
    wanted_memberships,
)
from crm_relay.customers.field_map import contact_fields
from crm_relay.customers.models import Customer, SyncOutcome
from crm_relay.providers.mautic.client import ItemResult, do_not_contact

_MOST_TRIES = 4
DEDUPLICATE = "bin/console mautic:contacts:deduplicate"
"""On Mautic's own server: there is no call of its API that merges contacts."""

_IDENTITY = frozenset({"email", "supabase_id"})


@dataclass(frozen=True)
class ContactDraft:
    """A contact as it is to be written. Without `contact_id` it is created; `tries` counts how often it was sent.

    `adopted`: the contact was in Mautic before this customer had it, so nothing is known of its memberships.
    """

    customer: Customer
    contact_id: int | None
    fields: dict[str, object]
    left_out: tuple[str, ...] = ()
    below_one: dict[str, float] = field(default_factory=dict)
    adopted: bool = False
    was_created: bool = False
    confirmed: bool = False
    tries: int = 0

    @property
    def item(self) -> dict[str, object]:
        """The member of a batch. A suppression goes along each time: it holds, no matter who lifted it in Mautic."""
        identity: dict[str, object] = {} if self.contact_id is None else {"id": self.contact_id}
        reason = self.customer.wanted_dnc_reason
        return identity | self.fields | ({} if reason is None else {"doNotContact": do_not_contact(reason)})


def draft(customer: Customer, decision: SyncDecision) -> ContactDraft:
    """What a decision to write comes to."""
    if decision.action is SyncAction.BLANK_ADDRESS:
        return ContactDraft(customer, decision.contact_id, {"email": None})
    written = contact_fields(customer)
    adopted = decision.contact_id is not None and decision.contact_id != customer.contact_id
    return ContactDraft(
        customer, decision.contact_id, written.fields, written.left_out, written.below_one, adopted=adopted
    )


def follow_up(sent: ContactDraft, result: ItemResult) -> ContactDraft | str:
    """The draft confirmed; the draft as it has to go out again; or the reason why the row failed."""
    again = replace(sent, tries=sent.tries + 1)
    if result.contact_id is not None and (result.status == 201 or sent.contact_id is not None):
        missing = {
            alias: number for alias, number in sent.below_one.items() if _number(result.stored.get(alias)) != number
        }
        return replace(
            again, contact_id=result.contact_id, below_one=missing, was_created=result.status == 201, confirmed=True
        )
    if again.tries >= _MOST_TRIES:
        return "Mautic does not settle on one contact for it"
    if result.contact_id is not None:
        # Merged into a contact that was there: batch/new clears nothing, so it is written once more, by its id.
        return replace(again, contact_id=result.contact_id, adopted=True)
    if result.status == 404:
        # Deleted or merged in Mautic: batch/new finds it by address or supabase_id, or makes it again.
        forgotten = replace(sent.customer, segments=frozenset(), segments_settled=True)
        return replace(again, customer=forgotten, contact_id=None, adopted=False)
    if result.refused_fields and not _IDENTITY & set(result.refused_fields):
        cleared: dict[str, object] = dict.fromkeys(result.refused_fields)
        left_out = tuple(dict.fromkeys((*sent.left_out, *result.refused_fields)))
        return replace(again, fields=sent.fields | cleared, left_out=left_out)
    if result.status == 422:
        return f"another contact in Mautic has its address or supabase_id; duplicates are merged by {DEDUPLICATE}"
    named = f" ({', '.join(result.refused_fields)})" if result.refused_fields else ""
    return f"Mautic refused it with status {result.status}{named}"


def _number(stored: object) -> float:
    return float(stored) if isinstance(stored, int | float) else 0.0


def outcome_of_success(done: ContactDraft, *, settled: bool) -> SyncOutcome:
    """What to remember once Mautic confirmed the row; while memberships are under way it keeps its notes."""
    customer = done.customer
    wanted = wanted_memberships(customer)
    return SyncOutcome(
        customer.customer_id,
        customer.notes if settled else (),
        known_contact_id=customer.contact_id,
        contact_id=done.contact_id,
        sync_hash=customer.current_hash,
        segments=wanted if settled else wanted | customer.segments,
        segments_settled=settled,
        dnc_reason=CLEARED if must_clear_dnc(customer) else customer.wanted_dnc_reason,
        left_out=done.left_out,
        confirmed=True,
    )


def outcome_of_failure(customer: Customer, reason: str, now: datetime, contact_id: int | None = None) -> SyncOutcome:
    """A row that cannot be written as it is: it keeps its reason and has its turn again, later each time."""
    attempts = customer.attempts + 1
    return replace(
        _unwritten(customer, reason),
        contact_id=contact_id or customer.contact_id,
        attempts=attempts,
        next_attempt_at=next_attempt(attempts, now),
    )


def outcome_of_conflict(customer: Customer, reason: str) -> SyncOutcome:
    """Another customer has the address. A contact of this one that the owner does not take over has to go."""
    superfluous = customer.contact_id if customer.contact_id != customer.kept_contact_id else None
    return replace(
        _unwritten(customer, reason),
        conflict_owner_id=customer.owner_id,
        removed_contact_id=superfluous,
        segments=frozenset(),
        segments_settled=True,
    )


def outcome_of_nothing(customer: Customer) -> SyncOutcome:
    """Nothing to do: an old error is over, what was confirmed stays confirmed."""
    return replace(_unwritten(customer, None), contact_id=customer.contact_id, sync_hash=customer.sync_hash)


def _unwritten(customer: Customer, reason: str | None) -> SyncOutcome:
    return SyncOutcome(
        customer.customer_id,
        customer.notes,
        known_contact_id=customer.contact_id,
        error=reason,
        segments=customer.segments,
        segments_settled=customer.segments_settled,
        dnc_reason=customer.dnc_reason,
    )
