"""Has who opted out here unsubscribed there: noted before the other side is asked, and asked until it says so."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from crm_relay.connections.audiences import store
from crm_relay.connections.audiences.decisions import LEAVING, is_out, suppressions
from crm_relay.connections.decisions import retry_pause
from crm_relay.connections.records.stream_run import StreamRun
from crm_relay.platform.database import Row, Transaction
from crm_relay.providers.connectors.contract import AudienceStream, WriteOutcome, Written
from crm_relay.providers.connectors.failures import TimeUsedUp

_REQUEST_SECONDS = 5.0
_LATE_COMMITS = 5_000
"""So many events of the ledger are looked at again: one may be committed behind others that were recorded later."""


def send_departures(run: StreamRun, pass_began_at: datetime | None = None) -> None:
    """Whatever the direction of the connection is. Nothing of a stream without standings.

    `pass_began_at`: of a complete pass that has come to its end: it compared everybody with the ledger of then. Raises
    what `AudienceStream.unsubscribe` raises, and TimeUsedUp: who was noted is asked for by the next run.
    """
    stream = run.stream
    if not isinstance(stream, AudienceStream) or run.is_dry:
        return
    _note_departures(run, stream, pass_began_at)
    while rows := store.leaving(run.db, run.key, run.now(), stream.largest_write):
        if not run.deadline.allows(_REQUEST_SECONDS):
            raise TimeUsedUp("the time of the run is up before everybody who left was unsubscribed")
        left = _still_out(run, rows)
        if left:
            _settle(run, left, stream.unsubscribe([row["their_id"] for row in left]))


def _note_departures(run: StreamRun, stream: AudienceStream, pass_began_at: datetime | None) -> None:
    """What the ledger has got since the last look; a complete pass compares everybody."""
    seen, newest = store.ledger_end(run.db, run.key)
    if newest == seen:
        return
    after = max(0, seen - _LATE_COMMITS)
    rows = store.newly_out(run.db, run.key, after)
    strangers = store.out_without_record(run.db, run.key, after, seen, pass_began_at)
    # A record may be known by the hash of an address that its contact had before.
    found: dict[str, str] = {stream.id_of(address): address for address in strangers}
    found |= {row["their_id"]: row["address"] for row in rows}
    run.db.transact(lambda tx: _note(tx, run, found, newest))


def _note(tx: Transaction, run: StreamRun, found: Mapping[str, str], newest: int) -> None:
    put: list[Mapping[str, str]] = []
    if found:
        (facts,) = tx.send_all([store.facts_of(run.key.org_id, sorted(set(found.values())))])
        suppressed = suppressions(run.key.org_id, facts)
        put = [
            {"their_id": their_id, "address": address, "standing": LEAVING}
            for their_id, address in found.items()
            if is_out(suppressed.get(address))
        ]
    noted = [store.putting(run.key, put, run.now())] if put else []
    tx.finish([*noted, store.saving_ledger_seen(run.key, newest)])


def _still_out(run: StreamRun, rows: Sequence[Row]) -> list[Row]:
    """A person who has consented since the opt-out was noted is left alone: the note may be old."""
    addresses = sorted({row["address"] for row in rows if row["address"] is not None})
    statement = store.facts_of(run.key.org_id, addresses)
    suppressed = suppressions(run.key.org_id, run.db.run(statement.query, **statement.values) if addresses else ())
    back = [row["their_id"] for row in rows if row["address"] and not is_out(suppressed.get(row["address"]))]
    if back:
        run.db.transact(lambda tx: tx.finish([store.dropping(run.key, back)]))
    return [row for row in rows if row["their_id"] not in set(back)]


def _settle(run: StreamRun, rows: Sequence[Row], outcomes: Sequence[WriteOutcome]) -> None:
    now, settled, gone = run.now(), list[dict[str, Any]](), list[str]()
    for row, outcome in zip(rows, outcomes, strict=True):
        if isinstance(outcome, Written):
            settled.append(_row(row, "unsubscribed", None, None))
            run.outgoing["unsubscribed"] += 1
        elif outcome.is_gone:
            gone.append(row["their_id"])
        else:
            retry_at = (now + retry_pause(row["attempts"])).isoformat()
            settled.append(_row(row, LEAVING, outcome.reason[:500], retry_at))
            run.outgoing["failed"] += 1
            run.note(outcome.reason)
    statements = [store.settling(run.key, settled, now)] if settled else []
    statements += [store.dropping(run.key, gone)] if gone else []
    run.db.transact(lambda tx: tx.finish(statements))


def _row(row: Row, standing: str, reason: str | None, retry_at: str | None) -> dict[str, Any]:
    return {"their_id": row["their_id"], "standing": standing, "reason": reason, "retry_at": retry_at}
