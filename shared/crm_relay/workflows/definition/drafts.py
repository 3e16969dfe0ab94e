"""Workflows as people see them: made from a file, listed, shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from crm_relay.platform.database import Database, Queryable, Row, Transaction
from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.actions.configs import StepConfig
from crm_relay.workflows.definition import store
from crm_relay.workflows.definition.listeners import listeners_of
from crm_relay.workflows.definition.prove_drafts import prove_drafts
from crm_relay.workflows.definition.publish import OPERATOR, listen_now
from crm_relay.workflows.definition.reading.problems import DefinitionProblems, read_part
from crm_relay.workflows.definition.reading.shape import problem_of_shape
from crm_relay.workflows.events.watch import watch_draft

MOST_LISTED = 200
MOST_VERSIONS = 50

_OF_FILE = frozenset({"name", "description", "entityType", "entity_type", "ownerId", "owner_id", "definition"})
_STORABLE = r"^[^\x00]*$"


class WorkflowFile(StepConfig):
    """A workflow in a file. What is not named here is its definition, which may also stand under `definition`."""

    name: Annotated[str, Field(min_length=1, max_length=200, pattern=_STORABLE)]
    description: Annotated[str, Field(max_length=2000, pattern=_STORABLE)] | None = None
    entity_type: Annotated[str, Field(max_length=100)]
    owner_id: UUID | None = None
    definition: dict[str, Any]


@dataclass(frozen=True)
class WorkflowSaved:
    """A draft that starts nothing before it is published. `problems` are those that publishing would refuse it for.

    `is_active`: an earlier version of it runs, and the next tick publishes this draft too, as it does for any row.
    `is_recorded`: what it would listen to is kept from now on, so that it can be rehearsed; never of one with problems.
    """

    id: UUID
    name: str
    problems: tuple[str, ...]
    is_active: bool = False
    is_recorded: bool = False


@dataclass(frozen=True)
class WorkflowLine:
    """`has_changes`: the draft is another one than the version that runs. `problems`: why the row was not adopted."""

    id: UUID
    org_id: UUID
    name: str
    description: str | None
    entity_type: str
    is_active: bool
    paused_at: datetime | None
    paused_reason: str | None
    owner_id: UUID | None
    active_version: int | None
    published_at: datetime | None
    published_by: str | None
    has_changes: bool
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class WorkflowVersion:
    """What was published once."""

    version: int
    entity_type: str
    is_active: bool
    starts_from: datetime
    published_at: datetime
    published_by: str
    ended_at: datetime | None
    definition: dict[str, Any]


@dataclass(frozen=True)
class WorkflowShown:
    """A workflow with its draft and its versions, the newest first."""

    workflow: WorkflowLine
    definition: object
    versions: tuple[WorkflowVersion, ...]


def find_workflow(db: Queryable, called: str, *, org_id: UUID | None = None) -> UUID:
    """The workflow with this id, or the only one with this name; RejectedInput with 404, or 409 for several."""
    try:
        workflow_id = UUID(called)
    except ValueError:
        workflow_id = None
    found = store.find_workflows(db, workflow_id, called, org_id)
    if not found:
        raise RejectedInput("there is no such workflow", status=404)
    if len(found) > 1 and found[0] != workflow_id:
        raise RejectedInput("several workflows have this name: say which by its id", status=409)
    return found[0]


def create(db: Database, given: Mapping[str, Any], *, org_id: UUID | None = None, who: str = OPERATOR) -> WorkflowSaved:
    """Keep a file as a draft of the organization, or of the installation's own where none is given.

    RejectedInput with 422 where it is no workflow, with 409 where there is one of this name, so that a command that is
    repeated makes no second one.
    """
    file = read_file(given)
    return _record(db, db.transact(lambda tx: _create(tx, file, org_id, who)))


def save(db: Database, workflow_id: UUID, given: Mapping[str, Any], *, who: str = OPERATOR) -> WorkflowSaved:
    """Put a file in the place of the draft; errors as in `create`, 404 for no such workflow."""
    file = read_file(given)
    return _record(db, db.transact(lambda tx: _save(tx, workflow_id, file, who)))


def record(db: Database, workflow_id: UUID) -> WorkflowSaved:
    """Record what the draft would listen to, as saving it does. RejectedInput with 404 for no such workflow."""

    def work(tx: Transaction) -> tuple[WorkflowSaved, datetime]:
        if store.show_definition(tx, workflow_id) is None:
            raise RejectedInput("there is no such workflow", status=404)
        return _saved(tx, workflow_id)

    return _record(db, db.transact(work))


def read_file(given: Mapping[str, Any]) -> WorkflowFile:
    """Of JSON or YAML as it was loaded: dates of YAML are texts. RejectedInput with 422 names the parts."""
    problems = DefinitionProblems()
    plain = _as_json(dict(given))
    if (problem := problem_of_shape(plain)) is not None:
        raise RejectedInput("the file is no workflow", status=422, details=[f"file: {problem}"])
    own = {name: part for name, part in plain.items() if name in _OF_FILE}
    rest = {name: part for name, part in plain.items() if name not in _OF_FILE}
    if "definition" in own and rest:
        problems.add("definition", "the file has one, so its triggers and actions belong there")
    file = read_part(WorkflowFile, {"definition": rest} | own, "", problems)
    if file is None or problems.found:
        raise RejectedInput("the file is no workflow", status=422, details=problems.found)
    return file


def workflow_name(db: Queryable, workflow_id: UUID) -> str:
    """RejectedInput with 404 for no such workflow."""
    lines = store.list_workflows(db, org_id=None, only=workflow_id, after=None, limit=1)
    if not lines:
        raise RejectedInput("there is no such workflow", status=404)
    return str(lines[0]["name"])


def list_workflows(
    db: Queryable, *, org_id: UUID | None = None, after: tuple[str, UUID] | None = None, limit: int = MOST_LISTED
) -> list[WorkflowLine]:
    """By name, from behind `after`, the name and id of the last one of the page before; `org_id` None: of all."""
    rows = store.list_workflows(db, org_id=org_id, only=None, after=after, limit=min(limit, MOST_LISTED))
    return [_line(row) for row in rows]


def show_workflow(db: Queryable, workflow_id: UUID) -> WorkflowShown:
    """RejectedInput with 404 for no such workflow."""
    rows = store.list_workflows(db, org_id=None, only=workflow_id, after=None, limit=1)
    draft = store.show_definition(db, workflow_id)
    if not rows or draft is None:
        raise RejectedInput("there is no such workflow", status=404)
    versions = store.list_versions(db, workflow_id, MOST_VERSIONS)
    return WorkflowShown(_line(rows[0]), draft["definition"], tuple(WorkflowVersion(**row) for row in versions))


def _record(db: Database, saved: tuple[WorkflowSaved, datetime]) -> WorkflowSaved:
    """What cannot be listened to at this moment is by the next round."""
    made, now = saved
    if made.is_recorded:
        listen_now(db, now)
    return made


def _create(tx: Transaction, file: WorkflowFile, org_id: UUID | None, who: str) -> tuple[WorkflowSaved, datetime]:
    _require_owner(tx, file, org_id)
    row = store.insert_draft(tx, org_id, _draft(file), who)
    if row is None:
        raise RejectedInput("a workflow of this name is there already", status=409)
    return _saved(tx, row["id"])


def _save(tx: Transaction, workflow_id: UUID, file: WorkflowFile, who: str) -> tuple[WorkflowSaved, datetime]:
    lines = store.list_workflows(tx, org_id=None, only=workflow_id, after=None, limit=1)
    if not lines:
        raise RejectedInput("there is no such workflow", status=404)
    _require_owner(tx, file, lines[0]["org_id"])
    store.save_draft(tx, workflow_id, _draft(file), who)
    return _saved(tx, workflow_id)


def _require_owner(tx: Transaction, file: WorkflowFile, org_id: UUID | None) -> None:
    if file.owner_id is not None and not store.owner_is_there(tx, file.owner_id, org_id):
        details = ["ownerId: no active colleague of this organization has this id"]
        raise RejectedInput("the file is no workflow", status=422, details=details)


def _saved(tx: Transaction, workflow_id: UUID) -> tuple[WorkflowSaved, datetime]:
    """And when, by the clock of the database. A draft that cannot be read leaves what is recorded as it is."""
    (draft,) = prove_drafts(tx, [workflow_id])
    if draft.program is not None:
        heard = listeners_of(draft.program, draft.event_columns, draft.former)
        watch_draft(tx, workflow_id, draft.row["org_id"], [(each.entity_type, each.topic) for each in heard])
    saved = WorkflowSaved(
        workflow_id,
        draft.row["name"],
        draft.problems,
        is_active=draft.row["is_active"],
        is_recorded=draft.program is not None,
    )
    return saved, draft.row["read_at"]


def _draft(file: WorkflowFile) -> dict[str, Any]:
    return {
        "name": file.name,
        "description": file.description,
        "entity_type": file.entity_type,
        "definition": file.definition,
        "owner": file.owner_id,
    }


def _line(row: Row) -> WorkflowLine:
    return WorkflowLine(**(row | {"problems": tuple(row["problems"] or ())}))


def _as_json(value: Any, depth: int = 0) -> Any:
    """YAML knows dates; what is nested too deep is left as it is, and refused for that."""
    if isinstance(value, date):
        return value.isoformat()
    if depth > 50:
        return value
    if isinstance(value, dict):
        return {name: _as_json(inner, depth + 1) for name, inner in value.items()}
    return [_as_json(inner, depth + 1) for inner in value] if isinstance(value, list) else value
