"""Opt-outs and bounces that Mautic has and the ledger has not: how they are told, and how they are recorded."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from crm_relay.consent.address import normalise
from crm_relay.consent.models import ConsentEvent, ConsentKind
from crm_relay.consent.record import record_events
from crm_relay.customers import store
from crm_relay.customers.decisions import BOUNCED, CLEARED, UNSUBSCRIBED
from crm_relay.customers.models import AuditFinding, Customer, Drift
from crm_relay.platform.database import Queryable
from crm_relay.providers.mautic.client import RemoteContact

T = TypeVar("T")
_SOURCE = "mautic audit"


def address_of(contact: RemoteContact) -> str | None:
    """Normalised; None where the contact has none."""
    return normalise(str(contact.fields.get("email") or ""))


def carried_id(contact: RemoteContact) -> str | None:
    """The customer id that a contact carries; None where it carries none or another tool's."""
    try:
        return str(UUID(str(contact.fields.get("supabase_id"))))
    except ValueError:
        return None


def has_left(customer: Customer, reason: int | None, *, is_ours: bool) -> bool:
    """Whether somebody muted the contact in Mautic, and nobody here knows.

    What we pushed is ours, but for "unsubscribed": a person who unsubscribes behind it leaves no mark of their own. A
    re-consent that was confirmed and is followed by a new opt-out there, is a new opt-out.
    """
    is_unrecorded = not is_ours or reason == UNSUBSCRIBED or customer.dnc_reason == CLEARED
    return customer.wanted_dnc_reason is None and reason is not None and is_unrecorded


def opted_out_there(
    who: UUID | None, contact_id: int, address: str | None, reason: int | None, *, in_person: bool
) -> AuditFinding:
    """The finding; `in_person`: the contact is this customer's own, not one of somebody else with that address."""
    return AuditFinding(Drift.OPTED_OUT_THERE, who, contact_id, address=address, dnc_reason=reason, in_person=in_person)


def record_opt_outs(db: Queryable, found: Sequence[AuditFinding], now: datetime) -> None:
    """An opt-out on either side wins, at the contact's address and the customer's; Mautic does not say when it was.

    The reason is kept: a bounce is no opt-out. An opt-out leaves a customer as the webhook would have; one who has no
    address carries it to the first one. At most four statements, none for nothing.
    """
    if not found:
        return
    customers = store.read_customers(db, [each.customer_id for each in found if each.customer_id], now)
    by_id = {customer.customer_id: customer for customer in customers}
    left = [each for each in found if each.dnc_reason != BOUNCED]
    in_person = {each.customer_id for each in left if each.in_person and each.customer_id in by_id}
    homeless = {customer.customer_id for customer in customers if customer.address is None}
    homeless &= {each.customer_id for each in left}
    store.stamp_opt_outs(db, sorted(_known({*in_person, *homeless})), sorted(_known(in_person)), now)
    kinds: dict[ConsentKind, set[str]] = {ConsentKind.OPT_OUT: set(), ConsentKind.HARD_BOUNCE: set()}
    for each in found:
        if each.dnc_reason == BOUNCED:
            kinds[ConsentKind.HARD_BOUNCE] |= _known({each.address})
        else:
            own = by_id[each.customer_id].address if each.customer_id in by_id else None
            kinds[ConsentKind.OPT_OUT] |= _known({each.address, own})
    _record(db, kinds, now)


def _record(db: Queryable, kinds: dict[ConsentKind, set[str]], now: datetime) -> None:
    concerned = store.organizations_of(db, set().union(*kinds.values()))
    events = [
        ConsentEvent(kind, address, _SOURCE, now, org_id=org_id)
        for kind, addresses in kinds.items()
        for address, org_id in concerned
        if address in addresses
    ]
    record_events(db, events)


def _known(values: Iterable[T | None]) -> set[T]:
    return {each for each in values if each is not None}
