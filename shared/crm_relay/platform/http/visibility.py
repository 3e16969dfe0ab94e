"""Leaves out of an answer what the caller's role does not see."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from crm_relay.platform.http.callers import Role

VisibleFrom = Mapping[type, Mapping[str, Role]]
"""Dataclass -> field -> the lowest role that sees it. A field that is not named is seen by every role of its route."""


def visible(answer: Any, role: Role, table: VisibleFrom) -> Any:
    """A copy in which fields of a higher role are None."""
    if isinstance(answer, list | tuple):
        # A field keeps its type: serializing a list where the class says tuple is a warning.
        return type(answer)(visible(each, role, table) for each in answer)
    if isinstance(answer, dict):
        return {key: visible(each, role, table) for key, each in answer.items()}
    if not is_dataclass(answer) or isinstance(answer, type):
        return answer
    needed = table.get(type(answer), {})
    shown = {
        field.name: None if role < needed.get(field.name, role) else visible(getattr(answer, field.name), role, table)
        for field in fields(answer)
        if field.init
    }
    return replace(answer, **shown)
