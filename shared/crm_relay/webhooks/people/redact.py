"""What a source needs to cut one person out of a delivery, and what is done with one of an unknown source; pure.

A delivery may hold events of several persons, and those of the others have to stay. The addresses, ids and numbers in
an event say who it is about.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from crm_relay.consent.address import normalise, normalise_phone
from crm_relay.consent.person import Person
from crm_relay.webhooks.models import identity_of
from crm_relay.webhooks.source import Redactors

NOTHING_LEFT = "{}"
"""A delivery of which nothing is left: valid, and without an event."""

_LONGEST = 320
_PART = r"[^\s\"<>()\[\],;:=&?/\\{}|@]"
# Possessive and only from a run's beginning: a body may be megabytes of anything, and is read once.
_ADDRESS = re.compile(rf"(?<!{_PART}){_PART}{{1,256}}+@{_PART}{{1,255}}+")
_UUID = re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b")
_HINTS = (re.compile("@"), re.compile("%40"), re.compile("-(?:[0-9a-fA-F]{4}-){3}"))
"""What each mark has in it. Each begins with a letter of its own, which a body is searched for in no time."""

_ESCAPED_LETTER = re.compile(r"\\u00[2-7]")
_ABOUT = ("lead", "contact")


def marks_in(text: str) -> set[str]:
    """Every address and every UUID that stands anywhere in a delivery, as the ledger would file them."""
    content = read_json(text)
    return _marks_of(text) if content is None else _marks_under(content)


def marks_in_json(text: str) -> set[str]:
    """As marks_in, for JSON: only strings that may have a mark are taken out of it. Other text is read as a whole."""
    if "\\u00" in text and _ESCAPED_LETTER.search(text):
        return marks_in(text)
    marks: set[str] = set()
    for string in {each for hint in _HINTS for each in _strings_with(hint, text)}:
        if string is None:
            return marks_in(text)
        marks |= _marks_of(string)
    return marks


def redact_stored(redactors: Redactors, source: object, body: str, person: Person) -> str | None:
    """`body` without the person, by what the stored source says; one of an unknown source goes as a whole."""
    redact = redactors.get(source) if isinstance(source, str) else None
    return (redact or emptied)(body, person)


def emptied(body: str, person: Person) -> str | None:
    """Nothing of a delivery that speaks of the person anywhere: for one that cannot, or need not, be taken apart."""
    content = read_json(body)
    node = body if content is None else content
    if _marks_under(node) & set(person.marks) or contact_ids(node) & person.contact_ids or _has_number(node, person):
        return NOTHING_LEFT
    return None


def speaks_of(event: Any, person: Person) -> bool:
    """Whether an event has one of the person's addresses, customer ids or numbers."""
    if _marks_under(event) & set(person.marks):
        return True
    # A number can be a household's: it speaks only where no address says whose event this is.
    return not _addresses_of_contact(event) and _has_number(event, person)


def contact_ids(event: Any) -> set[int]:
    """The ids of those that an event names as its lead or contact."""
    return {each for about in _abouts(event) if isinstance(each := about.get("id"), int)}


def message_without(text: str, person: Person, redactors: Redactors) -> str | None:
    """A message of the deferred queue, whose delivery is in base64, without the person; None: it can stay as it is."""
    message = read_json(text)
    body = message.get("body_base64") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(body, str):
        return emptied(text, person)
    try:
        delivery = base64.b64decode(body, validate=True).decode(errors="replace")
    except (binascii.Error, ValueError):
        return emptied(text, person)
    redacted = redact_stored(redactors, message.get("source"), delivery, person)
    if redacted is None:
        return None
    identity = {"dedupe_key": identity_of(redacted.encode(), message.get("workspace_name"))}
    return json.dumps({**message, **identity, "body_base64": base64.b64encode(redacted.encode()).decode()})


def marks_in_message(text: str) -> set[str]:
    """As marks_in, for a message of the deferred queue."""
    return marks_in(decoded_message(text))


def decoded_message(text: str) -> str:
    """The delivery in a message of the deferred queue; the text itself where it holds none."""
    message = read_json(text)
    body = message.get("body_base64") if isinstance(message, dict) else None
    if not isinstance(body, str):
        return text
    try:
        return base64.b64decode(body, validate=True).decode(errors="replace")
    except (binascii.Error, ValueError):
        return text


def read_json(text: str) -> Any:
    """None for what is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _has_number(node: Any, person: Person) -> bool:
    numbers = {normalise_phone(phone) for phone in person.phones} - {None}
    return bool(numbers) and any(normalise_phone(each) in numbers for each in _strings(node) if len(each) <= _LONGEST)


def _addresses_of_contact(event: Any) -> set[str]:
    return {mark for about in _abouts(event) for mark in _marks_under(about) if "@" in mark}


def _abouts(event: Any) -> Iterator[dict[str, Any]]:
    for node in _nodes(event):
        if isinstance(node, dict):
            yield from (node[key] for key in _ABOUT if isinstance(node.get(key), dict))


def _marks_under(node: Any) -> set[str]:
    return {mark for text in _strings(node) for mark in _marks_of(text)}


def _marks_of(text: str) -> set[str]:
    marks = {found.lower() for found in _UUID.findall(text)} if "-" in text else set()
    if "%40" in text:
        text = unquote(text)
    if "@" not in text:
        return marks
    tokens = {found.rstrip(".!'’") for found in _ADDRESS.findall(text)}
    if len(text) <= _LONGEST:
        tokens.add(text)
    return marks | {address for each in tokens if (address := normalise(each)) is not None}


def _strings(node: Any) -> set[str]:
    """Every text under the node, names included: once each, since every event repeats the names of its fields."""
    strings: set[str] = set()
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            strings.add(each)
        elif isinstance(each, dict):
            strings.update(each)
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
    return strings


def _strings_with(hint: re.Pattern[str], text: str) -> Iterator[str | None]:
    """Each string of JSON in which the hint is found; None and no more where one has no end, so that it is no JSON."""
    end = 0
    while found := hint.search(text, end):
        begin = text.rfind('"', 0, found.start())
        while _is_escaped(text, begin):
            begin = text.rfind('"', 0, begin)
        end = text.find('"', found.end())
        while _is_escaped(text, end):
            end = text.find('"', end + 1)
        string = text[begin + 1 : end]
        if begin < 0 or end < 0:
            yield None
            return
        yield read_json(f'"{string}"') if "\\" in string else string


def _is_escaped(text: str, place: int) -> bool:
    """Whether the sign there has an odd number of backslashes in front of it."""
    first = place
    while first > 0 and text[first - 1] == "\\":
        first -= 1
    return (place - first) % 2 == 1


def _nodes(node: Any) -> Iterator[Any]:
    """The node and everything under it, without recursion."""
    waiting = [node]
    while waiting:
        each = waiting.pop()
        yield each
        if isinstance(each, dict):
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
