"""Reads what the other side has or has changed, and takes it over, chunk by chunk with its cursor."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from crm_relay.connections.audiences.take_standings import take_standings
from crm_relay.connections.records import store
from crm_relay.connections.records.apply_page import apply_records
from crm_relay.connections.records.store import CHUNK, Checkpoint
from crm_relay.connections.records.stream_run import StreamRun
from crm_relay.platform.sql import Statement
from crm_relay.providers.connectors.contract import RecordPage, TheirRecord
from crm_relay.providers.connectors.failures import CursorLost, TimeUsedUp

_REQUEST_SECONDS = 5.0


@dataclass
class _Chunk:
    """Pages that are taken over together: few statements for many records."""

    records: list[TheirRecord]
    page: RecordPage


def read_all_pages(run: StreamRun, checkpoint: Checkpoint, *, complete: bool) -> Checkpoint:
    """From the stored checkpoint to the last page, or to what ends the run; the one behind what was taken over.

    `complete`: begin a complete pass unless one is under way. Raises TimeUsedUp, and what `RecordStream.read` raises:
    what was read before that is kept.
    """
    is_under_way = checkpoint.pass_began_at is not None
    if checkpoint.cursor is None or (complete and not is_under_way):
        checkpoint = replace(
            checkpoint,
            cursor=None,
            pass_number=checkpoint.pass_number + 1,
            pass_began_at=run.now(),
            pass_read=0,
        )
    try:
        return _read_on(run, checkpoint)
    except CursorLost:
        # Begun again from the start, by the next run: a complete pass that finds what the cursor would have shown.
        if not run.is_dry:
            _forget_cursor(run, checkpoint)
        raise


def _read_on(run: StreamRun, checkpoint: Checkpoint) -> Checkpoint:
    cursor, chunk = checkpoint.cursor, None
    try:
        while True:
            if not run.deadline.allows(_REQUEST_SECONDS):
                raise TimeUsedUp("the time of the run is up between two pages")
            page = run.stream.read(cursor)
            cursor = page.cursor
            records = (chunk.records if chunk else []) + list(page.records)
            chunk = _Chunk(records, page)
            if page.is_last or len(records) >= CHUNK:
                taken, chunk = chunk, None
                checkpoint = _take_over(run, taken, checkpoint)
            if page.is_last:
                return checkpoint
    finally:
        if chunk is not None:
            # What was read before the error counts; the error is raised behind it.
            _take_over(run, chunk, checkpoint)


def _take_over(run: StreamRun, chunk: _Chunk, checkpoint: Checkpoint) -> Checkpoint:
    is_pass = checkpoint.pass_began_at is not None
    # Also where the fields do not fit any more: who left has left.
    take_standings(run, chunk.records)
    if chunk.records:
        run.ensure_fields()
    behind = replace(
        checkpoint,
        cursor=chunk.page.cursor,
        pass_read=checkpoint.pass_read + (len(chunk.records) if is_pass else 0),
    )
    statements = [*closing(run, behind), *([store.clearing_unconfirmed(run.key)] if chunk.page.is_last else ())]
    apply_records(run, latest_of_each(chunk.records), behind, statements)
    return behind


def closing(run: StreamRun, checkpoint: Checkpoint) -> Sequence[Statement]:
    """What is stored with the records of a chunk."""
    return [store.saving(run.key, checkpoint, run.now())]


def latest_of_each(records: Sequence[TheirRecord]) -> list[TheirRecord]:
    """A page may repeat records of another one: the last that was read of each, in the order of their ids."""
    by_id = {each.their_id: each for each in records}
    return [by_id[their_id] for their_id in sorted(by_id)]


def _forget_cursor(run: StreamRun, checkpoint: Checkpoint) -> None:
    lost = replace(checkpoint, cursor=None, pass_began_at=None, pass_read=0)
    store.run(run.db, store.saving(run.key, lost, run.now()))
