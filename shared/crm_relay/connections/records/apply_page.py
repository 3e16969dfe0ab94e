"""Takes over a chunk of their records: lock, read, decide, and write in one transaction with the cursor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from crm_relay.connections.decisions import shrink
from crm_relay.connections.records import store
from crm_relay.connections.records.each_alone import each_alone
from crm_relay.connections.records.merge import (
    MATCH,
    Agreed,
    Merged,
    comparable,
    is_later,
    merge,
    parse_agreed,
    theirs_as_ours,
    with_sent,
)
from crm_relay.connections.records.store import WRITABLE, Checkpoint
from crm_relay.connections.records.stream_run import FROM_EXTERNAL, StreamRun
from crm_relay.platform.database import Row, Transaction
from crm_relay.platform.errors import describe_error
from crm_relay.platform.sql import Statement
from crm_relay.providers.connectors.contract import FieldRule, TheirRecord

ERASED = "the person was erased, and does not come back"
NO_ADDRESS = "the record has no e-mail address"
SAME_ADDRESS = "another record has the same e-mail address"


@dataclass
class _Effects:
    """What a chunk writes, gathered before anything is."""

    updates: list[dict[str, Any]] = field(default_factory=list)
    inserts: list[dict[str, Any]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    conflicts: int = 0
    matched: set[UUID] = field(default_factory=set)
    passed: list[str] = field(default_factory=list)


def apply_records(
    run: StreamRun, records: Sequence[TheirRecord], checkpoint: Checkpoint, closing: Sequence[Statement] = ()
) -> None:
    """All of them, `closing` with the last; a record that the database refuses is rejected alone, with its reason."""
    run.incoming["read"] += len(records)

    def take(part: Sequence[TheirRecord]) -> None:
        # The cursor moves only behind the whole chunk.
        is_whole = len(part) == len(records)
        _apply(run, part, checkpoint, closing if is_whole else ())

    by_id = {each.their_id: each for each in records}
    refused = each_alone(list(by_id), lambda ids: take([by_id[one] for one in ids])) if records else {}
    if refused or not records:
        _finish(run, {one: describe_error(error) for one, error in refused.items()}, closing)


def _apply(run: StreamRun, part: Sequence[TheirRecord], checkpoint: Checkpoint, closing: Sequence[Statement]) -> None:
    def work(tx: Transaction) -> _Effects:
        addresses = {each.their_id: _address(each) for each in part}
        known = [address for address in addresses.values() if address]
        hashes = {their_id: run.hasher.of(MATCH, address) for their_id, address in addresses.items() if address}
        given = [
            {"their_id": their_id, "address": address, "sent_address": hashes.get(their_id)}
            for their_id, address in addresses.items()
        ]
        locking = store.locking(run.key, list(addresses), known, list(hashes.values()))
        _, rows = tx.send_all([locking, store.reading(run.key, given)])
        found = {row["their_id"]: row for row in rows}
        effects = _decide(run, part, found, checkpoint.pass_number)
        if not run.is_dry:
            tx.finish([*_statements(run, effects, checkpoint), *closing])
        return effects

    effects = run.db.transact(work)
    run.matched |= effects.matched
    run.incoming["created"] += len(effects.inserts)
    run.incoming["updated"] += len(effects.updates)
    run.incoming["failed"] += len(effects.refused)
    run.incoming["conflicts"] += effects.conflicts
    for reason in effects.refused.values():
        run.note(reason)


def _address(record: TheirRecord) -> str | None:
    value = comparable(MATCH, record.fields.get(MATCH))
    return value if isinstance(value, str) and "@" in value else None


def _decide(run: StreamRun, part: Sequence[TheirRecord], found: Mapping[str, Row], number: int) -> _Effects:
    effects, taken = _Effects(), set[UUID | str]()
    for record in part:
        row = found[record.their_id]
        if record.is_removed:
            if row["linked_id"] is not None and row["state"] is None:
                effects.gone.append(record.their_id)
            continue
        if row["state"] == "remove":
            continue
        owner = row["our_id"] or _address(record)
        reason = _refusal(record, row, is_taken=row["linked_id"] is None and owner in taken)
        if reason == ERASED and row["sent"] is not None:
            effects.records.append(_to_remove(record, number))
            continue
        if reason is not None:
            effects.refused[record.their_id] = reason
            continue
        if owner is not None:
            taken.add(owner)
        _decide_one(run, record, row, number, effects)
    return effects


def _to_remove(record: TheirRecord, number: int) -> dict[str, Any]:
    """Of somebody who was erased while a request of ours made or changed it, whose answer was lost."""
    nothing: dict[str, Any] = {"our_id": None, "fields": {}, "hash": "", "our_version": None, "is_settled": False}
    return {"their_id": record.their_id, "seen_in_pass": number, "state": "remove", **nothing}


def _refusal(record: TheirRecord, row: Row, *, is_taken: bool) -> str | None:
    if row["linked_id"] is None and _address(record) is None:
        return NO_ADDRESS
    if row["is_erased"]:
        return ERASED
    return SAME_ADDRESS if row["taken_by"] is not None or is_taken else None


def _decide_one(run: StreamRun, record: TheirRecord, row: Row, number: int, effects: _Effects) -> None:
    agreed = with_sent(
        run.stream.rules, parse_agreed(row["agreed"], run.stream.rules), row["sent"], record.fields, run.hasher
    )
    if row["our_id"] is None:
        is_left = row["was_deleted"] or not run.rules.creates_here or run.rules.direction == "out"
        if row["linked_id"] is not None or is_left:
            # Removed here, or nobody of ours: theirs stays as it is.
            effects.seen.append(record.their_id)
            return
        merged = merge(run.stream.rules, {}, record.fields, {}, run.hasher, theirs_is_later=True)
        contact = uuid4()
        effects.inserts.append({"id": contact, "fields": _columns(merged.incoming)})
        effects.records.append(_record(run, record, contact, merged.agreed, number, is_settled=True))
        effects.passed.append(record.their_id)
        return
    if row["linked_id"] is None:
        effects.matched.add(row["our_id"])
    merged = merge(
        _rules(run),
        row["fields"],
        record.fields,
        agreed,
        run.hasher,
        theirs_is_later=is_later(record.changed_at, row["updated_at"]),
    )
    effects.conflicts += len(merged.conflicts)
    columns = {} if row["is_deleted"] else _columns(merged.incoming)
    if columns:
        effects.updates.append({"id": row["our_id"], "fields": columns})
    _remember(run, record, row, merged, number, effects, has_changed=bool(columns))


def _remember(
    run: StreamRun,
    record: TheirRecord,
    row: Row,
    merged: Merged,
    number: int,
    effects: _Effects,
    *,
    has_changed: bool,
) -> None:
    effects.passed.append(record.their_id)
    is_settled = not merged.outgoing and not row["is_deleted"]
    put = _record(run, record, row["our_id"], merged.agreed, number, is_settled=is_settled)
    is_known = row["linked_id"] is not None and row["state"] is None and row["hash"] == put["hash"]
    is_as_it_was = parse_agreed(row["agreed"], run.stream.rules) == merged.agreed and not has_changed
    if is_known and is_as_it_was and (row["known_version"] == row["our_version"]) == is_settled:
        effects.seen.append(record.their_id)
    else:
        effects.records.append(put)


def _rules(run: StreamRun) -> Sequence[FieldRule]:
    """Where nothing is taken over, every field is ours; where nothing is sent, every field is theirs."""
    owner = {"out": "ours", "in": "theirs"}.get(run.rules.direction)
    if owner == "ours":
        return [FieldRule(each.ours, each.theirs, "ours") for each in run.stream.rules]
    if owner == "theirs":
        return [FieldRule(each.ours, each.theirs, "theirs") for each in run.stream.rules]
    return run.stream.rules


def _columns(incoming: Mapping[str, Any]) -> dict[str, Any]:
    return {name: None if value is None else str(value) for name, value in incoming.items() if name in WRITABLE}


def _record(
    run: StreamRun,
    record: TheirRecord,
    our_id: UUID,
    agreed: Mapping[str, Agreed],
    number: int,
    *,
    is_settled: bool,
) -> dict[str, Any]:
    hasher = run.hasher
    hashes = {rule.ours: hasher.of(rule.ours, record.fields.get(rule.ours)) for rule in run.stream.rules}
    return {
        "their_id": record.their_id,
        "our_id": our_id,
        "fields": {name: str(each) for name, each in agreed.items()},
        "hash": hasher.of_record(record.their_id, theirs_as_ours(agreed, hashes)),
        "our_version": None,
        "is_settled": is_settled,
        "seen_in_pass": number,
        "state": None,
    }


def _statements(run: StreamRun, effects: _Effects, checkpoint: Checkpoint) -> list[Statement]:
    now, found = run.now(), []
    if effects.updates:
        found.append(store.updating(effects.updates, now))
    if effects.inserts:
        found.append(store.inserting(run.key.org_id, effects.inserts, now))
    if effects.records:
        found.append(store.putting(run.key, effects.records, now))
    if effects.seen and checkpoint.pass_began_at is not None:
        found.append(store.marking_seen(run.key, checkpoint.pass_number, effects.seen))
    if effects.gone:
        found += _gone(run, effects.gone, checkpoint)
    if effects.refused:
        found.append(_rejecting(run, effects.refused))
    passed = [each for each in effects.passed if each not in run.unjudged]
    if passed and checkpoint.pass_began_at is not None:
        found.append(store.clearing_rejects(run.key, FROM_EXTERNAL, passed))
    return found


def _gone(run: StreamRun, gone: Sequence[str], checkpoint: Checkpoint) -> list[Statement]:
    """More than is believable are left to the complete pass, which asks before it archives their contacts."""
    now, marked = run.now(), store.marking_gone(run.key, gone, run.now())
    if run.rules.when_removed_there != "archive":
        return [marked]
    is_much = shrink(len(gone), checkpoint.known, run.rules.shrink_limit_percent) is not None and not run.may_shrink
    return [] if is_much else [store.archiving_linked(run.key, gone, now), marked]


def _rejecting(run: StreamRun, refused: Mapping[str, str]) -> Statement:
    rows = [
        {"direction": FROM_EXTERNAL, "record_id": their_id, "reason": reason, "our_version": None}
        for their_id, reason in sorted(refused.items())
    ]
    return store.putting_rejects(run.key, rows, run.now())


def _finish(run: StreamRun, refused: Mapping[str, str], closing: Sequence[Statement]) -> None:
    """The rejects of the records that failed alone, and the cursor behind the chunk."""
    run.incoming["failed"] += len(refused)
    for reason in refused.values():
        run.note(reason)
    statements = [*([_rejecting(run, refused)] if refused else ()), *closing]
    if statements and not run.is_dry:
        run.db.transact(lambda tx: tx.finish(statements))
