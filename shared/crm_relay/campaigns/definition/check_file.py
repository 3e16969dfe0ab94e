"""All that is wrong with a campaign's file in one pass: a field of the wrong shape hides nothing about the others."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from crm_relay.campaigns.definition.campaign_file import Definition, problems_of_shape, read_definition
from crm_relay.platform.errors import RejectedInput

_MOST_PROBLEMS = 50
_MOST_PASSES = 10
# What stays in the place of a step whose channel is not known, so that the others keep their numbers.
_NO_STEP: Mapping[str, Any] = {"channel": "wait"}
# What a step says is put together from these: without one of them the others would seem to lack it.
_CONTENT = ("subject", "body_html", "body_text", "template", "variants", "ab_test", "task")

Place = tuple[int | str, ...]


@dataclass(frozen=True)
class FilePart:
    """`readable` is the file without the fields that `wrong` names; `problems` are their words."""

    readable: Definition
    problems: tuple[str, ...] = ()
    wrong: tuple[Place, ...] = ()

    def refusal(self, also: Sequence[str]) -> RejectedInput:
        """422 with the problems of the shape, and those of `also` that do not come from a field that was left out."""
        hidden = tuple(prefix for place in self.wrong for prefix in _hidden_by(place))
        details = [*self.problems, *(each for each in also if not each.startswith(hidden))]
        return RejectedInput("the campaign is not valid", status=422, details=details[:_MOST_PROBLEMS])


def read_part(given: Mapping[str, Any]) -> FilePart:
    """Errors as in read_definition, where hardly anything can be read."""
    rest = deepcopy(dict(given))
    problems: tuple[str, ...] = ()
    wrong: list[Place] = []
    for _ in range(_MOST_PASSES):
        try:
            return FilePart(Definition.model_validate(rest), problems, tuple(wrong))
        except ValidationError as error:
            problems = problems or tuple(problems_of_shape(error))
            places = [each["loc"] for each in error.errors(include_input=False, include_url=False)]
        wrong += places
        for place in places:
            _take_out(rest, place)
    return FilePart(read_definition(given))


def _take_out(rest: dict[str, Any], place: Place) -> None:
    match place:
        case ("steps", int(number), "channel", *_) | ("steps", int(number)):
            rest["steps"][number] = dict(_NO_STEP)
        case ("steps", int(number), str(field), *_):
            rest["steps"][number].pop(field, None)
        case ("steps", *_):
            rest["steps"] = [dict(_NO_STEP)]
        case ("name", *_):
            rest["name"] = "?"
        case (str(field), *_):
            rest.pop(field, None)


def _hidden_by(place: Place) -> Iterator[str]:
    match place:
        case ("steps", int(number), str(field), *_) if field in _CONTENT:
            yield from (f"steps.{number}.{each}" for each in _CONTENT)
        case ("steps", int(number), str(field), *_):
            yield f"steps.{number}.{field}"
        case (str(field), *_):
            yield field
