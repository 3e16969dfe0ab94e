"""Contacts whose customer was deleted: muted, deleted or emptied in Mautic, as MAUTIC_ON_DELETE says."""

from collections.abc import Sequence
from datetime import datetime

from crm_relay.customers import store
from crm_relay.customers.decisions import next_attempt
from crm_relay.customers.field_map import FIELDS
from crm_relay.customers.run import SyncContext
from crm_relay.customers.syncing.patience import BATCH_SECONDS, OutOfTime, patiently
from crm_relay.platform.errors import RejectedInput
from crm_relay.providers.mautic.client import ItemResult, do_not_contact

_MANUAL = 3
Removal = tuple[int, int]
"""Contact id, attempts so far."""


def remove_contacts(run: SyncContext) -> None:
    """Work off all removals that are due. Raises OutOfTime, TransientError, FatalError."""
    while due := store.due_removals(run.db, run.now(), run.options.batch_size):
        if not run.deadline.allows(BATCH_SECONDS):
            raise OutOfTime
        run.pause_between_batches()
        run.lease.renew()
        outcomes = _delete(run, due) if run.options.on_delete == "delete" else _mute(run, due)
        run.report.removed += sum(error is None for _, error, _ in outcomes)
        store.record_removals(run.db, outcomes)


def _delete(run: SyncContext, due: Sequence[Removal]) -> list[tuple[int, str | None, datetime | None]]:
    patiently(run, lambda: run.mautic.delete_contacts([contact_id for contact_id, _ in due]), server_failures=1)
    return [(contact_id, None, None) for contact_id, _ in due]


def _mute(run: SyncContext, due: Sequence[Removal]) -> list[tuple[int, str | None, datetime | None]]:
    # Emptied, a contact keeps its history and its do-not-contact, but nothing that names the person.
    blank: dict[str, object] = dict.fromkeys(FIELDS) if run.options.on_delete == "anonymise" else {}
    items = [{"id": contact_id, **blank, "doNotContact": do_not_contact(_MANUAL)} for contact_id, _ in due]
    try:
        results = patiently(run, lambda: run.mautic.edit_contacts(items), server_failures=1)
    except RejectedInput as error:
        results = [ItemResult(error.status, None)] * len(due)
    now = run.now()
    return [_outcome(removal, result, now) for removal, result in zip(due, results, strict=True)]


def _outcome(removal: Removal, result: ItemResult, now: datetime) -> tuple[int, str | None, datetime | None]:
    contact_id, attempts = removal
    if result.contact_id is not None or result.status == 404:
        return contact_id, None, None
    return contact_id, f"Mautic refused it with status {result.status}", next_attempt(attempts + 1, now)
