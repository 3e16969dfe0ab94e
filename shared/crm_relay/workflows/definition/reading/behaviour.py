"""The settings of a workflow, as a definition writes them."""

import re
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import AliasChoices, BeforeValidator, Field

from crm_relay.workflows.actions.configs import StepConfig
from crm_relay.workflows.definition.reading.problems import DefinitionProblems, read_part
from crm_relay.workflows.models import EffectBudget, ReEntry, WorkflowSettings

_SPAN = re.compile(r"([0-9]{1,4}) ?(m|h|d|w)")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONGEST: Final = timedelta(days=3650)

Origin = Annotated[str, Field(pattern=r"^[a-z0-9_.-]{1,40}$")]


class Span(StepConfig):
    """`{"days": 1, "hours": 12}`, or a text such as `36h`."""

    days: Annotated[int, Field(ge=0, le=3650)] = 0
    hours: Annotated[int, Field(ge=0, le=87_600)] = 0
    minutes: Annotated[int, Field(ge=0, le=5_256_000)] = 0

    @property
    def whole(self) -> timedelta:
        """All of it."""
        return timedelta(days=self.days, hours=self.hours, minutes=self.minutes)


def _read_span(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    found = _SPAN.fullmatch(given.strip())
    if found is None:
        raise ValueError("a span: 30m, 36h, 3d, 2w, or an object with days, hours and minutes")
    length = min(timedelta(**{_UNITS[found[2]]: int(found[1])}), _LONGEST)
    return {"days": length.days, "minutes": length.seconds // 60}


class BudgetOfDefinition(StepConfig):
    """What a day may have."""

    emails: Annotated[int, Field(ge=0, le=10_000_000)] | None = None
    records: Annotated[int, Field(ge=0, le=10_000_000)] | None = None


class SettingsOfDefinition(StepConfig):
    """Every part may be left out."""

    re_entry: ReEntry = ReEntry.SKIP
    cool_down: Annotated[Span, BeforeValidator(_read_span)] | None = None
    starts_per_minute: Annotated[int, Field(ge=1, le=100_000)] = 500
    budget: Annotated[BudgetOfDefinition, Field(validation_alias=AliasChoices("atMost", "at_most"))] = (
        BudgetOfDefinition()
    )
    origins: Annotated[tuple[Origin, ...], Field(max_length=20)] = ()
    max_depth: Annotated[int, Field(ge=1, le=20)] = 5
    max_steps: Annotated[int, Field(ge=1, le=10_000)] = 1000
    max_retries: Annotated[int, Field(ge=0, le=20)] = 3
    guard: Annotated[str, Field(min_length=1, max_length=500)] | None = None


def read_settings(given: object, problems: DefinitionProblems) -> WorkflowSettings:
    """The defaults where nothing is given, or nothing that can be read."""
    if given is None:
        return WorkflowSettings()
    read = read_part(SettingsOfDefinition, given, "settings", problems)
    if read is None:
        return WorkflowSettings()
    return WorkflowSettings(
        re_entry=read.re_entry,
        cool_down=read.cool_down.whole if read.cool_down else None,
        starts_per_minute=read.starts_per_minute,
        budget=EffectBudget(read.budget.emails, read.budget.records),
        origins=frozenset(read.origins),
        max_depth=read.max_depth,
        max_steps=read.max_steps,
        max_retries=read.max_retries,
        guard=read.guard,
    )
