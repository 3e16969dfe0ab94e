"""How the sample events in `events/` end, and whether an answer is the one that a case names."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.stack_file import ROOT

EVENTS = ROOT / "events"
Outcome = tuple[int, ...]
"""The statuses that an answer may have; none: it is no HTTP, and the function returns without leaving anything over."""

_DONE = "done"

_SMALLEST_ERROR = 400


def read_outcomes(file: Path = EVENTS / "outcomes.toml") -> dict[str, Outcome]:
    """`<function>/<case>` -> how it ends."""
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    return {
        f"{function}/{case}": _statuses(written)
        for function, cases in content.items()
        for case, written in cases.items()
    }


def _statuses(written: int | list[int] | str) -> Outcome:
    if written == _DONE:
        return ()
    return (written,) if isinstance(written, int) else tuple(map(int, written))


def sample_case(file: Path) -> str | None:
    """`<function>/<case>` of a file in `events/`; None for any other file."""
    file = file.resolve()
    return f"{file.parent.name}/{file.stem}" if file.parent.parent == EVENTS.resolve() else None


def deviation(answer: Any, expected: Outcome | None) -> str | None:
    """What is wrong with the answer of a function, in one sentence; None where it is as expected.

    `expected` None: an event without a case, which is wrong where it was refused or failed.
    """
    found = answer if isinstance(answer, Mapping) else {}
    status = found.get("statusCode")
    if expected:
        said = " or ".join(map(str, expected))
        given = "without a status" if status is None else str(status)
        return None if status in expected else f"answered {given}, and the case says {said}"
    if isinstance(status, int) and status >= _SMALLEST_ERROR:
        return f"answered {status}"
    return _unfinished(found)


def _unfinished(answer: Mapping[str, Any]) -> str | None:
    if failures := answer.get("batchItemFailures"):
        return f"{len(failures)} of the records have to come again"
    return "the answer says that it was no success" if answer.get("success") is False else None
