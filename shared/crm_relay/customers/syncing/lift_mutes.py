"""What a batch's answers show of do-not-contacts: ours that nothing asks for end, a person's own is recorded."""

from collections.abc import Sequence

from crm_relay.customers.decisions import is_lifted, must_clear_dnc
from crm_relay.customers.drafts import ContactDraft
from crm_relay.customers.opt_outs_there import has_left, opted_out_there, record_opt_outs
from crm_relay.customers.run import SyncContext
from crm_relay.customers.syncing.patience import edit_gently
from crm_relay.providers.mautic.client import no_do_not_contact


def lift_ours(run: SyncContext, confirmed: Sequence[ContactDraft]) -> None:
    """Somebody who comes back, or whose address no longer bounces: one request for all of a batch."""
    lifted = [each for each in confirmed if each.shown is not None and _is_over(each)]
    edit_gently(run, [{"id": each.contact_id, "doNotContact": no_do_not_contact()} for each in lifted])


def record_what_was_left(run: SyncContext, confirmed: Sequence[ContactDraft]) -> None:
    """A contact that was there before its customer was known may have been muted by its person."""
    found = [
        opted_out_there(
            each.customer.customer_id,
            each.contact_id,
            each.customer.address,
            each.shown.dnc_reason,
            in_person=True,
        )
        for each in confirmed
        if each.adopted and each.shown is not None and each.contact_id is not None and _has_left(each)
    ]
    record_opt_outs(run.db, found, run.now())


def _is_over(confirmed: ContactDraft) -> bool:
    shown = confirmed.shown
    if shown is None or must_clear_dnc(confirmed.customer) or confirmed.inherited_dnc is not None:
        return False
    return is_lifted(confirmed.customer, shown.dnc_reason, is_ours=shown.dnc_is_ours)


def _has_left(confirmed: ContactDraft) -> bool:
    shown = confirmed.shown
    if shown is None or must_clear_dnc(confirmed.customer):
        return False
    return has_left(confirmed.customer, shown.dnc_reason, is_ours=shown.dnc_is_ours)
