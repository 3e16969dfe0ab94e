"""What an edit makes of a campaign's definition, which edits are refused, and what the history says of them; pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crm_relay.campaigns.definition.campaign_file import Definition, StepOfFile, read_definition
from crm_relay.platform.errors import RejectedInput

_LONGEST_SHOWN = 200


@dataclass(frozen=True)
class Edit:
    """`wanted` is the whole definition afterwards; `changed` is path of the field -> before and after."""

    wanted: Definition
    changed: Mapping[str, Mapping[str, Any]]


def edited(
    present: Mapping[str, Any], changes: Mapping[str, Any], *, is_draft: bool, reached: Mapping[int, int]
) -> Edit:
    """Replace the named fields of the present definition as a whole.

    A step is known by its place in the list: the third of the list is the third of the campaign, with its log and its
    people. `reached` is step number -> people who were at it. RejectedInput with 422 as in read_definition, with 409
    where people are on their way and the edit would take a step from them or divide them differently.
    """
    before, wanted = read_definition(present), read_definition({**present, **changes})
    if not is_draft and (problems := list(_problems(before, wanted, reached))):
        raise RejectedInput("people are on their way through this campaign", status=409, details=problems)
    return Edit(wanted, dict(_changed(before.model_dump(mode="json"), wanted.model_dump(mode="json"))))


def _problems(before: Definition, wanted: Definition, reached: Mapping[int, int]) -> Iterator[str]:
    if len(wanted.steps) < len(before.steps):
        yield "steps: none may be taken away; one that is not wanted any more is set to active: false"
    for place, (old, new) in enumerate(zip(before.steps, wanted.steps, strict=False)):
        if old.channel != new.channel:
            yield f"steps.{place}.channel: a step keeps its channel; another one is added at the end"
        elif reached.get(place + 1) and _division(old) != _division(new):
            yield f"steps.{place}.variants: people were divided between these by their ids and weights already"


def _division(step: StepOfFile) -> list[tuple[str, int]]:
    return [(variant.id, variant.weight) for variant in step.variants]


def _changed(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Down to single fields, and steps by their place."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() | after.keys()):
            yield from _changed(before.get(name), after.get(name), f"{path}.{name}" if path else name)
    elif path == "steps":
        for place in range(max(len(before), len(after))):
            old, new = (each[place] if place < len(each) else None for each in (before, after))
            yield from _changed(old, new, f"steps.{place}")
    else:
        yield path, {"before": _shown(before), "after": _shown(after)}


def _shown(value: Any) -> Any:
    """A body may have 200,000 characters; the history has its beginning."""
    if isinstance(value, str) and len(value) > _LONGEST_SHOWN:
        return f"{value[:_LONGEST_SHOWN]}… ({len(value)} characters)"
    if isinstance(value, dict):
        return {name: _shown(each) for name, each in value.items()}
    return [_shown(each) for each in value] if isinstance(value, list) else value
