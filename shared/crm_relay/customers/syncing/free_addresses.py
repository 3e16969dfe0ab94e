"""Frees an address that a customer here owns and another contact in Mautic has: Mautic refuses the edit, both ways."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from crm_relay.consent.address import normalise
from crm_relay.customers import store
from crm_relay.customers.drafts import ContactDraft
from crm_relay.customers.models import AuditFinding, Drift
from crm_relay.customers.opt_outs_there import address_of, carried_id, opted_out_there, record_opt_outs
from crm_relay.customers.run import SyncContext
from crm_relay.customers.syncing.patience import edit_gently, patiently
from crm_relay.platform.errors import RejectedInput, ServerFailed
from crm_relay.providers.mautic.client import ItemResult, RemoteContact

Blocked = tuple[ContactDraft, ItemResult]
OF_ANOTHER_INSTALLATION = "a contact of another installation or tool in Mautic has its address"


@dataclass(frozen=True)
class RivalContact:
    """A contact that has an address which it is to lose; `other` None: a contact of the same batch."""

    contact_id: int
    other: RemoteContact | None = None

    @property
    def customer_id(self) -> UUID | None:
        """The id that it carries, of a customer or not."""
        carried = None if self.other is None else carried_id(self.other)
        return None if carried is None else UUID(carried)

    @property
    def is_nobodys(self) -> bool:
        """A contact that no customer and no other tool has marked as its own."""
        return self.other is not None and not self.other.fields.get("supabase_id")

    @property
    def was_left(self) -> bool:
        """A stranger who was muted in Mautic, by their own hand or an administrator's."""
        return self.is_nobodys and self.other is not None and self.other.dnc_reason is not None


def free_addresses(run: SyncContext, blocked: Sequence[Blocked]) -> list[ContactDraft | str]:
    """Each draft as it has to go out again, or why its address cannot be freed.

    Contacts of one batch that exchange their addresses are known from its answer; any other holder costs one search.
    Those who are to lose their address lose it in one request, and their customers are written again.
    """
    exchanging = {_shown_address(result): sent.contact_id for sent, result in blocked if sent.contact_id is not None}
    holders = [_holders(run, sent, exchanging) for sent, _ in blocked]
    ids = {each.customer_id for of_one in holders for each in of_one}
    ours = store.were_ever_customers(run.db, [each for each in ids if each is not None])
    is_kept = [any(_is_foreign(each, ours) for each in of_one) for of_one in holders]
    losers = [each for of_one, kept in zip(holders, is_kept, strict=True) if not kept for each in of_one]
    _write_down(run, losers, ours)
    _empty(run, losers)
    return [
        OF_ANOTHER_INSTALLATION if kept else replace(sent, tries=sent.tries + 1, inherited_dnc=_inherited(of_one))
        for (sent, _), of_one, kept in zip(blocked, holders, is_kept, strict=True)
    ]


def _shown_address(result: ItemResult) -> str | None:
    return normalise(str(result.stored.get("email") or ""))


def _holders(run: SyncContext, sent: ContactDraft, exchanging: Mapping[str | None, int | None]) -> list[RivalContact]:
    address = sent.customer.address
    other = exchanging.get(address)
    if other is not None and other != sent.contact_id:
        return [RivalContact(other)]
    try:
        found = patiently(run, lambda: run.mautic.find_contacts("email", str(sent.fields["email"])), server_failures=1)
    except (RejectedInput, ServerFailed):
        # No reason to stop the others: this row is refused once more, and has its turn again.
        found = []
    return [
        RivalContact(each.contact_id, each)
        for each in found
        if each.contact_id != sent.contact_id and address_of(each) == address
    ]


def _is_foreign(holder: RivalContact, ours: Mapping[UUID, bool]) -> bool:
    """Whether somebody else looks after it; `ours`: customer ids of this installation -> is still one."""
    return not (holder.other is None or holder.is_nobodys or holder.customer_id in ours)


def _write_down(run: SyncContext, losers: Sequence[RivalContact], ours: Mapping[UUID, bool]) -> None:
    """Before it is done: a run that dies in between leaves nobody without an address that is still theirs."""
    living = {each.customer_id for each in losers if each.customer_id is not None and ours[each.customer_id]}
    store.forget_drifted(run.db, [AuditFinding(Drift.FIELD, who, None, "email") for who in living])
    # Whoever left as a stranger has left as a customer.
    left = [each.other for each in losers if each.other is not None and each.was_left]
    found = [
        opted_out_there(None, each.contact_id, address_of(each), each.dnc_reason, in_person=False) for each in left
    ]
    record_opt_outs(run.db, found, run.now())


def _empty(run: SyncContext, losers: Sequence[RivalContact]) -> None:
    """One that refuses keeps its address, and the row that needs it is refused once more."""
    edit_gently(run, [{"id": contact_id, "email": None} for contact_id in sorted({each.contact_id for each in losers})])


def _inherited(holders: Sequence[RivalContact]) -> int | None:
    """The mark of a stranger who had left goes along with the address."""
    return next((each.other.dnc_reason for each in holders if each.other is not None and each.was_left), None)
