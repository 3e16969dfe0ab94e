"""What a merge field of each type holds, as text, and how ours are written into it.

https://mailchimp.com/developer/marketing/docs/merge-fields/. What Mailchimp would cut or refuse is refused here, by
name. An address is an object of several values, so a field of that type cannot be mapped.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crm_relay.providers.connectors.contract import FieldValue
from crm_relay.providers.mailchimp.wire import MergeField

LONGEST_BYTES = 255
"""Of a text, in UTF-8; Mailchimp cuts what is longer."""

_US_PHONE = re.compile(r"\D*1?\D*(\d{3})\D*(\d{3})\D*(\d{4})\D*")
_BIRTHDAY = re.compile(r"(0?[1-9]|1[0-2])[/-](0?[1-9]|[12]\d|3[01])")
_ZIP = re.compile(r"\d{5}")
_WEB_ADDRESS = re.compile(r"https?://[^\s/]+\.[^\s]+")


class ValueUnfit(ValueError):
    """A value that a field cannot hold, or a field with something else than its type says; quotes nothing."""


@dataclass(frozen=True)
class MergeType:
    """`write` gets the field for its options."""

    read: Callable[[Any], FieldValue]
    write: Callable[[str, MergeField], Any]


def written(field: MergeField, value: FieldValue) -> Any:
    """As Mailchimp takes it; nothing is an empty text. Raises ValueUnfit."""
    if value is None:
        return ""
    text = ("true" if value else "false") if isinstance(value, bool) else str(value)
    return MERGE_TYPES[field.type].write(text, field)


def _read_text(value: Any) -> FieldValue:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueUnfit("not a text")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() or None


def _read_date(value: Any) -> FieldValue:
    text = _read_text(value)
    return text[:10] if isinstance(text, str) else None


def _write_text(text: str, _field: MergeField) -> Any:
    if len(text.encode("utf-8", "surrogatepass")) > LONGEST_BYTES:
        raise ValueUnfit(f"a text has at most {LONGEST_BYTES} bytes")
    if "\x00" in text:
        raise ValueUnfit("a text holds no zero byte")
    return text


def _write_number(text: str, _field: MergeField) -> Any:
    try:
        number = int(text) if text.lstrip("-").isdecimal() else float(text)
    except ValueError:
        raise ValueUnfit("not a number") from None
    if number - number != 0:
        raise ValueUnfit("not a number")
    return number


def _write_phone(text: str, field: MergeField) -> Any:
    if str(field.options.get("phone_format", "none")).upper() != "US":
        return _write_text(text, field)
    found = _US_PHONE.fullmatch(text.removeprefix("+1"))
    if found is None:
        raise ValueUnfit("not a telephone number of the United States")
    return "({}) {}-{}".format(*found.groups())


def _write_date(text: str, _field: MergeField) -> Any:
    try:
        return datetime.fromisoformat(text).date().isoformat()
    except ValueError:
        raise ValueUnfit("not a date") from None


def _write_birthday(text: str, _field: MergeField) -> Any:
    found = _BIRTHDAY.fullmatch(text)
    if found is None:
        raise ValueUnfit("not a month and a day")
    return f"{int(found[1]):02}/{int(found[2]):02}"


def _write_zip(text: str, _field: MergeField) -> Any:
    if _ZIP.fullmatch(text) is None:
        raise ValueUnfit("not five digits")
    return text


def _write_web_address(text: str, field: MergeField) -> Any:
    if _WEB_ADDRESS.fullmatch(text) is None:
        raise ValueUnfit("not a web address")
    return _write_text(text, field)


def _write_choice(text: str, field: MergeField) -> Any:
    if text not in field.choices:
        raise ValueUnfit("not a choice of the field")
    return text


_CHOICE = MergeType(_read_text, _write_choice)
_WEB = MergeType(_read_text, _write_web_address)

MERGE_TYPES: Mapping[str, MergeType] = {
    "text": MergeType(_read_text, _write_text),
    "number": MergeType(_read_text, _write_number),
    "phone": MergeType(_read_text, _write_phone),
    "date": MergeType(_read_date, _write_date),
    "birthday": MergeType(_read_text, _write_birthday),
    "zip": MergeType(_read_text, _write_zip),
    "url": _WEB,
    "imageurl": _WEB,
    "radio": _CHOICE,
    "dropdown": _CHOICE,
}
"""Mailchimp's word for a type -> what such a field holds."""

UNMAPPED_TYPES = frozenset({"address"})
"""Known, and deliberately not mapped."""
