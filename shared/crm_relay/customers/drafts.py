"""One contact on its way to Mautic, and what follows from Mautic's answer: pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from crm_relay.consent.address import normalise
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
SPELLED = ("country", "state")
"""Fields of which another spelling may be taken; what becomes of a refused one is for `Spellings`."""


@dataclass(frozen=True)
class ContactDraft:
    """A contact as it is to be written. Without `contact_id` it is created; `tries` counts how often it was sent.

    `adopted`: the contact was in Mautic before this customer had it, so nothing is known of its memberships. `problem`
    says why it goes without its address; `is_withdrawal` where nothing else is written either, after a refusal.
    `inherited_dnc` is the reason of somebody's do-not-contact that moves along with the address. `shown` is what Mautic
    answered last.
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
    problem: str | None = None
    is_withdrawal: bool = False
    inherited_dnc: int | None = None
    shown: ItemResult | None = field(default=None, repr=False)

    @property
    def item(self) -> dict[str, object]:
        """The member of a batch. A suppression goes along each time: it holds, no matter who lifted it in Mautic."""
        identity: dict[str, object] = {} if self.contact_id is None else {"id": self.contact_id}
        reason = self.customer.wanted_dnc_reason or self.inherited_dnc
        return identity | self.fields | ({} if reason is None else {"doNotContact": do_not_contact(reason)})


def draft(customer: Customer, decision: SyncDecision) -> ContactDraft:
    """What a decision to write comes to."""
    written = contact_fields(customer)
    adopted = decision.contact_id is not None and decision.contact_id != customer.contact_id
    return ContactDraft(
        customer,
        decision.contact_id,
        written.fields,
        written.left_out,
        written.below_one,
        adopted=adopted,
        problem=decision.reason if decision.action is SyncAction.REFUSE else None,
    )


def follow_up(sent: ContactDraft, result: ItemResult) -> ContactDraft | str:
    """The draft confirmed; the draft as it has to go out again; or the reason why the row failed."""
    again = replace(sent, tries=sent.tries + 1, shown=result)
    if result.contact_id is not None and (result.status == 201 or sent.contact_id is not None):
        if _is_another(sent.fields.get("email"), result.stored):
            # Mautic took it and made another one of it: nobody is to get mail there.
            return _withdrawn(again, result.contact_id, "Mautic has changed the address")
        missing = {
            alias: number for alias, number in sent.below_one.items() if _number(result.stored.get(alias)) != number
        }
        return replace(
            again, contact_id=result.contact_id, below_one=missing, was_created=result.status == 201, confirmed=True
        )
    if sent.is_withdrawal:
        return sent.problem or ""
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
        # Left as it is there: an unknown spelling does not empty a field that the CRM still names.
        dropped = [alias for alias in result.refused_fields if alias not in SPELLED]
        kept = {alias: value for alias, value in sent.fields.items() if alias not in dropped}
        return replace(again, fields=kept, left_out=tuple(dict.fromkeys((*sent.left_out, *dropped))))
    if result.status == 422:
        return f"another contact in Mautic has its address or supabase_id; duplicates are merged by {DEDUPLICATE}"
    named = f" ({', '.join(result.refused_fields)})" if result.refused_fields else ""
    return f"Mautic refused it with status {result.status}{named}"


def _is_another(meant: object, stored: Mapping[str, object]) -> bool:
    there = stored.get("email")
    return bool(meant and there) and str(there).lower() != str(meant).lower()


def _withdrawn(refused: ContactDraft, contact_id: int, reason: str) -> ContactDraft:
    fields: dict[str, object] = {"email": None}
    return replace(
        refused, contact_id=contact_id, fields=fields, below_one={}, problem=reason, is_withdrawal=True, confirmed=False
    )


def withdrawal(refused: ContactDraft, result: ItemResult, reason: str) -> ContactDraft | None:
    """What takes the address away that the contact of a refused row has, where it is not the customer's any more.

    Nobody is mailed at an address that they have left, whatever else of them cannot be written.
    """
    there = result.stored.get("email")
    if refused.contact_id is None or refused.is_withdrawal or not there:
        return None
    return (
        None if normalise(str(there)) == refused.customer.address else _withdrawn(refused, refused.contact_id, reason)
    )


def is_blocked(sent: ContactDraft, result: ItemResult) -> bool:
    """Whether another contact, which can be found, has the address; or has it while a second one has the id."""
    if result.status != 422 or sent.is_withdrawal or not sent.fields.get("email") or sent.tries + 1 >= _MOST_TRIES:
        return False
    return sent.contact_id is None or set(result.refused_fields) == {"email"}


def _number(stored: object) -> float:
    return float(stored) if isinstance(stored, int | float) else 0.0


def outcome_of_success(done: ContactDraft, now: datetime, *, settled: bool) -> SyncOutcome:
    """What to remember once Mautic confirmed the row; while memberships are under way it keeps its notes."""
    customer = done.customer
    if done.is_withdrawal:
        return outcome_of_failure(customer, done.problem or "", now, done.contact_id)
    failure = {} if done.problem is None else _failure(customer, done.problem, now)
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
        **failure,
    )


def outcome_of_mute(customer: Customer) -> SyncOutcome:
    """Anyone who has the address in Mautic is muted; the customer gets no contact there."""
    return replace(_unwritten(customer, None), sync_hash=customer.current_hash, dnc_reason=customer.wanted_dnc_reason)


def _failure(customer: Customer, reason: str, now: datetime) -> dict[str, Any]:
    attempts = customer.attempts + 1
    return {"error": reason, "attempts": attempts, "next_attempt_at": next_attempt(attempts, now)}


def outcome_of_failure(customer: Customer, reason: str, now: datetime, contact_id: int | None = None) -> SyncOutcome:
    """A row that cannot be written as it is: it keeps its reason and has its turn again, later each time."""
    return replace(
        _unwritten(customer, reason),
        contact_id=contact_id or customer.contact_id,
        **_failure(customer, reason, now),
    )


def outcome_of_refusal(customer: Customer, reason: str, now: datetime) -> SyncOutcome:
    """A row that stays without its address: what is confirmed of the rest stays confirmed."""
    return replace(outcome_of_failure(customer, reason, now), sync_hash=customer.sync_hash)


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
        left_out=customer.left_out,
    )
