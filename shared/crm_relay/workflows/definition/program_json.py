"""Programs as `workflow_versions.program` keeps them, and back: what is read is what was written."""

from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from crm_relay.platform.errors import FatalError
from crm_relay.workflows.models import Program


def program_to_json(program: Program) -> dict[str, Any]:
    """Every field by name, also where it has its default: a version keeps its meaning when a default changes."""
    written: dict[str, Any] = _programs().dump_python(program, mode="json")
    written["settings"]["origins"] = sorted(program.settings.origins)
    return written


def program_from_json(stored: object) -> Program:
    """Of a column `program`. A field that an older version lacks has its default, one that only a newer one knows is
    left out. FatalError for what is no program.
    """
    try:
        return _programs().validate_python(stored)
    except ValidationError as error:
        places = sorted({".".join(str(part) for part in problem["loc"]) for problem in error.errors()})
        raise FatalError(f"a stored program cannot be read: {', '.join(places)}") from None


@cache
def _programs() -> TypeAdapter[Program]:
    return TypeAdapter(Program)
