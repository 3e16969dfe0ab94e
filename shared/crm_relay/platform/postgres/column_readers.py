"""What reads the text of a column, where that is quicker or safer than the driver."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from pg8000.converters import UUID_ARRAY, string_array_in, timestamptz_in, uuid_array_in
from pg8000.native import JSON, JSONB, TEXT_ARRAY, TIMESTAMPTZ, UUID_TYPE

_BESIDES_WORDS = re.compile(r'["\\{]|NULL')


@lru_cache(maxsize=4096)
def read_uuid(text: str) -> UUID:
    """The same ids come with each statement of a batch."""
    return UUID(text)


def read_timestamptz(text: str) -> Any:
    """By the standard library, which is several times faster; the driver takes what Python's datetime cannot hold."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return timestamptz_in(text)


def read_json(text: str) -> Any:
    """One number of more digits than Python reads (4,300) would keep all rows of an answer from being read."""
    try:
        return json.loads(text)
    except ValueError:
        return json.loads(text, parse_int=_integer)


def _integer(digits: str) -> Any:
    try:
        return int(digits)
    except ValueError:
        return digits


def read_text_array(text: str) -> Any:
    """Of plain words; the driver, which goes letter by letter, takes what is quoted, nested or null."""
    is_plain = text[:1] == "{" and len(text) > len("{}") and not _BESIDES_WORDS.search(text, 1)
    return text[1:-1].split(",") if is_plain else string_array_in(text)


def read_uuid_array(text: str) -> Any:
    """The driver, which goes letter by letter, takes what is empty, nested or null."""
    is_plain = text[:1] == "{" and len(text) > len("{}") and not _BESIDES_WORDS.search(text, 1)
    return [read_uuid(each) for each in text[1:-1].split(",")] if is_plain else uuid_array_in(text)


READERS: Mapping[int, Callable[[str], Any]] = {
    TIMESTAMPTZ: read_timestamptz,
    UUID_TYPE: read_uuid,
    TEXT_ARRAY: read_text_array,
    UUID_ARRAY: read_uuid_array,
    JSON: read_json,
    JSONB: read_json,
}
"""By the number of a type."""
