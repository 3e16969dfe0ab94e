"""Mutes everybody in Mautic who has an address that must get no mail, whether or not we know their contact."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from crm_relay.consent.address import normalise
from crm_relay.customers import store
from crm_relay.customers.drafts import ContactDraft, outcome_of_failure, outcome_of_mute
from crm_relay.customers.field_map import meant_address
from crm_relay.customers.models import Customer, SyncOutcome
from crm_relay.customers.opt_outs_there import address_of
from crm_relay.customers.run import SyncContext
from crm_relay.customers.syncing.patience import OutOfTime, patiently
from crm_relay.platform.errors import RejectedInput, ServerFailed

_SEARCH_SECONDS = 5.0
_AT_ONCE = 50
"""Customers whose outcome is remembered together: what a run that ends in between repeats at most."""


def mute_unknown(run: SyncContext, customers: Sequence[Customer]) -> None:
    """Customers who may not be contacted and have no contact of ours: one search each, once.

    Nothing else of them goes to Mautic. Raises OutOfTime.
    """
    for start in range(0, len(customers), _AT_ONCE):
        _mute_together(run, customers[start : start + _AT_ONCE])


def _mute_together(run: SyncContext, part: Sequence[Customer]) -> None:
    wanted = {str(meant_address(each)): each.wanted_dnc_reason for each in part}
    failed = _mute_at(run, wanted, frozenset())
    reasons = {each.customer_id: _FAILED for each in part if meant_address(each) in failed}
    run.report.failures |= reasons
    outcomes = [
        outcome_of_failure(each, _FAILED, run.now()) if each.customer_id in reasons else outcome_of_mute(each)
        for each in part
    ]
    store.record_outcomes(run.db, outcomes, run.now())


_FAILED = "Mautic fails on the search for its address, which may get no mail"


def mute_others(run: SyncContext, written: Sequence[ContactDraft]) -> None:
    """Other contacts with the address of a customer who was muted just now: duplicates that nobody here knows.

    One search for each of them; a contact that was made just now has no duplicate, else it would have been merged.
    """
    _mute_at(
        run,
        {
            str(each.fields["email"]): each.customer.wanted_dnc_reason
            for each in written
            if _is_muted_now(each) and each.fields.get("email")
        },
        {each.contact_id for each in written if each.contact_id is not None},
    )


def mute_at_least(run: SyncContext, customer: Customer, failed: SyncOutcome) -> SyncOutcome:
    """An opt-out does not wait for the rest of a row that cannot be written: who is there with the address is muted.

    Once; the outcome remembers it.
    """
    contact_id, reason = failed.contact_id, customer.wanted_dnc_reason
    if contact_id is None or reason is None or customer.dnc_reason == reason:
        return failed
    run.lease.renew()
    try:
        patiently(run, lambda: run.mautic.add_do_not_contact(contact_id, reason), server_failures=1)
        # Duplicates are one of the reasons why a row cannot be written.
        _mute_at(run, {each: reason for each in [meant_address(customer)] if each is not None}, {contact_id})
    except (RejectedInput, ServerFailed):
        # Gone, or Mautic can take nothing for it: the row has its turn again.
        return failed
    return replace(failed, dnc_reason=reason)


def _is_muted_now(written: ContactDraft) -> bool:
    customer = written.customer
    is_new = customer.wanted_dnc_reason is not None and customer.wanted_dnc_reason != customer.dnc_reason
    return is_new and not written.was_created


def _mute_at(run: SyncContext, wanted: Mapping[str, int | None], known: AbstractSet[int]) -> set[str]:
    """The addresses at which it failed; `wanted`: address -> reason. Contacts in `known` have been muted already."""
    failed: set[str] = set()
    for address, reason in wanted.items():
        if not run.deadline.allows(_SEARCH_SECONDS):
            raise OutOfTime
        run.lease.renew()
        try:
            for contact_id in _mailable_at(run, address, known):
                run.report.suppressed += reason is not None and _mute(run, contact_id, reason)
        except (RejectedInput, ServerFailed):
            # No reason to stop the others, as long as Mautic answers anything.
            patiently(run, run.mautic.answers)
            failed.add(address)
    return failed


def _mailable_at(run: SyncContext, address: str, known: AbstractSet[int]) -> list[int]:
    found = patiently(run, lambda: run.mautic.find_contacts("email", address), server_failures=1)
    return [
        each.contact_id
        for each in found
        # Mautic compares loosely.
        if each.dnc_reason is None and each.contact_id not in known and address_of(each) == normalise(address)
    ]


def _mute(run: SyncContext, contact_id: int, reason: int) -> bool:
    """By itself: of contacts that are duplicates Mautic refuses every edit, but not this (54_*)."""
    try:
        patiently(run, lambda: run.mautic.add_do_not_contact(contact_id, reason), server_failures=1)
    except RejectedInput:
        return False
    return True
