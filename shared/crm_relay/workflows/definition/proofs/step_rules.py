"""What the parts of a step's configuration have to be to each other."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.placeholders import problems_of_placeholders
from crm_relay.rules.send_windows import DAYS
from crm_relay.rules.zones import problem_of_zone
from crm_relay.workflows.definition.proofs.catalog import VARIABLE_BEGINS
from crm_relay.workflows.definition.proofs.values import problem_of_value
from crm_relay.workflows.entities import is_event_name
from crm_relay.workflows.models import EntityType, StepKind, WorkflowStep
from crm_relay.workflows.moments import moment_of
from crm_relay.workflows.webhooks_out.references import may_be_sent, may_be_set
from crm_relay.workflows.writable_fields import ASSIGNABLE, WRITABLE

Problem = tuple[str, str]

_ADDRESS = re.compile(r"[^\s<>@,;\"\x00-\x1f]+@[^\s<>@,;\"\x00-\x1f]+")
_URL = re.compile(r"https?://[^/?#{}\s@]+([/?#]\S*)?", re.IGNORECASE)
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_SENSITIVE = re.compile(r"auth|token|secret|key|cookie|signature|password", re.IGNORECASE)
_MESSAGE_VARIABLES = frozenset({"contact.first_name", "contact.last_name", "contact.email", "workflow.name"})
"""What other senders' placeholders may mean; a record has more."""

_REFERENCE = re.compile(r"([A-Za-z]+ )?secret:[A-Za-z0-9_.-]+")
_SOME_DAY = datetime(2026, 1, 7, tzinfo=UTC)
_SECRET_NAME = re.compile(r"(secret:)?(?!whsec_)[A-Za-z0-9_.-]{1,100}")


def problems_of_step(
    step: WorkflowStep,
    entity_type: EntityType,
    columns: frozenset[str],
    types: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Problem]:
    """Each with its place in the config. `columns` are those of the record's table, `types` their types."""
    rule = _RULES.get(step.kind)
    if rule is not None:
        yield from rule(step.config, entity_type, columns)
    if step.kind is StepKind.UPDATE_FIELD and step.config["field"] in WRITABLE[entity_type]:
        value, type_name = step.config["value"], types.get(step.config["field"])
        problem = None if type_name is None else problem_of_value(value, type_name)
        if problem is not None:
            yield "value", problem


def _task(config: Mapping[str, Any], _entity: EntityType, _columns: frozenset[str]) -> Iterator[Problem]:
    yield from _literal_moment("due_date", config["due_date"])


def _literal_moment(name: str, written: str | None) -> Iterator[Problem]:
    """What has no variable is a point in time already."""
    if written is None or VARIABLE_BEGINS in written:
        return
    try:
        moment_of(written, _SOME_DAY)
    except RejectedInput as error:
        yield name, error.message


def _email(config: Mapping[str, Any], _entity: EntityType, _columns: frozenset[str]) -> Iterator[Problem]:
    is_written = bool(config["subject"] and (config["html"] or config["text"]))
    if [bool(config["template_id"]), bool(config["template_slug"]), is_written].count(True) != 1:
        yield "", "one of templateId, templateSlug, or subject with html or text"
    if VARIABLE_BEGINS not in config["to"] and not _ADDRESS.fullmatch(config["to"]):
        yield "to", "an e-mail address, or a variable that holds one"
    yield from _placeholders(config, "subject", "html", "text")


def _notification(config: Mapping[str, Any], _entity: EntityType, _columns: frozenset[str]) -> Iterator[Problem]:
    if not config["template_slug"] and not (config["title"] and config["message"]):
        yield "", "a templateSlug, or title and message"
    if not (config["user_id"] or config["to"] or config["role"]):
        yield "", "somebody to notify: userId, to or role"
    yield from _placeholders(config, "title", "message")


def _placeholders(config: Mapping[str, Any], *places: str) -> Iterator[Problem]:
    """What no variable of a workflow fills."""
    for place in places:
        yield from ((place, problem) for problem in problems_of_placeholders(config[place] or "", _MESSAGE_VARIABLES))


def _update(config: Mapping[str, Any], entity_type: EntityType, columns: frozenset[str]) -> Iterator[Problem]:
    if config["field"] not in WRITABLE[entity_type] & columns:
        known = ", ".join(sorted(WRITABLE[entity_type] & columns)) or "none"
        yield "field", f"a column that a workflow may write: {known}"


def _webhook(config: Mapping[str, Any], _entity: EntityType, _columns: frozenset[str]) -> Iterator[Problem]:
    if not _URL.fullmatch(config["url"]):
        yield "url", "begins with https:// and a host; a variable may stand behind them"
    if config["secret"] is not None and not _SECRET_NAME.fullmatch(config["secret"]):
        yield "secret", "the name of a secret, never a secret itself"
    if len({name.lower() for name in config["headers"]}) != len(config["headers"]):
        yield "headers", "each header once"
    for name, value in config["headers"].items():
        if not may_be_set(name):
            yield "headers", "a header that may be set, by its name"
        elif not may_be_sent(value) or len(value) > 1000:
            yield f"headers.{name}", "one line of up to 1000 characters of Latin-1"
        elif VARIABLE_BEGINS in value:
            yield f"headers.{name}", "a fixed value: variables belong into the url and the body"
        elif _SENSITIVE.search(name) and not _REFERENCE.fullmatch(value):
            yield f"headers.{name}", "a reference such as secret:name, so that no log has the secret"


def _wait(config: Mapping[str, Any], _entity: EntityType, columns: frozenset[str]) -> Iterator[Problem]:
    span = bool(config["days"] or config["hours"] or config["minutes"])
    event, before = config["until_event"], config["before_field"]
    kinds = [span and not event, bool(config["until"]), bool(before), config["business_hours"], bool(event)]
    if kinds.count(True) != 1:
        yield "", "one of a span, until, beforeField, businessHours or untilEvent"
    if event and not is_event_name(event):
        yield "until_event", "the name of an event"
    if event and not span:
        yield "", "untilEvent needs a time-out: days, hours or minutes"
    if before and before not in columns:
        yield "before_field", "a column of the record"
    if config["zone"] is not None and (problem := problem_of_zone(config["zone"])):
        yield "zone", problem
    yield from _literal_moment("until", config["until"])
    for name in ("at", "business_start", "business_end"):
        if config[name] is not None and not _CLOCK.fullmatch(config[name]):
            yield name, "HH:MM"
    if not config["business_days"] or set(config["business_days"]) - set(DAYS):
        yield "business_days", f"some of {', '.join(DAYS)}"
    if config["business_start"] >= config["business_end"]:
        yield "business_end", "later than businessStart"


def _assign(config: Mapping[str, Any], entity_type: EntityType, columns: frozenset[str]) -> Iterator[Problem]:
    if config["field"] not in ASSIGNABLE[entity_type] & columns:
        known = ", ".join(sorted(ASSIGNABLE[entity_type] & columns)) or "none"
        yield "field", f"a column that holds whose the record is: {known}"
    if config["assignee_type"] == "user" and not config["assignee_id"]:
        yield "assignee_id", "whom to assign to"
    if config["assignee_type"] == "round_robin" and bool(config["pool"]) == bool(config["pool_role"]):
        yield "pool", "either pool or poolRole"


def _escalate(config: Mapping[str, Any], entity_type: EntityType, columns: frozenset[str]) -> Iterator[Problem]:
    if config["reassign"] and not ASSIGNABLE[entity_type] & columns:
        yield "reassign", "a record of this entity type is nobody's"


def _approval(config: Mapping[str, Any], _entity: EntityType, _columns: frozenset[str]) -> Iterator[Problem]:
    approvers = config["approvers"]
    for place, each in enumerate(approvers):
        if bool(each["user_id"]) != (each["type"] == "user"):
            yield f"approvers[{place}]", "userId belongs to the type user, and it needs one"
        if bool(each["role"]) != (each["type"] == "role"):
            yield f"approvers[{place}]", "role belongs to the type role, and it needs one"
    named = [(each["type"], each["user_id"], each["role"]) for each in approvers]
    if len(set(named)) != len(named):
        yield "approvers", "each approver once"
    if config["quorum"] is not None and config["mode"] != "parallel":
        yield "quorum", "belongs to the mode parallel"
    is_counted = all(each["type"] != "role" for each in approvers)
    if config["quorum"] is not None and is_counted and config["quorum"] > len(approvers):
        yield "quorum", "more than there are approvers"
    if config["zone"] is not None and (problem := problem_of_zone(config["zone"])):
        yield "zone", problem
    if config["escalate_to"] and not config["due"]:
        yield "escalate_to", "needs due: what is not due is never overdue"
    yield from _times(config)


def _times(config: Mapping[str, Any]) -> Iterator[Problem]:
    """Spans that can be read, in their order."""
    before: tuple[str, datetime] | None = None
    for name in ("remind", "due", "expires"):
        written = config[name]
        if written is None or VARIABLE_BEGINS in written:
            continue
        try:
            moment = moment_of(written, _SOME_DAY)
        except RejectedInput as error:
            yield name, error.message
            continue
        if before is not None and written.startswith("+") and moment <= before[1]:
            yield name, f"later than {before[0]}"
        if written.startswith("+"):
            before = name, moment


_RULES: Final[dict[StepKind, Callable[[Mapping[str, Any], EntityType, frozenset[str]], Iterator[Problem]]]] = {
    StepKind.SEND_EMAIL: _email,
    StepKind.SEND_NOTIFICATION: _notification,
    StepKind.CREATE_TASK: _task,
    StepKind.UPDATE_FIELD: _update,
    StepKind.WEBHOOK: _webhook,
    StepKind.WAIT: _wait,
    StepKind.ASSIGN: _assign,
    StepKind.ESCALATE: _escalate,
    StepKind.APPROVAL: _approval,
}
