"""Who wins where both sides changed a row, and whether a shrunken source may be believed; pure, with the reason."""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from crm_relay.edge_cache.keys import Entity
from crm_relay.edge_cache.models import CacheItem, LateEdit, SourceRow

SHRINK_LIMIT_PERCENT = 20.0
_FEW = 2
# They say when something was written and not what.
_TIMES = {"created_at", "updated_at"}

CLOCK_TOLERANCE = timedelta(minutes=5)
"""Clocks may differ by this. A time that is further ahead of ours is not believed: now is taken for it."""

EVENTS = ("sent_at", "opened_at", "clicked_at", "replied_at", "bounced_at")
"""What happened to an e-mail: the first time counts, from either side, and an edit at the edge cannot take it back."""

_MOMENT_LENGTH = len("2026-11-30T12:00:00.000000Z")


class Side(StrEnum):
    """Where a version of a row was written."""

    POSTGRES = "postgres"
    EDGE = "edge"


@dataclass(frozen=True)
class ConflictVerdict:
    """`is_conflict`: both sides had changed the row, and one of them loses: that is logged, with both versions.

    `differing`: what one side loses. `writes`: the document that PostgreSQL gets, None where its own stands as it is.
    """

    winner: Side
    rule: str
    is_conflict: bool = False
    differing: tuple[str, ...] = ()
    writes: str | None = None


def which_meeting(item: CacheItem, postgres: str | None) -> int:
    """Which edit met which row, for `edge_conflicts.edge_edits`: each meeting is logged once, however often it comes.

    The edit alone is no key: one that arrives a second time may meet a row that was written meanwhile.
    """
    met = json.dumps([item.edits, item.doc, postgres])
    return int(hashlib.sha256(met.encode()).hexdigest()[:7], 16)


def believed(at: datetime, now: datetime) -> datetime:
    """A time that others gave: one of the future says nothing but that they wrote before now."""
    return now if at > now + CLOCK_TOLERANCE else at


def decide(item: CacheItem, row: SourceRow | None, now: datetime, *, was_deleted: bool = False) -> ConflictVerdict:
    """What becomes of an edit that was made at the edge.

    `row` is what PostgreSQL has now; None: nothing, and `was_deleted` says whether an e-mail was deleted there.

    E-mails are written at the edge, so only a change on both sides is a conflict, and one that PostgreSQL lacks without
    having deleted it is new to it. Of everything else PostgreSQL is the source: an edit of such a copy is a conflict
    whatever PostgreSQL did meanwhile. Times of events are merged whichever side wins.
    """
    if row is None:
        if item.entity == "emails" and not was_deleted:
            return ConflictVerdict(Side.EDGE, "PostgreSQL does not have it", writes=item.doc)
        return ConflictVerdict(Side.POSTGRES, "deleted in PostgreSQL", True, differences(item.doc, None))
    whole = with_first_events(item.entity, item.doc, row.doc)
    if not differences(whole, row.doc):
        return ConflictVerdict(Side.POSTGRES, "both sides say the same")
    lost = lost_fields(item.entity, item.doc, row.doc)
    if not lost:
        return ConflictVerdict(Side.EDGE, "the first time of each event counts", writes=whole)
    if item.entity == "emails" and _is_edges_own(item, row, now):
        return ConflictVerdict(Side.EDGE, "changed at the edge alone", writes=whole)
    if _edge_wrote_last(item, row, now):
        return ConflictVerdict(Side.EDGE, "the edge wrote last", True, lost, whole)
    theirs = with_first_events(item.entity, row.doc, item.doc)
    writes = theirs if differences(theirs, row.doc) else None
    return ConflictVerdict(Side.POSTGRES, "PostgreSQL wrote last, or at the same time", True, lost, writes)


def _is_edges_own(item: CacheItem, row: SourceRow, now: datetime) -> bool:
    """Whether the row is what the edit began with, or what an earlier edit of the same item made of that.

    The edge's clock may be behind PostgreSQL's. An edit that is older than the row by more than that is a late copy of
    an earlier one, whatever it began with.
    """
    if row.edge_base is not None and row.edge_base == item.version:
        return True
    if row.version != item.version or item.edited_at is None:
        return False
    return _is_of_the_future(row, now) or item.edited_at >= row.updated_at - CLOCK_TOLERANCE


def _edge_wrote_last(item: CacheItem, row: SourceRow, now: datetime) -> bool:
    """A row that says it was written in the future was there before the edit that began with it, and else just now."""
    if item.edited_at is None:
        return False
    if _is_of_the_future(row, now):
        return row.version == item.version
    return item.edited_at > row.updated_at


def _is_of_the_future(row: SourceRow, now: datetime) -> bool:
    return row.updated_at > now + CLOCK_TOLERANCE


@dataclass(frozen=True)
class Arrival:
    """What becomes of an edit that arrives at the edge. `after` None: nothing. `late`: the edit that another overtook.

    `is_new`: the item says what this edit says, and did not before.
    """

    after: CacheItem | None
    is_new: bool = False
    late: LateEdit | None = None


def arrive(known: CacheItem | None, edit: LateEdit, now: datetime) -> Arrival:
    """Of two edits the later one stands, in whatever order they come, and the first time of each event.

    `edit` has a time that is believed. An edit that says what is there moves the time, and nothing else.
    """
    fresh = CacheItem(edit.entity, edit.row_id, 0, edit.doc, edit.edited_at, now, 0, 1, edit.edited_at, edit.edited_at)
    if known is None:
        return Arrival(fresh, is_new=True)
    after = replace(known, doc=edit.doc, edited_at=edit.edited_at, said_at=edit.edited_at, written_at=now)
    after = replace(after, edits=known.edits + 1)
    if known.doc is None:
        return Arrival(after, is_new=True)
    whole = with_first_events(edit.entity, edit.doc, known.doc)
    said_at = _said_at(known, now)
    is_last = said_at is None or edit.edited_at > said_at or _follows_at_once(known, edit, said_at)
    if not differences(whole, known.doc):
        return Arrival(_said_again(known, edit.edited_at) if is_last else None)
    if is_last:
        return Arrival(replace(after, doc=whole), is_new=True)
    if known.edited_at == edit.edited_at:
        # Of one moment: the one that comes last is taken: nothing distinguishes them.
        other = LateEdit(edit.entity, edit.row_id, known.doc, edit.edited_at)
        return Arrival(replace(after, doc=whole), is_new=True, late=_if_it_loses(other, edit.doc))
    return _overtaken(known, edit, said_at or edit.edited_at)


def _follows_at_once(known: CacheItem, edit: LateEdit, said_at: datetime) -> bool:
    """At the time of an edit that is decided; but where PostgreSQL has written since, it is that edit once more."""
    return edit.edited_at == said_at and known.edited_at is None and known.updated_at <= edit.edited_at


def _said_at(known: CacheItem, now: datetime) -> datetime | None:
    """One of the future would keep all later edits away."""
    said_at = known.said_at or known.edited_at
    return None if said_at is None or said_at > now + CLOCK_TOLERANCE else said_at


def _said_again(known: CacheItem, at: datetime) -> CacheItem:
    return replace(known, said_at=at, edited_at=None if known.edited_at is None else at)


def _overtaken(known: CacheItem, edit: LateEdit, said_at: datetime) -> Arrival:
    """It is one edit more, which says nothing but when something happened first."""
    doc = with_first_events(edit.entity, known.doc, edit.doc)
    after = replace(known, edits=known.edits + 1)
    if differences(doc, known.doc):
        after = replace(after, doc=doc, edited_at=known.edited_at or said_at)
    return Arrival(after, late=_if_it_loses(edit, known.doc))


def _if_it_loses(edit: LateEdit, other: str | None) -> LateEdit | None:
    return edit if lost_fields(edit.entity, edit.doc, other) else None


def lost_fields(entity: Entity, one: str | None, other: str | None) -> tuple[str, ...]:
    """Of what differs all but what is merged."""
    merged = EVENTS if entity == "emails" else ()
    return tuple(name for name in differences(one, other) if name not in merged)


def with_first_events(entity: Entity, doc: str | None, other: str | None) -> str | None:
    """`doc` with the earlier time of each event; as it is where the other says nothing earlier."""
    if entity != "emails" or doc is None or other is None:
        return doc
    ours, theirs = _fields(doc), _fields(other)
    earlier = {name: theirs[name] for name in EVENTS if _is_earlier(theirs.get(name), ours.get(name))}
    return json.dumps(ours | earlier, ensure_ascii=False, sort_keys=True) if earlier and ours else doc


def _is_earlier(theirs: object, ours: object) -> bool:
    """Both as documents have them: of one length, in UTC. Anything else is no time of an event."""
    if not isinstance(theirs, str) or len(theirs) != _MOMENT_LENGTH:
        return False
    return ours is None or (isinstance(ours, str) and len(ours) == _MOMENT_LENGTH and theirs < ours)


def differences(one: str | None, other: str | None) -> tuple[str, ...]:
    """Names of the fields in which two documents differ, but for the times at which they were written."""
    left, right = _fields(one), _fields(other)
    names = (left.keys() | right.keys()) - _TIMES
    return tuple(sorted(name for name in names if left.get(name) != right.get(name)))


def _fields(doc: str | None) -> dict[str, Any]:
    """None of them where others wrote what is no document."""
    try:
        content = json.loads(doc or "{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def may_delete(*, rows: int, deletions: int, allowed: bool, limit_percent: float = SHRINK_LIMIT_PERCENT) -> bool:
    """Whether deletions are passed on. `rows` are left in the source, `deletions` are those that wait.

    A source that is empty, or that lost more than the limit at once, has more likely had an accident. Of a small table
    one row is more than the limit: one or two may go as long as no fewer are left.
    """
    if allowed or deletions == 0:
        return True
    share = 100.0 * deletions / (rows + deletions)
    return rows > 0 and (deletions <= min(_FEW, rows) or share <= limit_percent)
