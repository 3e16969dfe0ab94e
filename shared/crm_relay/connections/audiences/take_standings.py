"""Takes over who left an audience, before anything else of a page: into the ledger, each departure once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from crm_relay.connections.audiences import store
from crm_relay.connections.audiences.decisions import LEAVING, KnownStanding, judge, suppressions
from crm_relay.connections.records import store as record_store
from crm_relay.connections.records.each_alone import each_alone
from crm_relay.connections.records.merge import MATCH, comparable
from crm_relay.connections.records.stream_run import FROM_EXTERNAL, StreamRun
from crm_relay.consent.models import ConsentEvent
from crm_relay.consent.record import recording
from crm_relay.platform.database import Row, Transaction
from crm_relay.platform.errors import describe_error
from crm_relay.platform.sql import Statement
from crm_relay.providers.connectors.contract import AudienceStream, TheirRecord


@dataclass
class _Found:
    """What a page writes, gathered before anything is."""

    events: list[ConsentEvent] = field(default_factory=list)
    put: list[dict[str, str]] = field(default_factory=list)
    drop: list[str] = field(default_factory=list)


def take_standings(run: StreamRun, records: Sequence[TheirRecord]) -> None:
    """Nothing of a stream without standings. One transaction, before the records are: safe to call twice.

    It ends before contacts are locked, since what the ledger brings about locks customers, who come first. A departure
    that the database refuses costs no other one, and is tried again.
    """
    stream = run.stream
    by_id = {each.their_id: each for each in records if _address(each) is not None}
    if not isinstance(stream, AudienceStream) or not by_id:
        return
    refused = each_alone(sorted(by_id), lambda ids: _take(run, stream, [by_id[one] for one in ids]))
    if refused:
        _reject(run, refused)


def _reject(run: StreamRun, refused: Mapping[str, Exception]) -> None:
    run.incoming["failed"] += len(refused)
    run.unjudged |= set(refused)
    for error in refused.values():
        run.note(describe_error(error))
    rows = [
        {"direction": FROM_EXTERNAL, "record_id": one, "reason": describe_error(error), "our_version": None}
        for one, error in refused.items()
    ]
    if not run.is_dry:
        run.db.transact(lambda tx: tx.finish([record_store.putting_rejects(run.key, rows, run.now())]))


def _take(run: StreamRun, stream: AudienceStream, records: Sequence[TheirRecord]) -> None:
    aliases = [{"their_id": each.their_id, "former_id": each.former_id} for each in records if each.former_id]
    addresses = {each.their_id: address for each in records if (address := _address(each)) is not None}
    given = [{"their_id": their_id, "address": address} for their_id, address in addresses.items()]

    def work(tx: Transaction) -> _Found:
        renames = [] if run.is_dry or not aliases else store.renaming(run.key, aliases)
        reads = [store.standings_of(run.key, given), store.facts_of(run.key.org_id, sorted(set(addresses.values())))]
        known, facts = tx.send_all([*renames, *reads])[-2:] if renames else tx.send_all(reads)
        found = _decide(run, stream, records, addresses, known, facts)
        statements = [] if run.is_dry else _statements(run, found)
        if statements:
            tx.finish(statements)
        return found

    found = run.db.transact(work)
    run.incoming["opt_outs"] += len(found.events)
    run.outgoing["leaving"] += sum(each["standing"] == LEAVING for each in found.put)


def _address(record: TheirRecord) -> str | None:
    value = comparable(MATCH, record.fields.get(MATCH))
    return value if isinstance(value, str) and "@" in value else None


def _decide(
    run: StreamRun,
    stream: AudienceStream,
    records: Sequence[TheirRecord],
    addresses: dict[str, str],
    known: Sequence[Row],
    facts: Sequence[Row],
) -> _Found:
    before = {row["their_id"]: KnownStanding(row["standing"], row["is_same"]) for row in known}
    suppressed = suppressions(run.key.org_id, facts)
    found, now = _Found(), run.now()
    for record in records:
        address = addresses.get(record.their_id)
        if address is None or record.standing is None:
            continue
        verdict = judge(record.standing, before.get(record.their_id), suppressed.get(address))
        if verdict.drop:
            found.drop.append(record.their_id)
        if verdict.put is not None:
            found.put.append({"their_id": record.their_id, "address": address, "standing": verdict.put})
        if verdict.event is not None:
            at: datetime = record.changed_at or now
            mark = f"{run.key.connection_id}:{record.their_id}:{record.standing}:{at.isoformat()}"
            found.events.append(
                ConsentEvent(verdict.event, address, stream.ledger_source, at, source_event=mark, org_id=run.key.org_id)
            )
    return found


def _statements(run: StreamRun, found: _Found) -> list[Statement]:
    statements = []
    if found.events:
        statements.append(recording(found.events))
    if found.put:
        statements.append(store.putting(run.key, found.put, run.now()))
    if found.drop:
        statements.append(store.dropping(run.key, found.drop))
    return statements
