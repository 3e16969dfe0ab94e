"""Frees an address that a customer here owns and another contact in Mautic has: Mautic refuses the edit, both ways."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from crm_relay.customers import store
from crm_relay.customers.drafts import ContactDraft
from crm_relay.customers.models import AuditFinding, Drift
from crm_relay.customers.opt_outs_there import address_of, opted_out_there, record_opt_outs
from crm_relay.customers.run import SyncContext
from crm_relay.customers.syncing.patience import edit_gently, patiently
from crm_relay.customers.who import customer_id_in
from crm_relay.platform.errors import RejectedInput, ServerFailed
from crm_relay.providers.mautic.client import ItemResult, RemoteContact

Blocked = tuple[ContactDraft, ItemResult]
OF_ANOTHER_INSTALLATION = "a contact of another installation or tool in Mautic has its address"


@dataclass(frozen=True)
class RivalContact:
    """A contact that has an address which it is to lose. `is_of_batch`: a row of this batch is on its way to it."""

    contact_id: int
    address: str | None
    carried: str
    dnc_reason: int | None
    dnc_is_ours: bool
    is_of_batch: bool = False

    @property
    def customer_id(self) -> UUID | None:
        """The id that it carries, of a customer or not."""
        return customer_id_in(self.carried)

    @property
    def was_left(self) -> bool:
        """Somebody was muted in Mautic, by their own hand or an administrator's; we may not know it yet."""
        return self.dnc_reason is not None and not self.dnc_is_ours


def free_addresses(run: SyncContext, blocked: Sequence[Blocked]) -> list[ContactDraft | str]:
    """Each draft as it has to go out again, or why its address cannot be freed.

    Contacts of one batch that exchange their addresses are known from its answer; any other holder costs one search.
    Those who are to lose their address lose it in one request, and their customers are written again.
    """
    rivals = [_of_batch(sent.contact_id, result) for sent, result in blocked if sent.contact_id is not None]
    exchanging = {each.address: each for each in rivals if each.address is not None}
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


def _of_batch(contact_id: int, result: ItemResult) -> RivalContact:
    """As the answer to the refused edit shows it."""
    shown = RemoteContact(contact_id, result.stored, result.dnc_reason, result.dnc_is_ours)
    return replace(_rival(shown), is_of_batch=True)


def _rival(contact: RemoteContact) -> RivalContact:
    carried = str(contact.fields.get("supabase_id") or "")
    return RivalContact(contact.contact_id, address_of(contact), carried, contact.dnc_reason, contact.dnc_is_ours)


def _holders(run: SyncContext, sent: ContactDraft, exchanging: Mapping[str, RivalContact]) -> list[RivalContact]:
    address = sent.customer.address
    rival = exchanging.get(address or "")
    if rival is not None and rival.contact_id != sent.contact_id:
        return [rival]
    try:
        found = patiently(run, lambda: run.mautic.find_contacts("email", str(sent.fields["email"])), server_failures=1)
    except (RejectedInput, ServerFailed):
        # No reason to stop the others: this row is refused once more, and has its turn again.
        found = []
    return [_rival(each) for each in found if each.contact_id != sent.contact_id and address_of(each) == address]


def _is_foreign(rival: RivalContact, ours: Mapping[UUID, bool]) -> bool:
    """Whether somebody else looks after it; `ours`: customer ids of this installation -> is still one."""
    return bool(rival.carried) and not rival.is_of_batch and rival.customer_id not in ours


def _write_down(run: SyncContext, losers: Sequence[RivalContact], ours: Mapping[UUID, bool]) -> None:
    """Before it is done: a run that dies in between leaves nobody without an address that is still theirs."""
    elsewhere = [each.customer_id for each in losers if not each.is_of_batch]
    living = {who for who in elsewhere if who is not None and ours.get(who)}
    store.forget_drifted(run.db, [AuditFinding(Drift.FIELD, who, None, "email") for who in living])
    # An opt-out stays with the address, also where another person has it now.
    found = [
        opted_out_there(None, each.contact_id, each.address, each.dnc_reason, in_person=False)
        for each in losers
        if each.was_left
    ]
    record_opt_outs(run.db, found, run.now())


def _empty(run: SyncContext, losers: Sequence[RivalContact]) -> None:
    """One that refuses keeps its address, and the row that needs it is refused once more."""
    edit_gently(run, [{"id": contact_id, "email": None} for contact_id in sorted({each.contact_id for each in losers})])


def _inherited(rivals: Sequence[RivalContact]) -> int | None:
    """The mark of somebody who had left goes along with the address."""
    return next((each.dnc_reason for each in rivals if each.was_left), None)
