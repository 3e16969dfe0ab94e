"""Skip conditions: what a step may look at before it is done, and when each of them holds."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from crm_relay.platform.errors import RejectedInput

ENROLLMENT_FIELDS: Final = frozenset(
    {
        "status", "current_step", "steps_completed", "ab_variant", "emails_sent", "emails_opened", "emails_clicked",
        "linkedin_sent", "calls_made", "sms_sent", "engagement_score", "error_count", "last_step_at",
        "last_engagement_at", "first_opened_at", "first_clicked_at", "replied_at", "created_at",
    }
)  # fmt: skip
CONTACT_FIELDS: Final = frozenset(
    {"email", "phone", "first_name", "last_name", "company_name", "title", "timezone", "linkedin_url", "status"}
)
OPERATORS: Final = frozenset(
    {"eq", "neq", "gt", "gte", "lt", "lte", "contains", "not_contains", "is_null", "is_not_null"}
)

_ALIASES = {"contact.company": "contact.company_name"}
_CONTACT = "contact."
_NEEDS_A_VALUE = OPERATORS - {"eq", "neq", "is_null", "is_not_null"}
_NUMBER = re.compile(r"\s*[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*")
_LONGEST_SHOWN = 60

_Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class SkipCondition:
    """One of a step's conditions; `field` is bare for the enrollment's, `contact.x` for the person's.

    When it is true is told by `holds`. RejectedInput, naming field and operator, for one that could never be asked.
    """

    field: str
    operator: str
    value: _Scalar = None

    def __post_init__(self) -> None:
        if problems := problems_of_condition({"field": self.field, "operator": self.operator, "value": self.value}):
            raise RejectedInput(f"skip condition: {'; '.join(problems)}", details=problems)

    def holds(self, enrollment: Mapping[str, Any], contact: Mapping[str, Any]) -> bool:
        """Whether it is true of this enrollment and its person, by their columns; a missing one is null.

        - Null, nothing and blank text are one: `is_null`, and also `eq` to null or "". It is below and above nothing.
        - Numbers are compared as such, also where either side is a text; points in time (ISO 8601, UTC where they have
          no offset) likewise. Other texts are equal or not, letter by letter, and have no order.
        - What cannot be compared does not hold: no order, not equal, not contained.
        - `contains`: a text inside a text whatever the case, or one of the items of a list.
        - `neq`, `not_contains` and `is_not_null` hold exactly where `eq`, `contains` and `is_null` do not.
        """
        actual = _bare(_read(self.field, enrollment, contact))
        return _HOLDS[self.operator](actual, _bare(self.value))

    @property
    def reason(self) -> str:
        """For the log: which condition it was, and nothing about the person."""
        return f"condition: {self.field} {self.operator}"


def problems_of_condition(entry: Mapping[str, Any]) -> list[str]:
    """What is wrong with `{"field", "operator", "value"?}`, each with the name of its part; empty: nothing."""
    field, operator, value = entry.get("field"), entry.get("operator"), entry.get("value")
    problems = []
    if not isinstance(field, str) or not _is_known(field):
        problems.append(f"field: there is no {_shown(field)}")
    if not isinstance(operator, str) or operator not in OPERATORS:
        problems.append(f"operator: there is no {_shown(operator)}")
    elif operator in _NEEDS_A_VALUE and _bare(value) is None:
        problems.append(f"value: {operator} needs one")
    if not isinstance(value, _Scalar):
        problems.append("value: neither a text, a number, true, false nor null")
    return problems


def read_conditions(stored: object) -> tuple[SkipCondition, ...]:
    """Of `[{"field": "emails_opened", "operator": "gte", "value": 1}]`; null: none. RejectedInput for anything else."""
    entries = [] if stored is None else stored
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise RejectedInput("skip conditions: a list of objects with field, operator and value")
    return tuple(SkipCondition(entry.get("field"), entry.get("operator"), entry.get("value")) for entry in entries)


def first_true(
    conditions: Iterable[SkipCondition], enrollment: Mapping[str, Any], contact: Mapping[str, Any]
) -> str | None:
    """The reason of the first condition that holds, or None: the step is done."""
    return next((each.reason for each in conditions if each.holds(enrollment, contact)), None)


def _is_known(field: str) -> bool:
    column = _ALIASES.get(field, field)
    return column in ENROLLMENT_FIELDS or (
        column.startswith(_CONTACT) and column.removeprefix(_CONTACT) in CONTACT_FIELDS
    )


def _shown(name: object) -> str:
    return name[:_LONGEST_SHOWN] if isinstance(name, str) and name else "such name"


def _read(field: str, enrollment: Mapping[str, Any], contact: Mapping[str, Any]) -> Any:
    column = _ALIASES.get(field, field)
    if column.startswith(_CONTACT):
        return contact.get(column.removeprefix(_CONTACT))
    return enrollment.get(column)


def _bare(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


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
    return value.casefold() if isinstance(value, str) else value


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return Decimal(value.strip()) if _NUMBER.fullmatch(value) else None
    if isinstance(value, int | float | Decimal):
        number = Decimal(str(value))
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
