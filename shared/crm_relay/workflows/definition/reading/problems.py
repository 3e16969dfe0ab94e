"""What is wrong with a definition: all of it at once, each by its path, and never by a value."""

import re
from collections.abc import Iterable
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

M = TypeVar("M", bound=BaseModel)

MOST_PROBLEMS: Final = 50
_LONGEST_NAME = 40
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")


class DefinitionProblems:
    """Collected while a definition is read."""

    def __init__(self) -> None:
        self._found: dict[str, None] = {}

    def add(self, path: str, message: str) -> None:
        """`path` such as `actions[2].config.title`; the message says what is wrong and what is right."""
        if len(self._found) < MOST_PROBLEMS:
            self._found[f"{path or 'definition'}: {message}"] = None

    def add_all(self, problems: Iterable[tuple[str, str]]) -> None:
        """As `add`, for each of the pairs."""
        for path, message in problems:
            self.add(path, message)

    def add_invalid(self, path: str, error: ValidationError) -> None:
        """Those of one part, below `path`."""
        for problem in error.errors(include_input=False, include_url=False, include_context=False):
            self.add(path_below(path, problem["loc"]), problem["msg"].removeprefix("Value error, "))

    @property
    def found(self) -> tuple[str, ...]:
        """Each once, in their order; at most fifty."""
        return tuple(self._found)


def read_part(model: type[M], given: object, path: str, problems: DefinitionProblems) -> M | None:
    """`given` as the model; None where it is invalid, which is in `problems` then."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        problems.add_invalid(path, error)
        return None


def shown(name: object) -> str:
    """A name that the definition made up, fit for a message."""
    return _UNPRINTABLE.sub("?", str(name))[:_LONGEST_NAME]


def path_below(path: str, places: Iterable[Any]) -> str:
    """`actions[2].config` and ("headers", "x") is `actions[2].config.headers.x`."""
    for place in places:
        path += f"[{place}]" if isinstance(place, int) else f".{shown(place)}" if path else shown(place)
    return path


def path_of_step(key: str) -> str:
    """Where the step of a program stands in its definition: `2.then.0` is `actions[2].then[0]`."""
    parts: list[int | str] = [int(part) if part.isdigit() else part for part in key.split(".")]
    return path_below("" if isinstance(parts[0], str) else "actions", parts)
