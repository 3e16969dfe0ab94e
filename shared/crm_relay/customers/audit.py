"""The audit: what Mautic really has, held against what Postgres says it should have; and the repair of what differs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from crm_relay.customers import store
from crm_relay.customers.decisions import BOUNCED, is_lifted, must_clear_dnc, wanted_memberships
from crm_relay.customers.drafts import DEDUPLICATE
from crm_relay.customers.field_map import SEGMENT_NAMES, contact_fields
from crm_relay.customers.models import AuditFinding, Customer, Drift
from crm_relay.customers.opt_outs_there import address_of, carried_id, has_left, opted_out_there, record_opt_outs
from crm_relay.platform.database import Queryable
from crm_relay.providers.mautic.client import PAGE, Mautic, RemoteContact
from crm_relay.providers.mautic.mapping import same_field


@dataclass
class Audit:
    """What was looked at and what was found; `pending` customers have a change or an error of their own still open.

    `foreign` contacts carry an id that no customer here has or had: another installation's, and left alone.
    """

    contacts: int = 0
    checked: int = 0
    pending: int = 0
    foreign: int = 0
    findings: list[AuditFinding] = field(default_factory=list)

    def answer(self) -> dict[str, object]:
        """Counts and the findings by id, without personal data."""
        return {
            "contacts_in_mautic": self.contacts,
            "customers_checked": self.checked,
            "customers_pending": self.pending,
            "contacts_of_other_installations": self.foreign,
            "differences": dict(Counter(each.drift.value for each in self.findings)),
            "findings": [
                {
                    "difference": each.drift.value,
                    "customer_id": None if each.customer_id is None else str(each.customer_id),
                    "contact_id": each.contact_id,
                    "detail": each.detail,
                }
                for each in self.findings
            ],
        }


def audit_everybody(db: Queryable, mautic: Mautic, now: datetime) -> Audit:
    """Page through all contacts of Mautic and compare each with its customer: one request and two statements a page."""
    audit, seen = Audit(), set[int]()
    carriers: Counter[str] = Counter()
    members = _members(mautic)
    start = 0
    while page := mautic.contacts_from(start):
        start += PAGE
        seen.update(each.contact_id for each in page)
        carriers.update(who for each in page if (who := carried_id(each)) is not None)
        _compare_page(db, audit, page, members, now)
    audit.contacts = len(seen)
    audit.findings += _duplicates(carriers)
    # Written while the pages were read: asked for once more, each by itself.
    for customer_id, contact_id in store.confirmed_contacts(db):
        if contact_id not in seen and mautic.contact(contact_id) is None:
            audit.findings.append(AuditFinding(Drift.DELETED, customer_id, contact_id))
    return audit


def audit_sample(db: Queryable, mautic: Mautic, customer_ids: Sequence[UUID], now: datetime) -> Audit:
    """Compare a few customers with what Mautic shows for them now: two requests each."""
    audit = Audit()
    names = {name: slug for slug, name in SEGMENT_NAMES.items()}
    ids = {segment_id: names[name] for name, segment_id in mautic.segments().items() if name in names}
    for customer in store.read_customers(db, customer_ids, now):
        contact = None if customer.contact_id is None else mautic.contact(customer.contact_id)
        if contact is None:
            audit.findings.append(AuditFinding(Drift.DELETED, customer.customer_id, customer.contact_id))
            continue
        present = mautic.contact_segments(contact.contact_id)
        _compare(audit, customer, contact, frozenset(ids[each] for each in present & ids.keys()))
    return audit


def repair(db: Queryable, audit: Audit, now: datetime) -> None:
    """Mend what may be mended: the next run writes it again. What only Mautic's server can mend stays named."""
    found = audit.findings
    rewritten = {Drift.FIELD, Drift.MEMBERSHIP, Drift.DELETED}
    rewritten |= {Drift.DNC_MISSING, Drift.DNC_LEFT_OVER, Drift.MAILABLE_DUPLICATE}
    store.forget_drifted(db, [each for each in found if each.drift in rewritten])
    store.request_removals(db, [each for each in found if each.drift is Drift.STRANGER])
    record_opt_outs(db, [each for each in found if each.drift is Drift.OPTED_OUT_THERE], now)


def _members(mautic: Mautic) -> dict[str, set[int]]:
    """Slug -> contact ids, for the segments that exist."""
    aliases = mautic.segment_aliases()
    members: dict[str, set[int]] = {}
    for slug, name in SEGMENT_NAMES.items():
        members[slug] = set()
        start = 0
        while name in aliases and (page := mautic.contacts_from(start, search=f"segment:{aliases[name]}")):
            members[slug].update(each.contact_id for each in page)
            start += PAGE
    return members


def _compare_page(
    db: Queryable, audit: Audit, page: Sequence[RemoteContact], members: Mapping[str, set[int]], now: datetime
) -> None:
    by_customer = {UUID(who): each for each in page if (who := carried_id(each)) is not None}
    customers = store.read_customers(db, list(by_customer), now)
    departed = store.departed(db, [each.customer_id for each in customers if not each.exists])
    addresses: dict[str, str | None] = {str(each): None for each in departed}
    addresses |= {str(customer.customer_id): customer.address for customer in customers if customer.exists}
    audit.findings += _left_by_others(db, page, addresses) + _mailable_duplicates(db, page, addresses)
    for customer in customers:
        contact = by_customer[customer.customer_id]
        if not customer.exists:
            if customer.customer_id not in departed:
                audit.foreign += 1
            elif contact.dnc_reason is None and contact.fields.get("email"):
                audit.findings.append(AuditFinding(Drift.STRANGER, customer.customer_id, contact.contact_id))
            continue
        there = frozenset(slug for slug, ids in members.items() if contact.contact_id in ids)
        _compare(audit, customer, contact, there)


def _compare(audit: Audit, customer: Customer, contact: RemoteContact, memberships: frozenset[str]) -> None:
    if customer.contact_id != contact.contact_id or customer.sync_hash != customer.current_hash:
        audit.pending += 1
        # Anyone who left meanwhile has left, and after the run that writes it nobody asks again.
        left = _has_left(customer, contact) and not must_clear_dnc(customer)
        audit.findings += [_left_in_person(customer, contact)] if left else []
        return
    audit.checked += 1
    audit.findings += drift(customer, contact, memberships)


def drift(customer: Customer, contact: RemoteContact, memberships: frozenset[str]) -> list[AuditFinding]:
    """How a contact differs from what was confirmed for its customer: pure."""
    who, there = customer.customer_id, contact.contact_id
    written = contact_fields(customer)
    found = [
        AuditFinding(Drift.FIELD, who, there, alias)
        for alias, value in (written.fields | written.below_one).items()
        if alias not in customer.left_out and not same_field(alias, contact.fields.get(alias), value)
    ]
    if memberships != wanted_memberships(customer):
        names = sorted(memberships ^ wanted_memberships(customer))
        found.append(AuditFinding(Drift.MEMBERSHIP, who, there, ", ".join(names), memberships))
    wanted = customer.wanted_dnc_reason
    if wanted is not None and contact.dnc_reason is None:
        found.append(AuditFinding(Drift.DNC_MISSING, who, there))
    if is_lifted(customer, contact.dnc_reason, is_ours=contact.dnc_is_ours) and not _has_left(customer, contact):
        found.append(AuditFinding(Drift.DNC_LEFT_OVER, who, there))
    if _has_left(customer, contact):
        found.append(_left_in_person(customer, contact))
    return found


def _has_left(customer: Customer, contact: RemoteContact) -> bool:
    if contact.dnc_reason == BOUNCED and address_of(contact) is None:
        # The address that bounced is gone.
        return False
    return has_left(customer, contact.dnc_reason, is_ours=contact.dnc_is_ours)


def _left_in_person(customer: Customer, contact: RemoteContact) -> AuditFinding:
    who, address = customer.customer_id, address_of(contact)
    return opted_out_there(who, contact.contact_id, address, contact.dnc_reason, in_person=True)


def _left_by_others(db: Queryable, page: Sequence[RemoteContact], ours: Mapping[str, str | None]) -> list[AuditFinding]:
    """Opt-outs of contacts at another address than their present customer's, for everybody who has that address now.

    A deleted customer may have shared it with others: their next run takes the contact over as it is. `ours` is the id
    of each customer who is or was here -> address.
    """
    left: dict[str, tuple[RemoteContact, bool]] = {}
    for contact in page:
        carried = carried_id(contact)
        address = address_of(contact)
        if contact.dnc_reason is None or contact.dnc_is_ours or address is None:
            continue
        if carried is None or ours.get(carried) != address:
            left[address] = contact, carried in ours
    if not left:
        return []
    unmuted = store.unmuted_holders(db, left)
    return [
        _left_elsewhere(row["customer_id"], left[row["address"]][0])
        for row in unmuted
        # Somebody who never was a customer is no concern of the ledger.
        if row["customer_id"] is not None or left[row["address"]][1]
    ]


def _left_elsewhere(who: UUID | None, contact: RemoteContact) -> AuditFinding:
    return opted_out_there(who, contact.contact_id, address_of(contact), contact.dnc_reason, in_person=False)


def _mailable_duplicates(
    db: Queryable, page: Sequence[RemoteContact], ours: Mapping[str, str | None]
) -> list[AuditFinding]:
    """Contacts that nobody muted at an address of customers who are muted; `ours` as above."""
    found: dict[str, RemoteContact] = {}
    for contact in page:
        address, carried = address_of(contact), carried_id(contact)
        if contact.dnc_reason is None and address is not None and (carried is None or ours.get(carried) != address):
            found[address] = contact
    holders = store.muted_holders(db, found) if found else []
    return [AuditFinding(Drift.MAILABLE_DUPLICATE, who, found[address].contact_id) for address, who in holders]


def _duplicates(carriers: Counter[str]) -> list[AuditFinding]:
    return [
        AuditFinding(Drift.DUPLICATE, UUID(who), None, f"{count} contacts; merged by {DEDUPLICATE}")
        for who, count in carriers.items()
        if count > 1
    ]
