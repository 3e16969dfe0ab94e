"""Settings of one Mailchimp connection: which audience, which of its fields is which of ours, and tags by a column."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crm_relay.platform.errors import RejectedInput
from crm_relay.providers.connectors.contract import FieldRule

EMAIL_ID = "email"
"""Stands for the address, which is no merge field."""

TAGS_ID = "tags"
"""Stands for the tags of a column."""

NEW_MEMBER_STATUSES = ("subscribed", "pending", "transactional")

_LIST_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_MERGE_ID = re.compile(r"[0-9]{1,9}")
_OURS = re.compile(r"[a-z][a-z0-9_]{0,62}")
_DATA_CENTER = re.compile(r"[a-z]{2,3}[0-9]{1,4}")
_OWNERS = {"ours", "theirs", "latest"}
_LONGEST_TAG = 100


@dataclass(frozen=True)
class TagColumn:
    """`names`: a value of our column -> the tag of who has it; of these tags a member has one at most."""

    column: str
    names: Mapping[str, str]


@dataclass(frozen=True)
class MailchimpSettings:
    """`new_status`: of members that we add; `pending` has Mailchimp ask them first."""

    list_id: str
    rules: tuple[FieldRule, ...]
    tags: TagColumn | None = None
    new_status: str = "subscribed"

    @property
    def mapping(self) -> str:
        """Changes when another field or tag is mapped, not when the owner of one changes."""
        pairs = sorted(f"{rule.ours}={rule.theirs}" for rule in self.rules)
        names = sorted(self.tags.names.items()) if self.tags else []
        return hashlib.sha256(json.dumps([pairs, names]).encode()).hexdigest()[:12]


def read_settings(settings: Mapping[str, Any]) -> MailchimpSettings:
    """`list_id`, `fields`, and optionally `tags` and `new_members` (subscribed).

    `fields`: our name of each field -> its merge_id there, `email` for the address, or `{"id", "owner"}`. `tags`:
    `{"column", "names": {value: tag}}`. Raises RejectedInput that names each setting that is missing or malformed.
    """
    problems = list(_list_problems(settings))
    fields = settings.get("fields")
    entries = {ours: _entry(each) for ours, each in fields.items()} if isinstance(fields, Mapping) else {}
    problems += _field_problems(entries)
    tags = settings.get("tags")
    problems += _tag_problems(tags, entries)
    if problems:
        raise RejectedInput("the settings of the Mailchimp connection cannot be used", status=422, details=problems)
    rules = [FieldRule(ours, str(each["id"]), each.get("owner", "latest")) for ours, each in entries.items()]
    column = None if tags is None else TagColumn(tags["column"], dict(tags["names"]))
    if column is not None:
        rules.append(FieldRule(column.column, TAGS_ID, "ours"))
    return MailchimpSettings(settings["list_id"], tuple(rules), column, settings.get("new_members", "subscribed"))


def list_of(settings: Mapping[str, Any]) -> str | None:
    """The audience that settings name, finished or not."""
    found = settings.get("list_id")
    return found if is_list_id(found) else None


def is_list_id(text: object) -> bool:
    """Letters and digits, so that it can stand in a path."""
    return isinstance(text, str) and _LIST_ID.fullmatch(text) is not None


def is_data_center(text: object) -> bool:
    """Such as us19. Asked before it becomes a part of a host's name."""
    return isinstance(text, str) and _DATA_CENTER.fullmatch(text) is not None


def _list_problems(settings: Mapping[str, Any]) -> Iterator[str]:
    value = settings.get("list_id")
    if not is_list_id(value):
        yield f"list_id: {'missing' if value is None else 'letters and digits'}"
    if settings.get("new_members", "subscribed") not in NEW_MEMBER_STATUSES:
        yield f"new_members: one of {', '.join(NEW_MEMBER_STATUSES)}"


def _entry(given: Any) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {"id": given}


def _field_problems(entries: Mapping[Any, Mapping[str, Any]]) -> Iterator[str]:
    if not entries:
        yield "fields: missing"
    elif str(entries.get("email", {}).get("id")) != EMAIL_ID:
        yield f"fields.email: its id is {EMAIL_ID}, people are matched by it"
    ids = [str(each.get("id")) for each in entries.values()]
    for ours, each in entries.items():
        if not isinstance(ours, str) or not _OURS.fullmatch(ours):
            yield "fields: each is the name of a column of ours"
            continue
        identifier = str(each.get("id"))
        if ours != "email" and not _MERGE_ID.fullmatch(identifier):
            yield f"fields.{ours}: the merge_id of a field is a number"
        elif ids.count(identifier) > 1:
            yield f"fields.{ours}: another one has the same field"
        if each.get("owner", "latest") not in _OWNERS:
            yield f"fields.{ours}.owner: ours, theirs or latest"


def _tag_problems(tags: Any, entries: Mapping[Any, Any]) -> Iterator[str]:
    if tags is None:
        return
    if not isinstance(tags, Mapping) or not isinstance(tags.get("column"), str) or not _OURS.fullmatch(tags["column"]):
        yield "tags.column: the name of a column of ours"
        return
    if tags["column"] in entries:
        yield "tags.column: the column is mapped to a field already"
    names = tags.get("names")
    if not isinstance(names, Mapping) or not names:
        yield "tags.names: missing"
    elif not all(_is_tag_name(each) for each in names.values()) or len(set(names.values())) < len(names):
        yield f"tags.names: each tag is a text of at most {_LONGEST_TAG} characters, and each another one"


def _is_tag_name(name: Any) -> bool:
    return isinstance(name, str) and name == name.strip() and 0 < len(name) <= _LONGEST_TAG
