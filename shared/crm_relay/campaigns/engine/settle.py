"""What the fate of a mail or text message means for the step that queued it, and for the enrollment that it belongs to.

Lock, read, decide, record. The parts are offered one by one for a caller that has locks and writes of its own.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from crm_relay.campaigns.decisions import ENDS_AS
from crm_relay.campaigns.engine import store
from crm_relay.campaigns.load_campaign import bounded_delay, window_in
from crm_relay.campaigns.models import ENROLLMENT, StepDelay
from crm_relay.campaigns.settling import (
    EnrollmentMoved,
    EnrollmentPlace,
    LineSettled,
    PendingLine,
    after_settling,
    settles,
)
from crm_relay.campaigns.unsettled.store import EMAIL, SMS, keep_unsettled
from crm_relay.mail.models import Fate, Settled
from crm_relay.mail.reasons import line_for
from crm_relay.platform.database import Row, Transaction
from crm_relay.platform.errors import OF_ONE_ROW
from crm_relay.platform.sql import Statement
from crm_relay.rules.in_parts import in_parts
from crm_relay.rules.send_windows import SendWindow

__all__ = ["ENDS_AS", "decided", "line_of", "locks_and_reads", "settle", "settle_texts", "settle_what_can_be", "writes"]


SettledLine = tuple[Settled, LineSettled]
"""A message whose fate is known, and how its line of the log ends by it."""


def settle(tx: Transaction, settled: Sequence[Settled], now: datetime) -> None:
    """Two messages, in the transaction that records the fate; safe to call twice. Mail of others is left out.

    Never waits for a row that somebody else has locked, and is not stopped by one that the database refuses: such a
    step is kept, and settled later (campaigns/unsettled).
    """
    settle_what_can_be(tx, settled, EMAIL, now)


def settle_texts(tx: Transaction, settled: Sequence[Settled], now: datetime) -> None:
    """As settle, for text messages: an opt-out from them ends no sequence by itself."""
    settle_what_can_be(tx, settled, SMS, now)


def settle_what_can_be(
    tx: Transaction, settled: Sequence[Settled], channel: str, now: datetime, *, keeps: bool = True
) -> dict[Settled, Exception | None]:
    """Those that have to wait, kept where `keeps`: None for a row that is locked, or why it is refused."""
    ours = [each for each in settled if each.entity_type == ENROLLMENT]
    waiting: dict[Settled, Exception | None] = {}

    def some(part: Sequence[Settled]) -> None:
        locked = tx.apart(lambda: _settle(tx, [(each, _line_in(each, channel)) for each in part], now))
        waiting.update(dict.fromkeys(locked))

    if ours:
        waiting |= _in_parts(ours, some)
    if keeps and waiting:
        keep_unsettled(tx, list(waiting), channel)
    return waiting


def _in_parts(settled: Sequence[Settled], work: Callable[[Sequence[Settled]], None]) -> dict[Settled, Exception]:
    try:
        return in_parts(settled, work)
    except OF_ONE_ROW as error:
        # Everybody's: their messages have left all the same.
        return dict.fromkeys(settled, error)


def _line_in(settled: Settled, channel: str) -> LineSettled:
    line = line_of(settled)
    return line if channel == EMAIL else replace(line, ends_as=None)


def locks_and_reads(settled: Sequence[Settled]) -> list[Statement]:
    """The locks of their enrollments and lines, and the rows that `writes` decides by: the last statement's answer."""
    return store.settling(settled)


def decided(
    lines: Iterable[SettledLine], rows: Sequence[Row], now: datetime, among: Sequence[Row] | None = None
) -> tuple[list[tuple[PendingLine, LineSettled]], dict[UUID, EnrollmentMoved]]:
    """The lines that change, and what follows for each enrollment. `rows`: what was read, or those `among` it."""
    fates = {(each.entity_id, each.sequence_id): line for each, line in lines}
    shared = SharedPlaces(rows if among is None else among)
    changed: list[tuple[PendingLine, LineSettled]] = []
    by_enrollment: dict[UUID, list[tuple[PendingLine, LineSettled]]] = defaultdict(list)
    places: dict[UUID, EnrollmentPlace] = {}
    for row in rows:
        line, fate = PendingLine.of(row), fates[row["enrollment_id"], row["sequence_id"]]
        places[row["enrollment_id"]] = _place(row, shared)
        if settles(line, fate):
            changed.append((line, fate))
            by_enrollment[row["enrollment_id"]].append((line, fate))
    return changed, {each: after_settling(places[each], found, now) for each, found in by_enrollment.items()}


def writes(
    lines: Iterable[SettledLine], rows: Sequence[Row], now: datetime, among: Sequence[Row] | None = None
) -> list[Statement]:
    """One statement for the lines and one for the enrollments, none where nothing changes. Rows as in `decided`."""
    changed, moved = decided(lines, rows, now, among)
    return store.settled(changed, moved, now)


def line_of(settled: Settled) -> LineSettled:
    """What became of the step."""
    return _line_of(settled.fate, settled.reason)


@lru_cache(maxsize=256)
def _line_of(fate: Fate, reason: str | None) -> LineSettled:
    """The same for nearly all of a batch."""
    match fate:
        case Fate.SENT:
            return LineSettled("sent")
        case Fate.DRY_RUN:
            # Nobody said no: this installation does not send to them.
            return LineSettled("skipped", reason or "dry_run")
        case Fate.REFUSED:
            return LineSettled(line_for(reason), reason, ends_as=ENDS_AS.get(reason or ""))
        case Fate.FAILED:
            return LineSettled("failed", reason or "refused_by_provider", is_error=True)
        case Fate.UNKNOWN:
            # Nobody's error, and never tried again; an event may still prove that it was sent.
            return LineSettled("failed", "unknown")


def _settle(tx: Transaction, lines: Sequence[SettledLine], now: datetime) -> list[Settled]:
    """Those that are left because a row of theirs is locked."""
    *_, enrollments, free, rows = tx.send_all(locks_and_reads([each for each, _ in lines]))
    unlocked = {None, *(enrollments[0]["ids"] or ()), *(free[0]["ids"] or ())}
    ready = [row for row in rows if row["enrollment_id"] in unlocked and row["line_id"] in unlocked]
    if recorded := writes(lines, ready, now, rows):
        tx.send_all(recorded)
    if len(ready) == len(rows):
        return []
    done = {(row["enrollment_id"], row["sequence_id"]) for row in ready}
    left = {(row["enrollment_id"], row["sequence_id"]) for row in rows} - done
    return [each for each, _ in lines if (each.entity_id, each.sequence_id) in left]


class SharedPlaces:
    """What those at one place of a campaign have alike, of which one of the rows has it."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._shared = {_where(row): row["place"] for row in rows if row["place"] is not None}
        self._made: dict[tuple[object, ...], tuple[StepDelay | None, SendWindow | None]] = {}

    def of(self, row: Row) -> tuple[StepDelay | None, SendWindow | None]:
        """The delay of the next step and the window, for the enrollment of this row."""
        key = (*_where(row), row["recipient_zone"])
        if key not in self._made:
            shared = self._shared[_where(row)]
            zone = row["recipient_zone"] if shared["use_recipient_timezone"] else None
            delay = None if shared["following"] is None else bounded_delay(shared["following"])
            self._made[key] = delay, window_in({**shared, "recipient_zone": zone})
        return self._made[key]


def _place(row: Row, shared: SharedPlaces) -> EnrollmentPlace:
    following, window = shared.of(row)
    return EnrollmentPlace(
        status=row["status"],
        current_step=row["current_step"],
        next_step_at=row["next_step_at"],
        error_count=row["error_count"],
        pending=row["pending"],
        following=following,
        window=window,
    )


def _where(row: Row) -> tuple[UUID, int]:
    return row["campaign_id"], row["current_step"]
