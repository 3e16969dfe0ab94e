"""Who wins where both sides changed a row, and whether a shrunken source may be believed; pure, with the reason."""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from crm_relay.edge_cache.models import CacheItem, SourceRow

SHRINK_LIMIT_PERCENT = 20.0
_FEW = 10
# They say when something was written and not what.
_TIMES = {"created_at", "updated_at"}


class Side(StrEnum):
    """Where a version of a row was written."""

    POSTGRES = "postgres"
    EDGE = "edge"


@dataclass(frozen=True)
class ConflictVerdict:
    """`is_conflict`: both sides had changed the row, and one of them loses: that is logged, with both versions."""

    winner: Side
    rule: str
    is_conflict: bool = False
    differing: tuple[str, ...] = ()


def decide(item: CacheItem, row: SourceRow | None, *, was_deleted: bool = False) -> ConflictVerdict:
    """What becomes of an edit that was made at the edge.

    `row` is what PostgreSQL has now; None: nothing, and `was_deleted` says whether an e-mail was deleted there.

    E-mails are written at the edge, so only a change on both sides is a conflict, and one that PostgreSQL lacks without
    having deleted it is new to it. Of everything else PostgreSQL is the source: an edit of such a copy is a conflict
    whatever PostgreSQL did meanwhile.
    """
    if row is None:
        if item.entity == "emails" and not was_deleted:
            return ConflictVerdict(Side.EDGE, "PostgreSQL does not have it")
        return ConflictVerdict(Side.POSTGRES, "deleted in PostgreSQL", True, differences(item.doc, None))
    differing = differences(item.doc, row.doc)
    if not differing:
        return ConflictVerdict(Side.POSTGRES, "both sides say the same")
    if item.entity == "emails" and _is_edges_own(item, row):
        return ConflictVerdict(Side.EDGE, "changed at the edge alone")
    if item.edited_at is not None and item.edited_at > row.updated_at:
        return ConflictVerdict(Side.EDGE, "the edge wrote last", True, differing)
    return ConflictVerdict(Side.POSTGRES, "PostgreSQL wrote last, or at the same time", True, differing)


def _is_edges_own(item: CacheItem, row: SourceRow) -> bool:
    """Whether the row is what the edit began with, or what an earlier edit of the same item made of that.

    An edit that is older than the row is a late copy of an earlier one, whatever it began with.
    """
    if row.edge_base is not None and row.edge_base == item.version:
        return True
    return row.version == item.version and item.edited_at is not None and item.edited_at >= row.updated_at


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

    A source that is empty, or that lost more than the limit at once, has more likely had an accident. A handful is let
    through: of three mailboxes one is a third.
    """
    if allowed or deletions == 0:
        return True
    share = 100.0 * deletions / (rows + deletions)
    return rows > 0 and (deletions < _FEW or share <= limit_percent)
