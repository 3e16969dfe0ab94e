"""Programs as the engine runs them: configurations parsed once, and what each step needs to be read before it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Flag, auto
from functools import cached_property
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.actions.configs import (
    ApprovalConfig,
    AssignConfig,
    CreateTaskConfig,
    EscalateConfig,
    SendEmailConfig,
    StepConfig,
    UpdateFieldConfig,
    WaitConfig,
)
from crm_relay.workflows.actions.email import template_key
from crm_relay.workflows.actions.step_configs import CONFIGS_AS_RUN
from crm_relay.workflows.models import Program, StepKind, WorkflowStep

OWNER = "{{record.owner_id}}"


class Needs(Flag):
    """What has to be read for a step besides the record and what hangs on it."""

    NOTHING = 0
    SENDER = auto()
    PEOPLE = auto()
    ROTATION = auto()
    HAPPENED = auto()
    RECORD_LOCK = auto()
    APPROVALS = auto()


@dataclass(frozen=True)
class RunnableProgram:
    """A version of a workflow; made once in an execution environment, since a version never changes."""

    program: Program
    configs: tuple[StepConfig | Exception | None, ...] = field(hash=False)

    @classmethod
    def of(cls, program: Program) -> "RunnableProgram":
        """A configuration that cannot be read is an error of the runs that reach it."""
        return cls(program, tuple(map(_config, program.steps)))

    def config(self, place: int) -> StepConfig | None:
        """Of the step there; RejectedInput where it cannot be read."""
        config = self.configs[place]
        if isinstance(config, Exception):
            raise config
        return config

    @cached_property
    def _needs(self) -> tuple[Needs, ...]:
        return tuple(_needs_of(config) for config in self.configs)

    @cached_property
    def reads_record(self) -> tuple[bool, ...]:
        """For each step whether it looks at the record, so that a write before it has to be there first."""
        return tuple(map(_reads, self.program.steps))

    def needs(self, place: int | None) -> Needs:
        """Of all steps that can be reached from `place` on."""
        found = Needs.NOTHING
        for each in self._reached(place):
            found |= self._needs[each]
        return found

    def templates(self, place: int | None) -> frozenset[str]:
        """Ids and slugs of the templates that can be needed from `place` on."""
        configs = (self.configs[each] for each in self._reached(place))
        keys = (template_key(each) for each in configs if isinstance(each, SendEmailConfig))
        return frozenset(key for key in keys if key is not None)

    def pools(self, place: int | None) -> frozenset[str]:
        """Keys of the steps that take turns in a pool."""
        reached = self._reached(place)
        return frozenset(self.program.steps[each].key for each in reached if Needs.ROTATION in self._needs[each])

    def _reached(self, place: int | None) -> frozenset[int]:
        """Places that can come from there; remembered, since there are few."""
        if place not in self._known:
            seen: set[int] = set()
            waiting = [place]
            while waiting:
                each = waiting.pop()
                if each is None or each in seen or not 0 <= each < len(self.program.steps):
                    continue
                seen.add(each)
                step = self.program.steps[each]
                waiting += [step.next, step.otherwise]
            self._known[place] = frozenset(seen)
        return self._known[place]

    @cached_property
    def _known(self) -> dict[int | None, frozenset[int]]:
        return {}


class ProgramCache:
    """Versions that this process has read; a version is never changed."""

    def __init__(self) -> None:
        self._kept: dict[tuple[UUID, int], RunnableProgram | Exception] = {}

    def missing(self, versions: set[tuple[UUID, int]]) -> list[tuple[UUID, int]]:
        """Those that have to be read."""
        return sorted(versions - self._kept.keys())

    def keep(self, version: tuple[UUID, int], read: Callable[[], Program]) -> None:
        """One that cannot be read is kept as its error."""
        try:
            self._kept[version] = RunnableProgram.of(read())
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this version's
            self._kept[version] = error

    def get(self, version: tuple[UUID, int]) -> RunnableProgram:
        """RejectedInput where it is unknown or cannot be read."""
        found = self._kept.get(version)
        if isinstance(found, RunnableProgram):
            return found
        raise RejectedInput("the version of the workflow is missing or cannot be read")


def _config(step: WorkflowStep) -> StepConfig | Exception | None:
    kind = CONFIGS_AS_RUN.get(step.kind)
    if kind is None:
        return None
    # A later version of this software writes each of its fields by name; one that says nothing changes nothing.
    given = {name: value for name, value in step.config.items() if value or name in kind.model_fields}
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        places = sorted({".".join(map(str, problem["loc"])) for problem in error.errors()})
        return RejectedInput(f"config of {step.kind.value}: {', '.join(places)}")


def _needs_of(config: StepConfig | Exception | None) -> Needs:
    match config:
        case SendEmailConfig():
            return Needs.SENDER
        case UpdateFieldConfig():
            return Needs.RECORD_LOCK
        case AssignConfig():
            turns = Needs.ROTATION if config.assignee_type == "round_robin" else Needs.NOTHING
            return Needs.PEOPLE | Needs.RECORD_LOCK | turns
        case EscalateConfig():
            return Needs.PEOPLE | (Needs.RECORD_LOCK if config.reassign else Needs.NOTHING)
        case CreateTaskConfig():
            return Needs.NOTHING if config.assignee_id in {None, OWNER} else Needs.PEOPLE
        case ApprovalConfig():
            return Needs.PEOPLE | Needs.APPROVALS
        case WaitConfig():
            return Needs.HAPPENED if config.until_event else Needs.NOTHING
    return Needs.NOTHING


def _reads(step: WorkflowStep) -> bool:
    """Whether anything of it depends on the record: a variable, a condition, or its owner."""
    if step.ask_again is not None or step.kind in {
        StepKind.CONDITION,
        StepKind.ASSIGN,
        StepKind.ESCALATE,
        StepKind.WEBHOOK,
        StepKind.SEND_EMAIL,
        StepKind.CREATE_ACTIVITY,
        StepKind.APPROVAL,
    }:
        return True
    if step.kind is StepKind.CREATE_TASK and "assignee_id" not in step.config:
        return True
    if step.kind is StepKind.SEND_NOTIFICATION and (step.config.get("to") or step.config.get("template_slug")):
        return True
    if step.kind is StepKind.WAIT and step.config.get("before_field"):
        return True
    return any("{{" in text for text in _texts(step.config))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
