"""Sends what our side has changed, in the vendor's batches; what is confirmed is remembered, many records at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from crm_relay.connections.audiences.bar_additions import barred
from crm_relay.connections.records import store
from crm_relay.connections.records.each_alone import each_alone
from crm_relay.connections.records.merge import MATCH, Agreed, agreed_after_write, parse_agreed, sent_fields, to_send
from crm_relay.connections.records.store import Checkpoint
from crm_relay.connections.records.stream_run import StreamRun
from crm_relay.platform.database import Row
from crm_relay.platform.errors import NoAnswer, ServerFailed, describe_error
from crm_relay.platform.sql import Statement
from crm_relay.providers.connectors.contract import FieldValue, OutgoingRecord, WriteOutcome, Written
from crm_relay.providers.connectors.failures import TimeUsedUp

TO_EXTERNAL = "to_external"
_NOBODY = UUID(int=0)
_REQUEST_SECONDS = 5.0


@dataclass
class _Confirmed:
    """What the other side said of a page of ours, until it is remembered."""

    records: list[dict[str, Any]] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)
    rejects: list[dict[str, Any]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    answered: list[UUID] = field(default_factory=list)


@dataclass(frozen=True)
class _Planned:
    """One contact and what it has to be given there; nothing where both sides are equal already."""

    row: Row = field(repr=False)
    fields: Mapping[str, FieldValue] = field(repr=False)
    agreed: Mapping[str, Agreed]

    @property
    def record(self) -> OutgoingRecord:
        """As the connector writes it."""
        return OutgoingRecord(self.row["their_id"], self.row["address"], self.fields)


def write_changes(run: StreamRun, checkpoint: Checkpoint, chosen: frozenset[UUID] | None = None) -> None:
    """All that is not there yet or has changed; `chosen`: of these contacts alone.

    Called behind a read of their changes: what was written before and never confirmed is known again by then. Raises
    TimeUsedUp, and what `RecordStream.write` raises of the whole: what was confirmed before that is kept.
    """
    after: UUID | None = _NOBODY
    while after is not None:
        page = store.outgoing_page(run.db, run.key, run.rules.contacts, after, run.now())
        after = page[-1]["id"] if len(page) == store.CHUNK else None
        planned = [_plan(run, row) for row in page if chosen is None or row["id"] in chosen]
        held = barred(run, [each.row["address"] for each in planned if each.row["their_id"] is None])
        free = [each for each in planned if each.row["their_id"] is not None or each.row["address"] not in held]
        if run.is_dry:
            _count_planned(run, free)
            continue
        kept = {each.row["id"] for each in free}
        _hold(run, [each for each in planned if each.row["id"] not in kept], held)
        _write_page(run, free, checkpoint)


def _plan(run: StreamRun, row: Row) -> _Planned:
    agreed = None if row["their_id"] is None else parse_agreed(row["agreed"], run.stream.rules)
    return _Planned(row, to_send(run.stream.rules, row["fields"], agreed, run.hasher), agreed or {})


def _hold(run: StreamRun, planned: Sequence[_Planned], reasons: Mapping[str, str]) -> None:
    """Who left is no failure: they wait with the reason, in case they come back."""
    if not planned:
        return
    run.outgoing["held"] += len(planned)
    rows = [_reject_row(each, reasons[each.row["address"]]) for each in planned]
    run.db.transact(lambda tx: tx.finish([store.putting_rejects(run.key, rows, run.now())]))


def _count_planned(run: StreamRun, planned: Sequence[_Planned]) -> None:
    new = [each for each in planned if each.row["their_id"] is None]
    run.outgoing["created"] += sum(each.row["id"] not in run.matched for each in new)
    run.outgoing["updated"] += sum(each.row["their_id"] is not None and bool(each.fields) for each in planned)


def _write_page(run: StreamRun, planned: Sequence[_Planned], checkpoint: Checkpoint) -> None:
    confirmed = _Confirmed()
    for each in planned:
        if each.row["their_id"] is not None and not each.fields:
            _settle(run, confirmed, each, each.row["their_id"], each.agreed, checkpoint)
    to_write = [each for each in planned if each.fields]
    try:
        if to_write:
            run.ensure_fields()
            store.put_unconfirmed(run.db, run.key, [_sent(run, each) for each in to_write], run.now())
        for start in range(0, len(to_write), run.stream.largest_write):
            if not run.deadline.allows(_REQUEST_SECONDS):
                raise TimeUsedUp("the time of the run is up between two requests")
            _write_batch(run, to_write[start : start + run.stream.largest_write], confirmed, checkpoint)
    finally:
        # Also behind an error: what the other side has confirmed is not sent again.
        _remember(run, confirmed)


def _sent(run: StreamRun, planned: _Planned) -> dict[str, Any]:
    is_new = planned.row["their_id"] is None
    return {
        "our_id": planned.row["id"],
        "sent_address": run.hasher.of(MATCH, planned.row["address"]) if is_new else None,
        "fields": sent_fields(run.stream.rules, planned.fields, run.hasher),
    }


def _write_batch(run: StreamRun, batch: Sequence[_Planned], confirmed: _Confirmed, checkpoint: Checkpoint) -> None:
    by_id = {each.row["id"]: each for each in batch}

    def write(part: Sequence[UUID]) -> None:
        outcomes = run.stream.write([by_id[one].record for one in part])
        confirmed.answered += part
        for one, outcome in zip(part, outcomes, strict=True):
            _take(run, confirmed, by_id[one], outcome, checkpoint)

    try:
        refused = each_alone(list(by_id), write)
    except (NoAnswer, ServerFailed):
        # It may have been carried out: the next read of their changes says so before anything is sent again.
        run.is_unclear = True
        run.outgoing["unclear"] += len(batch)
        raise
    confirmed.answered += refused
    for one, error in refused.items():
        _reject(run, confirmed, by_id[one], describe_error(error))


def _take(
    run: StreamRun, confirmed: _Confirmed, planned: _Planned, outcome: WriteOutcome, checkpoint: Checkpoint
) -> None:
    if not isinstance(outcome, Written):
        if outcome.is_gone and planned.row["their_id"] is not None:
            confirmed.gone.append(planned.row["their_id"])
            run.outgoing["gone"] += 1
            return
        _reject(run, confirmed, planned, outcome.reason)
        return
    agreed = agreed_after_write(run.stream.rules, planned.fields, outcome.fields, planned.agreed, run.hasher)
    run.outgoing["created" if outcome.is_new else "updated"] += 1
    _settle(run, confirmed, planned, outcome.their_id, agreed, checkpoint)


def _settle(
    run: StreamRun,
    confirmed: _Confirmed,
    planned: _Planned,
    their_id: str,
    agreed: Mapping[str, Agreed],
    checkpoint: Checkpoint,
) -> None:
    row = planned.row
    confirmed.records.append(
        {
            "their_id": their_id,
            "our_id": row["id"],
            "address": row["address"],
            "fields": {name: str(each) for name, each in agreed.items()},
            "hash": run.hasher.of_record(their_id, {name: each.ours for name, each in agreed.items()}),
            # The version that was read: a change since then is found again.
            "our_version": row["our_version"],
            "is_settled": True,
            "seen_in_pass": checkpoint.pass_number,
            "state": None,
        }
    )
    if row["attempts"] is not None:
        confirmed.passed.append(str(row["id"]))


def _reject(run: StreamRun, confirmed: _Confirmed, planned: _Planned, reason: str) -> None:
    run.outgoing["failed"] += 1
    run.note(reason)
    confirmed.rejects.append(_reject_row(planned, reason))


def _reject_row(planned: _Planned, reason: str) -> dict[str, Any]:
    return {
        "direction": TO_EXTERNAL,
        "record_id": str(planned.row["id"]),
        "reason": reason[:500],
        "our_version": planned.row["our_version"],
    }


def _remember(run: StreamRun, confirmed: _Confirmed) -> None:
    now, statements = run.now(), list[Statement]()
    if confirmed.records:
        statements.append(store.putting(run.key, confirmed.records, now))
    if confirmed.answered:
        statements.append(store.clearing_confirmed(run.key, confirmed.answered))
    if confirmed.gone:
        statements.append(store.marking_gone(run.key, confirmed.gone, now))
    if confirmed.passed:
        statements.append(store.clearing_rejects(run.key, TO_EXTERNAL, confirmed.passed))
    if confirmed.rejects:
        statements.append(store.putting_rejects(run.key, confirmed.rejects, now))
    if statements:
        run.db.transact(lambda tx: tx.finish(statements))
