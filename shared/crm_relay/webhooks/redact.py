"""Cuts one person's events out of a kept delivery; pure.

A delivery may hold events of several persons, and those of the others have to stay: what belongs to whom is told by the
addresses, ids and numbers in each event. Mautic's delivery is a JSON object of event names; what an event names as
`lead` or `contact` is the person that it is about (recorded: tests/samples/mautic/9*_hook_*.json). EmailBison's is one
event, of which stays what makes it count; Resend's is one, and goes as a whole.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from crm_relay.consent.address import normalise, normalise_phone
from crm_relay.consent.person import Person
from crm_relay.providers.bison.redaction import without_person
from crm_relay.webhooks.models import identity_of

NOTHING_LEFT = "{}"
"""A delivery of which nothing is left: valid, and without an event."""

_LONGEST = 320
_PART = r"[^\s\"<>()\[\],;:=&?/\\{}|@]"
# Possessive and only from a run's beginning: a body may be megabytes of anything, and is read once.
_ADDRESS = re.compile(rf"(?<!{_PART}){_PART}{{1,256}}+@{_PART}{{1,255}}+")
_UUID = re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b")
_ABOUT = ("lead", "contact")
_DELETION = "lead_post_delete"


def marks_in(text: str) -> set[str]:
    """Every address and every UUID that stands anywhere in a delivery, as the ledger would file them."""
    content = _json(text)
    return _marks_of(text) if content is None else _marks_under(content)


def without(text: str, person: Person) -> str | None:
    """The delivery less the person's events; None where it has none of them and can stay as it is."""
    content = _json(text)
    if not isinstance(content, dict):
        # Not a delivery that anybody could take apart.
        found = _marks_of(text) if content is None else _marks_under(content)
        return NOTHING_LEFT if found & set(person.marks) else None
    if (event := without_person(content)) is not None:
        return _event_without(content, event, person)
    if content.keys() >= {"type", "created_at", "data"}:
        return NOTHING_LEFT if _is_about("", content, replace(person, contact_ids=frozenset())) else None
    kept = {name: _kept(name, value, person) for name, value in content.items()}
    if all(kept[name] is content[name] for name in content):
        return None
    left = {name: value for name, value in kept.items() if value or value is content[name]}
    return json.dumps(left) if left.keys() - {"timestamp"} else NOTHING_LEFT


def _event_without(content: dict[str, Any], event: dict[str, Any], person: Person) -> str | None:
    """`event` as it stays. A contact's id is Mautic's: the same number is another person here."""
    known = replace(person, contact_ids=frozenset())
    if not _is_about("", content, known):
        return None
    data = {name: part for name, part in event["data"].items() if not _is_about(name, part, known)}
    return json.dumps(event | {"data": data})


def message_without(text: str, person: Person) -> str | None:
    """The same for a message of the deferred queue, whose delivery is in base64."""
    message = _json(text)
    body = message.get("body_base64") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(body, str):
        return without(text, person)
    try:
        delivery = base64.b64decode(body, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    redacted = without(delivery, person)
    if redacted is None:
        return None
    identity = {"dedupe_key": identity_of(redacted.encode(), message.get("workspace_name"))}
    return json.dumps({**message, **identity, "body_base64": base64.b64encode(redacted.encode()).decode()})


def marks_in_message(text: str) -> set[str]:
    """As marks_in, for a message of the deferred queue."""
    message = _json(text)
    body = message.get("body_base64") if isinstance(message, dict) else None
    try:
        return marks_in(base64.b64decode(body, validate=True).decode() if isinstance(body, str) else text)
    except (binascii.Error, ValueError):
        return set()


def _kept(name: str, value: Any, person: Person) -> Any:
    """What stays of all that stands under one name: the very same object where everything does; None: nothing."""
    if isinstance(value, list):
        events = [each for each in value if not _is_about(name, each, person)]
        return value if len(events) == len(value) else events
    if isinstance(value, dict) and value and all(key.isdigit() for key in value):
        keyed = {key: each for key, each in value.items() if not _is_about(name, each, person)}
        return value if len(keyed) == len(value) else keyed
    return None if _is_about(name, value, person) else value


def _is_about(name: str, event: Any, person: Person) -> bool:
    found = _marks_under(event)
    if found & set(person.marks) or _contact_ids(name, event) & person.contact_ids:
        return True
    # A number can be a household's: it speaks only where no address says whose event this is.
    numbers = {normalise_phone(phone) for phone in person.phones} - {None}
    return (
        bool(numbers)
        and not _addresses_of_contact(event)
        and any(normalise_phone(each) in numbers for each in _strings(event) if len(each) <= _LONGEST)
    )


def _contact_ids(name: str, event: Any) -> set[int]:
    own = {event.get("id")} if isinstance(event, dict) and name.endswith(_DELETION) else set()
    return {each for each in own | {about.get("id") for about in _abouts(event)} if isinstance(each, int)}


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
    whole = [text] if len(text) <= _LONGEST else []
    tokens = (found.rstrip(".!'’") for found in _ADDRESS.findall(text))
    return marks | {address for each in (*whole, *tokens) if (address := normalise(each)) is not None}


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


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
