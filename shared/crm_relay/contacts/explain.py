"""Why a customer is in Mautic as it is: the present decision and what is remembered, for `crm-relay why`."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.contacts import store
from crm_relay.contacts.decisions import decide, membership_change
from crm_relay.contacts.who import contact_id_in, customer_id_in
from crm_relay.platform.database import Row, Runs

DNC_REASONS = {1: "unsubscribed", 2: "bounced", 3: "asked not to be contacted"}


@dataclass(frozen=True)
class Explanation:
    """One customer. `wanted_dnc` None: nothing speaks against a mail. `address` is for the ledger, not for a log."""

    customer_id: UUID
    address: str | None
    action: str
    reason: str
    wanted_dnc: str | None
    joins: tuple[str, ...]
    leaves: tuple[str, ...]
    status: Row


def explain(db: Runs, who: str, address: str | None, now: datetime) -> list[Explanation]:
    """Everybody whom `who` means: a customer id, a contact id of Mautic's, or (normalised) `address`."""
    found = store.find_customers(db, address=address, customer_id=customer_id_in(who), contact_id=contact_id_in(who))
    return [
        Explanation(
            customer.customer_id,
            customer.address,
            decision.action.value,
            decision.reason,
            DNC_REASONS.get(customer.wanted_dnc_reason or 0),
            tuple(sorted(membership_change(customer).join)),
            tuple(sorted(membership_change(customer).leave)),
            store.status_of(db, customer.customer_id),
        )
        for customer, decision in ((each, decide(each)) for each in store.read_customers(db, found, now))
    ]
