"""One sync of one stream: read, remove, write, compare; whatever stops it stops nothing else."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from crm_relay.connections.audiences.send_departures import send_departures
from crm_relay.connections.audiences.take_departures import take_departures
from crm_relay.connections.audiences.take_standings import take_standings
from crm_relay.connections.decisions import Failure, RemovalWarning, classify
from crm_relay.connections.records import store
from crm_relay.connections.records.apply_page import apply_records
from crm_relay.connections.records.compare import SideComparison, compare_sides
from crm_relay.connections.records.read_pages import read_all_pages
from crm_relay.connections.records.removals import (
    NeedsConfirmation,
    close_pass,
    find_missing,
    remove_there,
    words_of_gone,
    words_of_removed,
)
from crm_relay.connections.records.store import Checkpoint
from crm_relay.connections.records.stream_run import FROM_EXTERNAL, StreamRun
from crm_relay.connections.records.write_changes import write_changes
from crm_relay.platform.errors import OF_ONE_ROW, FatalError, TransientError, describe_error
from crm_relay.platform.logging import logger
from crm_relay.providers.connectors.failures import SchemaDrift

_LOOK_UP = 100


@dataclass(frozen=True)
class StreamOrder:
    """What is asked of a sync. `chosen`: only these contacts are sent. `departures_alone`: the rest is held."""

    writes: bool = True
    complete: bool = False
    is_dry: bool = False
    may_shrink: bool = False
    chosen: frozenset[UUID] | None = None
    departures_alone: bool = False


@dataclass
class StreamReport:
    """What became of one stream. `has_stopped`: it stopped alone, such as for a field that is gone.

    `asks`: what a yes would let it do, where it needs one.
    """

    stream: str
    incoming: Counter[str] = field(default_factory=Counter)
    outgoing: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    failure: Failure = "none"
    has_stopped: bool = False
    was_stopped: bool = False
    differed: bool = False
    needs_confirmation: RemovalWarning | None = None
    asks: str = ""
    comparison: SideComparison | None = None
    consequences: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Counts and reasons, for the log."""
        return {
            "in": dict(self.incoming),
            "out": dict(self.outgoing),
            "outcome": self.failure,
            "consequences": self.consequences,
            "compared": None if self.comparison is None else self.comparison.as_json(),
        }


def sync_stream(run: StreamRun, order: StreamOrder, before: Checkpoint, *, complete: bool) -> StreamReport:
    """`before`: where the stream is. Errors of the stream and the vendor are classified in the report, not raised."""
    report = StreamReport(run.key.stream, run.incoming, run.outgoing, run.errors)
    if not order.departures_alone:
        report.was_stopped = before.stopped_reason is not None
        report.differed = before.compared is not None and not before.compared.get("is_equal", True)
    try:
        if order.departures_alone:
            take_departures(run, before)
        else:
            _sync(run, order, report, before, complete=complete)
    except NeedsConfirmation as error:
        report.needs_confirmation = error.shrink
        report.asks = error.consequence
        report.consequences.append(error.consequence)
        report.errors.append(describe_error(error))
    except (TransientError, FatalError, *OF_ONE_ROW) as error:
        report.failure = classify(error)
        report.errors.append(describe_error(error))
        logger().warning("a stream stopped", stream=run.key.stream, reason=describe_error(error), kind=report.failure)
        if report.failure == "stream" and not run.is_dry:
            report.has_stopped = True
            store.stop_stream(run.db, run.key, describe_error(error), run.now())
    report.consequences += [*_consequences(run), *run.examples]
    return report


def _sync(run: StreamRun, order: StreamOrder, report: StreamReport, before: Checkpoint, *, complete: bool) -> None:
    checkpoint = _read(run, order, before, complete=complete)
    is_pass = checkpoint.pass_began_at is not None
    if order.writes:
        send_departures(run, checkpoint.pass_began_at)
    if not run.is_dry:
        _try_refused_again(run, checkpoint)
    if is_pass:
        find_missing(run, checkpoint)
        checkpoint = close_pass(run, checkpoint)
    if order.writes:
        # Erased people go whatever the direction is.
        remove_there(run)
    if order.writes and run.rules.direction != "in":
        write_changes(run, checkpoint, order.chosen)
        if is_pass and order.chosen is None and not run.is_dry:
            report.comparison = _compare(run, checkpoint)


def _read(run: StreamRun, order: StreamOrder, before: Checkpoint, *, complete: bool) -> Checkpoint:
    """And who left either side: that waits for no field, and for nobody's confirmation."""
    try:
        return read_all_pages(run, before, complete=complete)
    except SchemaDrift:
        if order.writes:
            send_departures(run)
        raise


def _try_refused_again(run: StreamRun, checkpoint: Checkpoint) -> None:
    """Records of theirs that we refused: with the values that they have now."""
    waiting = store.rejected_there(run.db, run.key, run.now(), _LOOK_UP)
    if not waiting:
        return
    there = run.stream.look_up(waiting)
    take_standings(run, there)
    apply_records(run, sorted(there, key=lambda each: each.their_id), checkpoint)
    # Those that are gone there, and those that passed.
    store.run(run.db, store.clearing_retried(run.key, FROM_EXTERNAL, waiting, run.now()))


def _compare(run: StreamRun, checkpoint: Checkpoint) -> SideComparison:
    found = compare_sides(run, checkpoint)
    store.save_comparison(run.db, run.key, found.as_json(), run.now())
    return found


def _consequences(run: StreamRun) -> list[str]:
    """In words, for who has to say yes."""
    done = "would" if run.is_dry else "did"
    words = [
        (len(run.matched), "match {n} record(s) there with contacts here by their address"),
        (run.incoming["created"], "create {n} contact(s) here"),
        (run.incoming["updated"], "change {n} contact(s) here"),
        (run.incoming["gone"], words_of_gone(run)),
        (run.incoming["opt_outs"], "take over {n} departure(s) there"),
        (run.outgoing["leaving"], "unsubscribe {n} record(s) there"),
        (run.outgoing["created"], "create {n} record(s) there"),
        (run.outgoing["updated"], "change {n} record(s) there"),
        (run.outgoing["removed"], words_of_removed(run)),
    ]
    return [f"{done} {text.format(n=count)}" for count, text in words if count]
