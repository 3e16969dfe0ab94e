"""The ten operators of conditions, and how two values of any type are compared."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

OPERATORS: Final = frozenset(
    {"eq", "neq", "gt", "gte", "lt", "lte", "contains", "not_contains", "is_null", "is_not_null"}
)
NEED_A_VALUE: Final = OPERATORS - {"eq", "neq", "is_null", "is_not_null"}

_ID = re.compile(r"\s*[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\s*")
_NUMBER = re.compile(r"\s*[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*")

Scalar = str | int | float | bool | None


def compare(actual: Any, operator: str, wanted: Any) -> bool:
    """Whether `actual` stands in the relation `operator` to `wanted`.

    - Null, nothing and blank text are one: `is_null`, and also `eq` to null or "". It is below and above nothing.
    - Numbers are compared as such, also where either side is a text; points in time (ISO 8601, UTC where they have
      no offset) likewise. Ids are equal in capitals too. Other texts are equal or not, letter by letter, and have no
      order.
    - What cannot be compared does not hold: no order, not equal, not contained.
    - `contains`: a text inside a text whatever the case, or one of the items of a list.
    - `neq`, `not_contains` and `is_not_null` hold exactly where `eq`, `contains` and `is_null` do not.
    """
    return _HOLDS[operator](_bare(actual), _bare(wanted))


def is_missing(value: object) -> bool:
    """Whether `value` counts as null: null itself, or a blank text."""
    return _bare(value) is None


def _bare(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if not isinstance(value, str):
        return value
    return value.strip().lower() if _ID.fullmatch(value) else value if value.strip() else None


def _equal(actual: Any, wanted: Any) -> bool:
    if actual is None or wanted is None:
        return actual is wanted
    if isinstance(actual, bool) or isinstance(wanted, bool):
        return actual is wanted
    if (order := _order(actual, wanted)) is not None:
        return order == 0
    return isinstance(actual, str) and actual == wanted


def _order(actual: Any, wanted: Any) -> int | None:
    """-1, 0, 1; None: the two have no order."""
    for read in (_number, _moment):
        left, right = read(actual), read(wanted)
        if left is not None and right is not None:
            return int(left > right) - int(left < right)
    return None


def _contained(actual: Any, wanted: Any) -> bool:
    if isinstance(actual, str) and isinstance(wanted, str):
        return wanted.casefold() in actual.casefold()
    if isinstance(actual, list | tuple | set | frozenset):
        return any(_equal(_folded(item), _folded(wanted)) for item in actual)
    return False


def _folded(value: Any) -> Any:
    bare = _bare(value)
    return bare.casefold() if isinstance(bare, str) else bare


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return Decimal(value.strip()) if _NUMBER.fullmatch(value) else None
    if isinstance(value, int | float | Decimal):
        # A float by its shortest writing, 0.1 for 0.1; an integer of any length.
        number = Decimal(str(value) if isinstance(value, float) else value)
        return number if number.is_finite() else None
    return None


def _moment(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


_HOLDS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "eq": _equal,
    "neq": lambda actual, wanted: not _equal(actual, wanted),
    "gt": lambda actual, wanted: _order(actual, wanted) == 1,
    "gte": lambda actual, wanted: _order(actual, wanted) in {0, 1},
    "lt": lambda actual, wanted: _order(actual, wanted) == -1,
    "lte": lambda actual, wanted: _order(actual, wanted) in {-1, 0},
    "contains": _contained,
    "not_contains": lambda actual, wanted: not _contained(actual, wanted),
    "is_null": lambda actual, _wanted: actual is None,
    "is_not_null": lambda actual, _wanted: actual is not None,
}
