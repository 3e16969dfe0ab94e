"""The audit: what Mautic really has, held against what Postgres says it should have; and the repair of what differs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from crm_relay.consent.address import normalise
from crm_relay.consent.models import ConsentEvent, ConsentKind
from crm_relay.consent.record import record_events
from crm_relay.customers import store
from crm_relay.customers.decisions import CLEARED, must_clear_dnc, wanted_memberships
from crm_relay.customers.drafts import DEDUPLICATE
from crm_relay.customers.field_map import SEGMENT_NAMES, contact_fields
from crm_relay.customers.models import AuditFinding, Customer, Drift
from crm_relay.platform.database import Queryable
from crm_relay.providers.mautic.client import PAGE, Mautic, RemoteContact
from crm_relay.providers.mautic.mapping import same_value


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
        carriers.update(who for each in page if (who := _carried_id(each)) is not None)
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
    rewritten = {Drift.FIELD, Drift.MEMBERSHIP, Drift.DNC_MISSING, Drift.DELETED}
    store.forget_drifted(db, [each for each in found if each.drift in rewritten])
    store.request_removals(db, [each for each in found if each.drift is Drift.STRANGER])
    _record_opt_outs(db, [each for each in found if each.drift is Drift.OPTED_OUT_THERE], now)


def _record_opt_outs(db: Queryable, found: Sequence[AuditFinding], now: datetime) -> None:
    """An opt-out on either side wins, at the contact's address and the customer's; Mautic does not say when it was.

    A customer who has none carries it to the first one.
    """
    if not found:
        return
    customers = store.read_customers(db, [each.customer_id for each in found if each.customer_id], now)
    addresses = {each.address for each in found} | {customer.address for customer in customers}
    store.stamp_opt_outs(db, [customer.customer_id for customer in customers if customer.address is None], now)
    concerned = store.organizations_of(db, [each for each in addresses if each is not None])
    record_events(
        db,
        [
            ConsentEvent(ConsentKind.OPT_OUT, address, "mautic audit", now, org_id=org_id)
            for address, org_id in concerned
        ],
    )


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
    by_customer = {UUID(who): each for each in page if (who := _carried_id(each)) is not None}
    customers = store.read_customers(db, list(by_customer), now)
    departed = store.departed(db, [each.customer_id for each in customers if not each.exists])
    addresses: dict[str, str | None] = {str(each): None for each in departed}
    addresses |= {str(customer.customer_id): customer.address for customer in customers if customer.exists}
    audit.findings += _left_by_others(db, page, addresses)
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
        left = has_left(customer, contact) and not must_clear_dnc(customer)
        audit.findings += [_opted_out_there(customer.customer_id, contact)] if left else []
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
        if alias not in customer.left_out and not same_value(contact.fields.get(alias), value)
    ]
    if memberships != wanted_memberships(customer):
        names = sorted(memberships ^ wanted_memberships(customer))
        found.append(AuditFinding(Drift.MEMBERSHIP, who, there, ", ".join(names), memberships))
    wanted = customer.wanted_dnc_reason
    if wanted is not None and contact.dnc_reason is None:
        found.append(AuditFinding(Drift.DNC_MISSING, who, there))
    if has_left(customer, contact):
        found.append(_opted_out_there(who, contact))
    return found


def _left_by_others(db: Queryable, page: Sequence[RemoteContact], ours: Mapping[str, str | None]) -> list[AuditFinding]:
    """Opt-outs of contacts at another address than their present customer's, for everybody who has that address now.

    A deleted customer may have shared it with others: their next run takes the contact over as it is. `ours` is the id
    of each customer who is or was here -> address.
    """
    left: dict[str, tuple[RemoteContact, bool]] = {}
    for contact in page:
        carried = _carried_id(contact)
        address = _address_of(contact)
        if contact.dnc_reason is None or contact.dnc_is_ours or address is None:
            continue
        if carried is None or ours.get(carried) != address:
            left[address] = contact, carried in ours
    if not left:
        return []
    unmuted = store.unmuted_holders(db, left)
    return [
        _opted_out_there(row["customer_id"], left[row["address"]][0])
        for row in unmuted
        # Somebody who never was a customer is no concern of the ledger.
        if row["customer_id"] is not None or left[row["address"]][1]
    ]


def _opted_out_there(who: UUID | None, contact: RemoteContact) -> AuditFinding:
    return AuditFinding(Drift.OPTED_OUT_THERE, who, contact.contact_id, address=_address_of(contact))


def _address_of(contact: RemoteContact) -> str | None:
    return normalise(str(contact.fields.get("email") or ""))


def has_left(customer: Customer, contact: RemoteContact) -> bool:
    """Whether somebody muted the contact in Mautic, and nobody here knows.

    Ours stays ours; a re-consent that was confirmed and is followed by a new opt-out there, is a new opt-out.
    """
    is_unrecorded = not contact.dnc_is_ours or customer.dnc_reason == CLEARED
    return customer.wanted_dnc_reason is None and contact.dnc_reason is not None and is_unrecorded


def _duplicates(carriers: Counter[str]) -> list[AuditFinding]:
    return [
        AuditFinding(Drift.DUPLICATE, UUID(who), None, f"{count} contacts; merged by {DEDUPLICATE}")
        for who, count in carriers.items()
        if count > 1
    ]


def _carried_id(contact: RemoteContact) -> str | None:
    """The customer id that a contact carries; None where it carries none or another tool's."""
    try:
        return str(UUID(str(contact.fields.get("supabase_id"))))
    except ValueError:
        return None
