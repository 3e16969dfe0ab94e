"""Whether a fixed value can be written into a column of a type."""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Final
from uuid import UUID

from crm_relay.workflows.definition.proofs.catalog import VARIABLE_BEGINS

_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,18}")
_TRUTH: Final = frozenset({"true", "false", "t", "f", "yes", "no", "on", "off", "1", "0"})


def problem_of_value(value: object, type_name: str) -> str | None:
    """None: it can be, or only a run can know; `type_name` as PostgreSQL writes it, without its length.

    >>> problem_of_value("soon", "date"), problem_of_value("2026-12-24", "date")
    ('a value of the type date', None)
    """
    if value is None or (isinstance(value, str) and VARIABLE_BEGINS in value):
        return None
    fits = _FITS.get(type_name)
    return None if fits is None or fits(value) else f"a value of the type {type_name}"


def _is_whole(value: object) -> bool:
    return not isinstance(value, bool) and _WHOLE.fullmatch(str(value).strip()) is not None


def _is_number(value: object) -> bool:
    return _number(value) is not None


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool):
        return None
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _is_truth(value: object) -> bool:
    return isinstance(value, bool) or str(value).strip().lower() in _TRUTH


def _is_day(value: object) -> bool:
    return isinstance(value, str) and _read(date.fromisoformat, value[:10]) and _is_moment(value)


def _is_moment(value: object) -> bool:
    return isinstance(value, str) and _read(datetime.fromisoformat, value)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _read(UUID, value)


def _read(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text.strip())
    except ValueError:
        return False
    return True


_FITS: Final[Mapping[str, Callable[[object], bool]]] = MappingProxyType(
    dict.fromkeys(("smallint", "integer", "bigint"), _is_whole)
    | dict.fromkeys(("numeric", "real", "double precision"), _is_number)
    | dict.fromkeys(("timestamp with time zone", "timestamp without time zone"), _is_moment)
    | {"boolean": _is_truth, "date": _is_day, "uuid": _is_id}
)
