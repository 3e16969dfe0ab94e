"""What an organization has that a program may name, and what a program does name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from crm_relay.rules.templates import check
from crm_relay.workflows.models import Program, StepKind, WorkflowStep

VARIABLE_BEGINS = "{{"


@dataclass(frozen=True)
class Catalog:
    """Of one organization. `columns` by table; `people` are active; `letters` maps the id and the slug of an active
    template to its texts, `notices` are the slugs of notification templates, the system's included. `types` of the
    columns of a table, by its name.
    """

    columns: Mapping[str, frozenset[str]] = field(default_factory=dict, hash=False)
    people: frozenset[UUID] = frozenset()
    roles: frozenset[str] = frozenset()
    letters: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    notices: frozenset[str] = frozenset()
    types: Mapping[str, Mapping[str, str]] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class References:
    """What programs name, as it is written: ids of people, roles, ids and slugs of templates."""

    people: frozenset[UUID] = frozenset()
    roles: frozenset[str] = frozenset()
    letters: frozenset[str] = frozenset()
    notices: frozenset[str] = frozenset()

    def __or__(self, other: "References") -> "References":
        """Those of both."""
        return References(
            self.people | other.people,
            self.roles | other.roles,
            self.letters | other.letters,
            self.notices | other.notices,
        )


def references_in(program: Program) -> References:
    """What has to be looked up before the program can be proven."""
    return References(
        people=frozenset(person for step in program.steps for _, person in people_of(step) if person is not None),
        roles=frozenset(role for step in program.steps for _, role in roles_of(step)),
        letters=frozenset(letter for step in program.steps for _, letter in letters_of(step)),
        notices=frozenset(notice for step in program.steps for _, notice in notices_of(step)),
    )


def people_of(step: WorkflowStep) -> Iterator[tuple[str, UUID | None]]:
    """The places in the step's config that name a person; None: what stands there is neither an id nor a variable."""
    config = step.config
    names = {
        StepKind.SEND_NOTIFICATION: ("user_id",),
        StepKind.CREATE_TASK: ("assignee_id",),
        StepKind.ASSIGN: ("assignee_id",),
    }.get(step.kind, ())
    given = [(name, config.get(name)) for name in names]
    if step.kind is StepKind.ASSIGN:
        given += [(f"pool[{place}]", each) for place, each in enumerate(config.get("pool", ()))]
    if step.kind is StepKind.ESCALATE and config.get("to") not in {"manager", "owner"}:
        given.append(("to", config.get("to")))
    if step.kind is StepKind.APPROVAL:
        given += [(f"approvers[{place}].userId", each.get("user_id")) for place, each in _approvers(step)]
        if config.get("escalate_to") not in {None, "manager", "owner"}:
            given.append(("escalate_to", config.get("escalate_to")))
    for name, value in given:
        if value is not None and VARIABLE_BEGINS not in str(value):
            yield name, _uuid_of(value)


def roles_of(step: WorkflowStep) -> Iterator[tuple[str, str]]:
    """The places that name a role."""
    name = {StepKind.SEND_NOTIFICATION: "role", StepKind.ASSIGN: "pool_role"}.get(step.kind)
    if name and step.config.get(name):
        yield name, step.config[name]
    if step.kind is StepKind.APPROVAL:
        yield from ((f"approvers[{place}].role", each["role"]) for place, each in _approvers(step) if each.get("role"))


def letters_of(step: WorkflowStep) -> Iterator[tuple[str, str]]:
    """The places that name a template of `email_templates`."""
    if step.kind is StepKind.SEND_EMAIL:
        yield from ((name, step.config[name]) for name in ("template_id", "template_slug") if step.config.get(name))


def notices_of(step: WorkflowStep) -> Iterator[tuple[str, str]]:
    """The places that name a template of `notification_templates`."""
    if step.kind is StepKind.SEND_NOTIFICATION and step.config.get("template_slug"):
        yield "template_slug", step.config["template_slug"]


def texts_in(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Every text inside a config with its place, such as `body.lines[0]`."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from texts_in(inner, f"{place}.{name}" if place else str(name))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from texts_in(inner, f"{place}[{number}]")


def names_in(text: str) -> list[str]:
    """The variables of a text; RejectedInput where a `{{` begins none."""
    return check(text, frozenset()) if VARIABLE_BEGINS in text else []


def _approvers(step: WorkflowStep) -> list[tuple[int, Mapping[str, Any]]]:
    return list(enumerate(step.config.get("approvers", ())))


def _uuid_of(value: object) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None
