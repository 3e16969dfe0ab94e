"""The use case of mautic_sync: everything that changed since Mautic confirmed it goes there, once."""

import random
from collections.abc import Sequence
from math import inf
from uuid import UUID

from crm_relay.customers import store
from crm_relay.customers.audit import audit_sample, repair
from crm_relay.customers.decisions import SyncAction, SyncDecision, decide, next_batch_size, stop_reason
from crm_relay.customers.drafts import ContactDraft, draft, outcome_of_conflict, outcome_of_nothing, outcome_of_refusal
from crm_relay.customers.models import Customer, SyncOutcome, SyncReport
from crm_relay.customers.run import SyncContext
from crm_relay.customers.syncing.memberships import Memberships
from crm_relay.customers.syncing.mute_holders import mute_at_least, mute_unknown
from crm_relay.customers.syncing.patience import OutOfTime
from crm_relay.customers.syncing.remove_contacts import remove_contacts
from crm_relay.customers.syncing.write_contacts import write_contacts
from crm_relay.platform.errors import NoAnswer, TransientError
from crm_relay.platform.fence.clone_fence import ensure_armed

_PAGE_SECONDS = 5.0


def sync_contacts(run: SyncContext, *, full: bool = False, after: UUID | None = None) -> SyncReport:
    """Run once, within the run's deadline; the report says whether something is left for another run.

    `full` compares every customer first, behind customer `after` where an earlier run stopped there. Nothing changed:
    not a single request. Another run at work: steps aside. Raises FatalError where an operator is needed.
    """
    ensure_armed(run.db)
    if not run.lease.acquire():
        run.report.stopped, run.report.stepped_aside = "another run is at work", True
        return run.report
    may_still_be_writing = False
    try:
        _sync(run, full=full, after=after)
    except NoAnswer as error:
        # Mautic may be carrying the request out at this moment, and a second writer would make duplicates: the lease is
        # left to run out by itself.
        may_still_be_writing = True
        run.batch_size = next_batch_size(run.batch_size, run.batch_size, inf, run.options.batch_size)
        run.report.stopped = str(error)
    except TransientError as error:
        run.report.stopped = str(error)
    finally:
        run.report.requests = run.mautic.requests_sent
        if not may_still_be_writing:
            run.lease.release()
        store.log_run(run.db, run.report, run.now(), run.batch_size)
    return run.report


def _sync(run: SyncContext, *, full: bool, after: UUID | None) -> None:
    store.spread_bulk_notes(run.db)
    shrinkage, last_batch_size = store.look_ahead(run.db)
    run.batch_size = min(last_batch_size or run.batch_size, run.options.batch_size)
    run.report.stopped = stop_reason(shrinkage, run.options.shrink_limit_percent)
    if run.report.stopped:
        run.report.needs_operator = True
        return
    try:
        if full:
            _compare_everybody(run, after)
        _write_what_changed(run)
        remove_contacts(run)
        _look_again(run)
    except OutOfTime:
        run.report.unfinished = True


def _look_again(run: SyncContext) -> None:
    """Hold some of what Mautic just confirmed against what it shows; a difference is written again by the next run."""
    confirmed, size = run.report.confirmed, run.options.audit_sample
    if not confirmed or not size or not run.deadline.allows(_PAGE_SECONDS):
        return
    chosen = random.sample(confirmed, min(size, len(confirmed)))
    audit = audit_sample(run.db, run.mautic, chosen, run.now())
    repair(run.db, audit, run.now())
    run.report.audit = audit.answer()


def _compare_everybody(run: SyncContext, after: UUID | None) -> None:
    position = after
    while True:
        run.report.full_after = position
        if not run.deadline.allows(_PAGE_SECONDS):
            raise OutOfTime
        position, _ = store.mark_differing(run.db, position)
        if position is None:
            run.report.full_after = None
            return


def _write_what_changed(run: SyncContext) -> None:
    memberships = Memberships(run)
    after_note = 0
    while True:
        window = store.read_changed(run.db, after_note=after_note, now=run.now())
        _settle_window(run, memberships, window.customers)
        # Each line of the list is looked at once a run, so that no row can keep a run from ending.
        after_note = window.last_note
        if window.is_last:
            return


def _settle_window(run: SyncContext, memberships: Memberships, customers: Sequence[Customer]) -> None:
    # A customer stands on the list once for each table that changed: who failed in this run has had its attempt.
    decided = [(each, decide(each)) for each in customers if each.customer_id not in run.report.failures]
    outcomes = [outcome for customer, decision in decided if (outcome := _without_writing(run, customer, decision))]
    store.record_outcomes(run.db, outcomes, run.now())
    write_contacts(run, memberships, _drafts(decided))
    mute_unknown(run, [each for each, decision in decided if decision.action is SyncAction.MUTE])
    store.clear_notes(run.db, [note for each in customers if _leaves_no_trace(run, each) for note in each.notes])


def _leaves_no_trace(run: SyncContext, customer: Customer) -> bool:
    """Whether no outcome strikes this customer's lines: nothing is remembered, or its failure is already."""
    return (
        not (_has_status(customer) or decide(customer).action is SyncAction.MUTE)
        or customer.customer_id in run.report.failures
    )


def _has_status(customer: Customer) -> bool:
    return customer.exists and customer.known


def _without_writing(run: SyncContext, customer: Customer, decision: SyncDecision) -> SyncOutcome | None:
    """The outcome of a decision that needs no request; None for the others."""
    match decision.action:
        case SyncAction.CONFLICT:
            run.report.conflicts.add(customer.customer_id)
            return outcome_of_conflict(customer, decision.reason)
        case SyncAction.REFUSE if decision.contact_id is None:
            run.report.failures[customer.customer_id] = decision.reason
            return mute_at_least(run, customer, outcome_of_refusal(customer, decision.reason, run.now()))
        case SyncAction.NOTHING if _has_status(customer):
            return outcome_of_nothing(customer)
    return None


_WRITES = {SyncAction.CREATE, SyncAction.UPDATE, SyncAction.BLANK_ADDRESS, SyncAction.REFUSE}


def _drafts(decided: Sequence[tuple[Customer, SyncDecision]]) -> list[ContactDraft]:
    """What has to be written; of several customers with one contact only the first, the other one at the next run."""
    drafts: list[ContactDraft] = []
    contacts: set[int] = set()
    for customer, decision in decided:
        # A row that is refused goes to the contact that it has, without its address.
        is_written = decision.action is not SyncAction.REFUSE or decision.contact_id is not None
        if decision.action in _WRITES and is_written and decision.contact_id not in contacts:
            drafts.append(draft(customer, decision))
            if decision.contact_id is not None:
                contacts.add(decision.contact_id)
    return drafts
