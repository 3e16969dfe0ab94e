"""Records that are gone on one side: known only after a complete pass, looked up once more, and never too many."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from crm_relay.connections.audiences.take_standings import take_standings
from crm_relay.connections.decisions import RemovalWarning, shrink
from crm_relay.connections.records import store
from crm_relay.connections.records.apply_page import apply_records
from crm_relay.connections.records.each_alone import each_alone
from crm_relay.connections.records.store import CHUNK, Checkpoint
from crm_relay.connections.records.stream_run import StreamRun
from crm_relay.platform.database import Row
from crm_relay.platform.errors import FatalError, describe_error
from crm_relay.platform.sql import Statement
from crm_relay.providers.connectors.contract import AudienceStream

_LOOK_UP = 100


class NeedsConfirmation(FatalError):
    """The sync would remove more than is believable: it stops before anything is removed, and asks."""

    def __init__(self, shrink: RemovalWarning, consequence: str) -> None:
        super().__init__(shrink.reason)
        self.shrink, self.consequence = shrink, consequence


@dataclass(frozen=True)
class Removals:
    """What a complete pass found missing there, and what has to go there."""

    missing_there: int
    to_remove_there: int


def words_of_gone(run: StreamRun) -> str:
    """What becomes of `{n}` contacts whose records are gone there."""
    if run.rules.when_removed_there == "archive":
        return "archive {n} contact(s) here"
    return "no longer sync {n} contact(s) that are gone there"


def words_of_removed(run: StreamRun) -> str:
    """What becomes of `{n}` records that have to go there."""
    return f"{run.stream.removal} {{n}} record(s) there"


def find_missing(run: StreamRun, checkpoint: Checkpoint) -> int:
    """Records that the complete pass did not read: gone, unless a look at each shows it after all (pages shift).

    Raises NeedsConfirmation before anything is taken as gone; a page that came twice hides many that are still there,
    so that is decided behind the look. How many are gone.
    """
    rows = store.unseen_records(run.db, run.key, checkpoint.pass_number, "", _LOOK_UP)
    if not rows:
        return 0
    known, missing, words = store.read_checkpoint(run.db, run.key).known, int(rows[0]["unseen"]), words_of_gone(run)
    _ensure_believable(run, 0, known, words.format(n=known), read=checkpoint.pass_read)
    if run.is_dry:
        _ensure_believable(run, missing, known, words.format(n=missing))
        run.incoming["gone"] += missing
        return missing
    gone, asked = list[str](), 0
    while rows:
        gone, asked = gone + _look_again(run, [row["their_id"] for row in rows], checkpoint), asked + len(rows)
        # Those that nobody has looked at again may be gone as well.
        most = len(gone) + missing - asked
        _ensure_believable(run, len(gone), known, words.format(n=f"up to {most}" if asked < missing else most))
        rows = store.unseen_records(run.db, run.key, checkpoint.pass_number, rows[-1]["their_id"], _LOOK_UP)
    for start in range(0, len(gone), CHUNK):
        _take_as_gone(run, gone[start : start + CHUNK])
    return len(gone)


def _look_again(run: StreamRun, their_ids: Sequence[str], checkpoint: Checkpoint) -> list[str]:
    """Those that are gone."""
    there = run.stream.look_up(their_ids)
    found = {each.their_id for each in there}
    if there:
        take_standings(run, there)
        apply_records(run, sorted(there, key=lambda each: each.their_id), checkpoint)
        # Also of those that were refused: they are there.
        store.run(run.db, store.marking_seen(run.key, checkpoint.pass_number, sorted(found)))
    return [one for one in their_ids if one not in found]


def _take_as_gone(run: StreamRun, gone: Sequence[str]) -> None:
    now, statements = run.now(), list[Statement]()
    if run.rules.when_removed_there == "archive":
        statements.append(store.archiving_linked(run.key, gone, now))
    statements.append(store.marking_gone(run.key, gone, now))
    run.db.transact(lambda tx: tx.finish(statements))
    run.incoming["gone"] += len(gone)


def remove_there(run: StreamRun) -> int:
    """What has to go there: erased people always, deleted contacts where the settings say so. How many went.

    Raises NeedsConfirmation where that would be too many of the known ones.
    """
    with_deleted = run.rules.when_removed_here == "remove" and run.rules.direction != "in"
    rows = store.records_to_remove(run.db, run.key, with_deleted=with_deleted, limit=run.stream.largest_write)
    if not rows:
        return 0
    unasked = rows[0]["deletions"]
    known = store.read_checkpoint(run.db, run.key).known
    _ensure_believable(run, unasked, known, words_of_removed(run).format(n=unasked))
    if run.is_dry:
        run.outgoing["removed"] += rows[0]["wanted"]
        return int(rows[0]["wanted"])
    removed, refused = 0, set[str]()
    while fresh := [row for row in rows if row["their_id"] not in refused]:
        bad = _remove(run, fresh)
        removed, refused = removed + len(fresh) - len(bad), refused | bad
        limit = run.stream.largest_write + len(refused)
        rows = store.records_to_remove(run.db, run.key, with_deleted=with_deleted, limit=limit)
        rows = [row for row in rows if row["their_id"] not in refused][: run.stream.largest_write]
    run.outgoing["removed"] += removed
    return removed


def _remove(run: StreamRun, rows: Sequence[Row]) -> set[str]:
    """Those that the other side does not let go: they are asked for again by the next run, and hold up no other one.

    An audience forgets erased people for good; a person who was only deleted here can be taken back there.
    """
    stream = run.stream
    erased = [row["their_id"] for row in rows if row["state"] == "remove"]
    deleted = [row["their_id"] for row in rows if row["state"] != "remove"]
    erase = stream.erase if isinstance(stream, AudienceStream) else stream.remove
    refused = {
        **(each_alone(erased, erase) if erased else {}),
        **(each_alone(deleted, stream.remove) if deleted else {}),
    }
    for error in refused.values():
        run.note(describe_error(error))
    run.outgoing["failed"] += len(refused)
    store.forget_records(run.db, run.key, [one for one in (*erased, *deleted) if one not in refused])
    return set(refused)


def _ensure_believable(run: StreamRun, removed: int, known: int, consequence: str, *, read: int | None = None) -> None:
    found = shrink(removed, known, run.rules.shrink_limit_percent, read=read)
    if found is None or run.may_shrink:
        return
    if run.is_dry:
        run.examples.append(found.reason)
        return
    raise NeedsConfirmation(found, f"would {consequence}")


def close_pass(run: StreamRun, checkpoint: Checkpoint) -> Checkpoint:
    """The pass is complete, and what is missing is known."""
    closed = replace(checkpoint, pass_began_at=None, completed_at=run.now())
    if not run.is_dry:
        store.run(run.db, store.saving(run.key, closed, run.now()))
    return closed
