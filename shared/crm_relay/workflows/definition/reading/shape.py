"""The bounds of a definition, proven before anything reads it: what is hostile ends here."""

import re
from typing import Any, Final

DEEPEST: Final = 40
MOST_VALUES: Final = 20_000
LONGEST_TEXT: Final = 20_000
LONGEST_NAME: Final = 200
GREATEST_NUMBER: Final = 10**15

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def problem_of_shape(definition: object) -> str | None:
    """What makes a definition unreadable as a whole; None: it is an object of JSON within all bounds."""
    if not isinstance(definition, dict):
        return "not an object"
    level: list[Any] = [definition]
    values = 0
    for _ in range(DEEPEST):
        children = [child for node in level for child in _children(node)]
        values += len(children)
        if values > MOST_VALUES:
            return f"more than {MOST_VALUES} values"
        if problem := next((problem for child in children if (problem := _problem_of_value(child))), None):
            return problem
        if problem := next((problem for node in level if (problem := _problem_of_names(node))), None):
            return problem
        level = [child for child in children if isinstance(child, dict | list)]
        if not level:
            return None
    return f"nested more than {DEEPEST} levels deep"


def _children(node: Any) -> list[Any]:
    return list(node.values()) if isinstance(node, dict) else node


def _problem_of_names(node: Any) -> str | None:
    if not isinstance(node, dict):
        return None
    if not all(isinstance(name, str) and len(name) <= LONGEST_NAME and not _UNSTORABLE.search(name) for name in node):
        return f"a name that is no text, longer than {LONGEST_NAME} characters, or not storable"
    return None


def _problem_of_value(value: Any) -> str | None:
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            return f"a text of more than {LONGEST_TEXT} characters"
        return "a text with a character that cannot be stored" if _UNSTORABLE.search(value) else None
    if isinstance(value, bool | dict | list) or value is None:
        return None
    if isinstance(value, int | float):
        return None if abs(value) <= GREATEST_NUMBER else f"a number that is none, or beyond {GREATEST_NUMBER}"
    return "a value that JSON does not have; write dates as text"
