"""Proves a program: everything that it names is there, every step is reached, and it may write what it writes."""

from collections.abc import Iterator

from pydantic.alias_generators import to_camel

from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.record_conditions import ConditionGroup, conditions_in
from crm_relay.workflows.definition.proofs.catalog import (
    Catalog,
    letters_of,
    names_in,
    notices_of,
    people_of,
    roles_of,
    texts_in,
)
from crm_relay.workflows.definition.proofs.flow import loop_without_wait, unreachable_steps
from crm_relay.workflows.definition.proofs.known_names import WORKFLOW_VARIABLES, event_columns, problem_of_name
from crm_relay.workflows.definition.proofs.step_rules import problems_of_step
from crm_relay.workflows.definition.reading.problems import DefinitionProblems, path_of_step, shown
from crm_relay.workflows.entities import ENTITIES, may_be_listened_to
from crm_relay.workflows.models import EntityType, Program, StepKind, Trigger, TriggerKind, WorkflowStep

REPLIED = "replied"
EVENTS_OF_CONTACTS = frozenset({REPLIED, "bounced", "unsubscribed"})
"""Events that other rooms write; they are about the contact."""


def validate(program: Program, catalog: Catalog, *, is_whole: bool = True) -> tuple[str, ...]:
    """All problems by their path; empty: the program may be published, but for circles with other workflows.

    `is_whole` False: parts of it could not be read, so that nothing can be said of the ways through it.
    """
    problems = DefinitionProblems()
    for place, trigger in enumerate(program.triggers):
        path = f"triggers[{place}]"
        problems.add_all((f"{path}.{where}", what) for where, what in _of_trigger(trigger, program, catalog))
        problems.add_all(_of_conditions(trigger.records, f"{path}.records", program, catalog))
    problems.add_all(_of_conditions(program.conditions, "conditions", program, catalog))
    for step in program.steps:
        problems.add_all(_of_step(step, program, catalog))
    if is_whole:
        problems.add_all((path_of_step(key), "no run comes here") for key in unreachable_steps(program))
        problems.add_all(_of_loops(program))
        problems.add_all(_of_answers(program))
    return problems.found


def names_of(program: Program) -> list[str]:
    """Every field and variable that the program names, in conditions and in texts that can be read."""
    groups = [program.conditions, *(trigger.records for trigger in program.triggers)]
    groups += [group for step in program.steps for group in (step.conditions, step.ask_again)]
    asked = [condition.field for group in groups for condition in conditions_in(group)]
    return asked + [name for step in program.steps for _, text in texts_in(step.config) for name in names_in(text)]


def columns_of_events(program: Program, catalog: Catalog) -> frozenset[str]:
    """The columns that an event has to carry, since something asks for `event.x`."""
    return frozenset(
        column for column in event_columns(names_of(program), program, catalog) if may_be_listened_to(column)
    )


def with_columns(program: Program, catalog: Catalog) -> tuple[Trigger, ...]:
    """The triggers, each field change with its column: one that names none is one for each that may be listened to."""
    columns = sorted(filter(may_be_listened_to, catalog.columns.get(ENTITIES[program.entity_type].table, ())))
    found: list[Trigger] = []
    for trigger in program.triggers:
        if trigger.kind is TriggerKind.FIELD_CHANGE and trigger.column is None:
            found += [Trigger(trigger.kind, column, trigger.was, trigger.becomes) for column in columns]
        else:
            found.append(trigger)
    return tuple(found)


def _of_trigger(trigger: Trigger, program: Program, catalog: Catalog) -> Iterator[tuple[str, str]]:
    table = ENTITIES[program.entity_type].table
    if trigger.column is not None and trigger.column not in catalog.columns.get(table, ()):
        yield "field", f"{table} has no column {shown(trigger.column)}"
    elif trigger.column is not None and not may_be_listened_to(trigger.column):
        yield "field", f"{shown(trigger.column)} cannot be listened to"
    if trigger.event in EVENTS_OF_CONTACTS and program.entity_type is not EntityType.CONTACT:
        yield "event", f"{trigger.event} is an event of contacts"


def _of_loops(program: Program) -> Iterator[tuple[str, str]]:
    if (loop := loop_without_wait(program)) and program.settings.guard is None:
        yield path_of_step(loop[0]), f"a loop without a wait: {' -> '.join([*loop, loop[0]])}"


def _of_answers(program: Program) -> Iterator[tuple[str, str]]:
    """Two systems that answer each other: not every automatic reply says that it is one."""
    is_by_reply = any(trigger.kind is TriggerKind.EVENT and trigger.event == REPLIED for trigger in program.triggers)
    answers = [step for step in program.steps if step.kind is StepKind.SEND_EMAIL]
    if is_by_reply and answers and program.settings.cool_down is None and program.settings.guard is None:
        problem = f"an e-mail on {REPLIED} that an automatic answer starts again and again: set settings.coolDown"
        yield path_of_step(answers[0].key), problem


def _of_conditions(
    group: ConditionGroup | None, path: str, program: Program, catalog: Catalog
) -> Iterator[tuple[str, str]]:
    for condition in conditions_in(group):
        if problem := problem_of_name(condition.field, program, catalog):
            yield path, problem


def _of_step(step: WorkflowStep, program: Program, catalog: Catalog) -> Iterator[tuple[str, str]]:
    path = path_of_step(step.key)
    table = ENTITIES[program.entity_type].table
    columns = catalog.columns.get(table, frozenset())
    yield from _of_conditions(step.ask_again, f"{path}.askAgain", program, catalog)
    yield from _of_conditions(step.conditions, f"{path}.conditions", program, catalog)
    for place, problem in (
        *problems_of_step(step, program.entity_type, columns, catalog.types.get(table, {})),
        *((place, problem) for place, text in texts_in(step.config) for problem in _of_text(text, program, catalog)),
        *_of_references(step, program, catalog),
    ):
        yield f"{path}.config{_written(place)}", problem


def _written(place: str) -> str:
    """As the documents spell it: `pool_role` is `.poolRole`; what is below a header or a body keeps its name."""
    name, dot, rest = place.partition(".")
    return f".{to_camel(name)}{dot}{rest}" if place else ""


def _of_text(text: str, program: Program, catalog: Catalog) -> Iterator[str]:
    try:
        names = names_in(text)
    except RejectedInput:
        yield "a {{ that begins no variable: write {{name}} or {{name|default}}"
        return
    for name in names:
        if name not in WORKFLOW_VARIABLES and (problem := problem_of_name(name, program, catalog)):
            yield problem


def _of_references(step: WorkflowStep, program: Program, catalog: Catalog) -> Iterator[tuple[str, str]]:
    for place, person in people_of(step):
        if person is None:
            yield place, "the id of a colleague, or a variable that holds one"
        elif person not in catalog.people:
            yield place, "no active colleague of this organization has this id"
    for place, role in roles_of(step):
        if role not in catalog.roles:
            yield place, "no active colleague of this organization has this role"
    yield from _of_templates(step, program, catalog)


def _of_templates(step: WorkflowStep, program: Program, catalog: Catalog) -> Iterator[tuple[str, str]]:
    for place, letter in letters_of(step):
        if letter not in catalog.letters:
            yield place, "this organization has no active e-mail template of this name"
        for text in catalog.letters.get(letter, ()):
            yield from ((place, f"in the template, {problem}") for problem in _of_text(text, program, catalog))
    for place, notice in notices_of(step):
        if notice not in catalog.notices:
            yield place, "there is no active notification template of this name"
