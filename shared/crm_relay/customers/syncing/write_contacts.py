"""Sends drafts to Mautic in batches and remembers each row once Mautic confirmed it."""

from collections.abc import Sequence
from dataclasses import replace

from crm_relay.customers import store
from crm_relay.customers.decisions import must_clear_dnc, needs_segments, next_batch_size
from crm_relay.customers.drafts import (
    ContactDraft,
    follow_up,
    is_blocked,
    outcome_of_failure,
    outcome_of_success,
    withdrawal,
)
from crm_relay.customers.models import SyncOutcome
from crm_relay.customers.run import SyncContext
from crm_relay.customers.syncing.free_addresses import free_addresses
from crm_relay.customers.syncing.lift_mutes import lift_ours, record_what_was_left
from crm_relay.customers.syncing.memberships import Memberships
from crm_relay.customers.syncing.mute_holders import mute_at_least, mute_others
from crm_relay.customers.syncing.patience import BATCH_SECONDS, OutOfTime, patiently
from crm_relay.platform.errors import RejectedInput, ServerFailed
from crm_relay.providers.mautic.client import ItemResult

_FEW = 10


def write_contacts(run: SyncContext, memberships: Memberships, drafts: Sequence[ContactDraft]) -> None:
    """Write all drafts, until none is left; of two that mean one contact the later one keeps it.

    Raises OutOfTime, TransientError, FatalError.
    """
    pending = list(drafts)
    suspects: list[list[ContactDraft]] = []
    while pending or suspects:
        # The halves of a batch that Mautic failed on come first, each by itself.
        is_half = bool(suspects)
        batch = suspects.pop() if is_half else _next_batch(pending, run.batch_size)
        taken = {each.customer.customer_id for each in batch}
        pending = [each for each in pending if each.customer.customer_id not in taken]
        again = _write_batch(run, memberships, batch, is_half=is_half)
        if again is None:
            suspects += _halves(run, batch)
        else:
            pending += again


def _next_batch(pending: Sequence[ContactDraft], size: int) -> list[ContactDraft]:
    """Edits before creates, never both in one request, and no contact twice.

    An edit may free the address that a create needs; the other way round the create would be merged into that contact.
    """
    edits = {each.contact_id: each for each in reversed(pending) if each.contact_id is not None}
    return list(edits.values())[:size] or list(pending)[:size]


def _write_batch(
    run: SyncContext, memberships: Memberships, batch: list[ContactDraft], *, is_half: bool
) -> list[ContactDraft] | None:
    """One batch, recorded; returns the drafts that have to go out again in another form, None where Mautic failed."""
    batch = [run.spellings.fitted(each) for each in batch]
    _take_turn(run)
    began = run.clock()
    results = _create(run, batch, is_half=is_half) if batch[0].contact_id is None else _edit(run, batch)
    if results is None:
        return None
    run.batch_size = next_batch_size(run.batch_size, len(batch), run.clock() - began, run.options.batch_size)
    pairs = list(zip(batch, results, strict=True))
    for sent, result in pairs:
        run.spellings.learn(sent, result)
    after, failed = _judge(run, pairs)
    confirmed = [each for each in after if each.confirmed]
    _finish(run, memberships, confirmed, failed)
    return [each for each in after if not each.confirmed]


def _judge(
    run: SyncContext, pairs: Sequence[tuple[ContactDraft, ItemResult]]
) -> tuple[list[ContactDraft], list[SyncOutcome]]:
    """What follows from a batch's answers: drafts, confirmed or to go out again, and the rows that failed."""
    blocked = [(sent, result) for sent, result in pairs if is_blocked(sent, result)]
    found = [_known_there(run, sent) for sent, _ in blocked]
    held = [pair for pair, adopted in zip(blocked, found, strict=True) if adopted is None]
    freed = dict(zip([id(sent) for sent, _ in held], free_addresses(run, held) if held else (), strict=True))
    adopted = {id(sent): known for (sent, _), known in zip(blocked, found, strict=True) if known is not None}
    after: list[ContactDraft] = []
    failed: list[SyncOutcome] = []
    for sent, result in pairs:
        answer = adopted.get(id(sent)) or freed.get(id(sent)) or follow_up(sent, result)
        if isinstance(answer, str):
            answer = withdrawal(sent, result, answer) or answer
        if isinstance(answer, ContactDraft):
            after.append(answer)
        else:
            failed.append(mute_at_least(run, sent.customer, _failure(run, sent, answer)))
    return after, failed


def _known_there(run: SyncContext, sent: ContactDraft) -> ContactDraft | None:
    """A create that two contacts claim, one by the address and one by the id: it is the one with the id."""
    if sent.contact_id is not None:
        return None
    try:
        contact_id = patiently(run, lambda: run.mautic.find_contact(str(sent.customer.customer_id)), server_failures=1)
    except (RejectedInput, ServerFailed):
        return None
    return None if contact_id is None else replace(sent, contact_id=contact_id, adopted=True, tries=sent.tries + 1)


def _halves(run: SyncContext, batch: list[ContactDraft]) -> list[list[ContactDraft]]:
    """Cut a batch that fails until the row stands alone that Mautic cannot take; that one fails, the others go out.

    Raises TransientError where Mautic does not answer anything: then it is no row's fault.
    """
    patiently(run, run.mautic.answers)
    if len(batch) > 1:
        middle = len(batch) // 2
        return [batch[middle:], batch[:middle]]
    alone = _failure(run, batch[0], "Mautic answers with a server error to this customer alone")
    store.record_outcomes(run.db, [mute_at_least(run, batch[0].customer, alone)], run.now())
    return []


def _take_turn(run: SyncContext) -> None:
    if not run.deadline.allows(BATCH_SECONDS):
        raise OutOfTime
    run.pause_between_batches()
    run.lease.renew()


def _create(run: SyncContext, batch: Sequence[ContactDraft], *, is_half: bool) -> list[ItemResult] | None:
    try:
        return patiently(run, lambda: run.mautic.create_contacts([each.item for each in batch]))
    except ServerFailed:
        # While a failed batch is being cut, a contact that was made before is merged into: asking costs more.
        return None if is_half and len(batch) > _FEW else _create_the_rest(run, batch)


def _create_the_rest(run: SyncContext, batch: Sequence[ContactDraft]) -> list[ItemResult] | None:
    """After a failure a part may stand: what is there is found first, only the rest is sent again."""
    try:
        found = {each.customer.customer_id: run.mautic.find_contact(str(each.customer.customer_id)) for each in batch}
        missing = [each for each in batch if found[each.customer.customer_id] is None]
        made = run.mautic.create_contacts([each.item for each in missing]) if missing else []
    except ServerFailed:
        return None
    results = {each.customer.customer_id: result for each, result in zip(missing, made, strict=True)}
    return [
        results.get(each.customer.customer_id) or ItemResult(200, found[each.customer.customer_id]) for each in batch
    ]


def _edit(run: SyncContext, batch: Sequence[ContactDraft]) -> list[ItemResult] | None:
    # By id and without PUT: sending it twice is the same as once.
    try:
        return patiently(run, lambda: run.mautic.edit_contacts([each.item for each in batch]), server_failures=1)
    except ServerFailed:
        return None


def _failure(run: SyncContext, sent: ContactDraft, reason: str) -> SyncOutcome:
    run.report.failures[sent.customer.customer_id] = reason
    return outcome_of_failure(sent.customer, reason, run.now(), sent.contact_id)


def _finish(
    run: SyncContext, memberships: Memberships, confirmed: list[ContactDraft], failed: list[SyncOutcome]
) -> None:
    """Single steps that no batch can do, memberships, and one statement that remembers the batch."""
    without_address = [each for each in confirmed if each.problem is not None]
    run.report.failures |= {each.customer.customer_id: each.problem or "" for each in without_address}
    failed += [outcome_of_success(each, run.now(), settled=True) for each in confirmed if each.is_withdrawal]
    confirmed = [each for each in confirmed if not each.is_withdrawal]
    record_what_was_left(run, confirmed)
    lift_ours(run, confirmed)
    mute_others(run, confirmed)
    confirmed = _remembered_before_single_steps(run, confirmed)
    gone = [each for each in confirmed if not _single_steps(run, each)]
    failed += [
        _failure(run, each, "the contact vanished, or Mautic fails on it, while it was written") for each in gone
    ]
    kept = [memberships.know(each) if each.adopted else each for each in confirmed if each not in gone]
    moving = [each for each in kept if needs_segments(each.customer)]
    if moving:
        # Said before it is done: a run that dies in between leaves behind what may stand in Mautic.
        store.record_outcomes(
            run.db, [outcome_of_success(each, run.now(), settled=False) for each in moving], run.now()
        )
        moving = [_as_remembered(each) for each in moving]
        unknown = memberships.apply(moving)
        failed += [
            _failure(run, each, "the contact vanished while it joined a segment")
            for each in moving
            if each.contact_id in unknown
        ]
        kept = [each for each in kept if not needs_segments(each.customer)]
        kept += [each for each in moving if each.contact_id not in unknown]
    _count(run, kept)
    store.record_outcomes(
        run.db, [*(outcome_of_success(each, run.now(), settled=True) for each in kept), *failed], run.now()
    )


def _remembered_before_single_steps(run: SyncContext, confirmed: list[ContactDraft]) -> list[ContactDraft]:
    """A run that dies in them leaves a contact behind that is known here, and a row that is written again."""
    stepping = [each for each in confirmed if each.below_one or must_clear_dnc(each.customer)]
    outcomes = [
        replace(outcome_of_success(each, run.now(), settled=False), sync_hash=None, dnc_reason=each.customer.dnc_reason)
        for each in stepping
    ]
    store.record_outcomes(run.db, outcomes, run.now())
    return [_as_remembered(each) if each in stepping else each for each in confirmed]


def _as_remembered(moving: ContactDraft) -> ContactDraft:
    """The draft after its intention was recorded: the row has its contact id by now."""
    return replace(moving, customer=replace(moving.customer, contact_id=moving.contact_id))


def _single_steps(run: SyncContext, confirmed: ContactDraft) -> bool:
    contact_id = confirmed.contact_id
    if contact_id is None:
        return False
    if must_clear_dnc(confirmed.customer):
        patiently(run, lambda: run.mautic.clear_do_not_contact(contact_id), server_failures=1)
    numbers = confirmed.below_one
    try:
        return not numbers or patiently(run, lambda: run.mautic.write_below_one(contact_id, numbers), server_failures=1)
    except (RejectedInput, ServerFailed):
        # This contact's own trouble, as long as Mautic answers anything.
        patiently(run, run.mautic.answers)
        return False


def _count(run: SyncContext, kept: Sequence[ContactDraft]) -> None:
    run.report.created += sum(each.was_created for each in kept)
    run.report.updated += sum(not each.was_created for each in kept)
    run.report.confirmed += [each.customer.customer_id for each in kept]
    run.report.suppressed += sum(
        each.customer.wanted_dnc_reason is not None and each.customer.wanted_dnc_reason != each.customer.dnc_reason
        for each in kept
    )
