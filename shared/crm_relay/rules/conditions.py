"""Skip conditions: what a step may look at before it is done, and when each of them holds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.operators import NEED_A_VALUE, OPERATORS, Scalar, compare, is_missing

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

_ALIASES = {"contact.company": "contact.company_name"}
_CONTACT = "contact."
_LONGEST_SHOWN = 60


@dataclass(frozen=True)
class SkipCondition:
    """One of a step's conditions; `field` is bare for the enrollment's, `contact.x` for the person's.

    When it is true is told by `holds`. RejectedInput, naming field and operator, for one that could never be asked.
    """

    field: str
    operator: str
    value: Scalar = None

    def __post_init__(self) -> None:
        if problems := problems_of_condition({"field": self.field, "operator": self.operator, "value": self.value}):
            raise RejectedInput(f"skip condition: {'; '.join(problems)}", details=problems)

    def holds(self, enrollment: Mapping[str, Any], contact: Mapping[str, Any]) -> bool:
        """Whether it is true of this enrollment and its person, by their columns; a missing one is null."""
        return compare(_read(self.field, enrollment, contact), self.operator, self.value)

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
    elif operator in NEED_A_VALUE and is_missing(value):
        problems.append(f"value: {operator} needs one")
    if not isinstance(value, Scalar):
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
