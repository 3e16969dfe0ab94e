"""The dry run: what a run would do now, by the same decisions, without writing anywhere."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil
from uuid import UUID

from crm_relay.customers import store
from crm_relay.customers.decisions import SyncAction, SyncDecision, decide, membership_change, stop_reason
from crm_relay.customers.drafts import draft
from crm_relay.customers.field_map import SEGMENT_NAMES, contact_fields
from crm_relay.customers.models import Customer, SyncOptions
from crm_relay.platform.database import Queryable
from crm_relay.providers.mautic.client import Mautic
from crm_relay.providers.mautic.mapping import same_field

_SAMPLES = 5


@dataclass
class SyncPreview:
    """Counts of what would happen. `samples` holds, for some updates, customer id and the fields that differ from what
    Mautic shows now, as field -> [there, here]: personal data, for the operator's eyes only."""

    actions: Counter[str] = field(default_factory=Counter)
    suppressions: int = 0
    single_writes: int = 0
    joins: Counter[str] = field(default_factory=Counter)
    leaves: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    stopped: str | None = None
    samples: dict[str, dict[str, list[object]]] = field(default_factory=dict)


def preview(db: Queryable, mautic: Mautic, options: SyncOptions, now: datetime) -> SyncPreview:
    """What `sync_contacts` would do now. Reads at most five contacts from Mautic, for comparison."""
    # As a run begins; who is on the list stays the same.
    store.spread_bulk_notes(db)
    shrinkage, _ = store.look_ahead(db)
    seen = SyncPreview(stopped=stop_reason(shrinkage, options.shrink_limit_percent))
    for customer, decision in _decisions(db, now):
        seen.actions[decision.action.value] += 1
        if decision.action in {SyncAction.CREATE, SyncAction.UPDATE, SyncAction.BLANK_ADDRESS}:
            _count_writing(seen, customer)
        if decision.action is SyncAction.UPDATE and len(seen.samples) < _SAMPLES:
            seen.samples[str(customer.customer_id)] = _differences(mautic, customer, decision)
    seen.requests = _requests(seen, options)
    return seen


def _decisions(db: Queryable, now: datetime) -> Iterator[tuple[Customer, SyncDecision]]:
    after_note = 0
    counted: set[UUID] = set()
    while True:
        window = store.read_changed(db, after_note=after_note, now=now, consume=False)
        fresh = [each for each in window.customers if each.customer_id not in counted]
        counted.update(each.customer_id for each in fresh)
        yield from ((each, decide(each)) for each in fresh)
        after_note = window.last_note
        if window.is_last:
            return


def _count_writing(seen: SyncPreview, customer: Customer) -> None:
    reason = customer.wanted_dnc_reason
    seen.suppressions += reason is not None and reason != customer.dnc_reason
    # A fraction below 1 is read and put, each contact by itself.
    seen.single_writes += 2 * bool(contact_fields(customer).below_one)
    change = membership_change(customer)
    seen.joins.update(change.join)
    seen.leaves.update(change.leave)


def _differences(mautic: Mautic, customer: Customer, decision: SyncDecision) -> dict[str, list[object]]:
    remote = mautic.contact(decision.contact_id) if decision.contact_id else None
    theirs = remote.fields if remote else {}
    ours = draft(customer, decision).fields
    return {
        alias: [theirs.get(alias), value]
        for alias, value in ours.items()
        if not same_field(alias, theirs.get(alias), value)
    }


def _requests(seen: SyncPreview, options: SyncOptions) -> int:
    """At least this many: values that Mautic refuses and anything that has to be repeated come on top."""
    creates = seen.actions[SyncAction.CREATE.value]
    edits = seen.actions[SyncAction.UPDATE.value] + seen.actions[SyncAction.BLANK_ADDRESS.value]
    batches = ceil(creates / options.batch_size) + ceil(edits / options.batch_size)
    additions = sum(min(count, batches) for slug, count in seen.joins.items() if slug in SEGMENT_NAMES)
    moves = additions + sum(seen.leaves.values())
    # A search each.
    searches = seen.actions[SyncAction.MUTE.value]
    return searches if not batches else searches + 1 + batches + seen.single_writes + (1 + moves if moves else 0)


def as_answer(seen: SyncPreview) -> dict[str, object]:
    """The preview as plain JSON."""
    counts = {name: dict(getattr(seen, name)) for name in ("actions", "joins", "leaves")}
    return counts | {
        "suppressions": seen.suppressions,
        "requests": seen.requests,
        "stopped": seen.stopped,
        "samples": seen.samples,
    }
