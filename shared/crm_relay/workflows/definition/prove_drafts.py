"""Proves workflows as they stand in their rows, any number in two messages, and records what comes of it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from crm_relay.platform.database import Row, Transaction
from crm_relay.platform.errors import OF_ONE_ROW, FatalError, describe_error
from crm_relay.platform.logging import logger
from crm_relay.platform.sql import SqlValue
from crm_relay.workflows.definition import store
from crm_relay.workflows.definition.listeners import Listener, listeners_of, schedules_of, waits_of
from crm_relay.workflows.definition.parse import ParsedDefinition, parse
from crm_relay.workflows.definition.program_json import program_from_json, program_to_json
from crm_relay.workflows.definition.proofs.catalog import Catalog, References, references_in
from crm_relay.workflows.definition.proofs.cycles import PublishedProgram, describe_cycle, find_cycle
from crm_relay.workflows.definition.proofs.known_names import TABLES
from crm_relay.workflows.definition.reading.states import StateRow, TransitionRow
from crm_relay.workflows.definition.validate import columns_of_events, validate, with_columns
from crm_relay.workflows.entities import ENTITIES
from crm_relay.workflows.models import Program


@dataclass(frozen=True)
class ProvenDraft:
    """A row of `workflows` and what was found. `problems` keep it from being published; else `program` is a program."""

    row: Row
    problems: tuple[str, ...]
    program: Program | None = None
    new_states: tuple[StateRow, ...] = ()
    event_columns: frozenset[str] = frozenset()
    former: tuple[Program, ...] = ()
    due: tuple[int, ...] = ()

    @property
    def id(self) -> UUID:
        """The workflow's."""
        workflow_id: UUID = self.row["id"]
        return workflow_id

    @property
    def is_published(self) -> bool:
        """Whether this very definition is active already."""
        return bool(self.row["is_active"] and self.row["active_hash"] == self.row["source_hash"])


def prove_drafts(tx: Transaction, ids: Sequence[UUID]) -> list[ProvenDraft]:
    """Each of `ids` that there is, in the order of ids. Their organizations and rows are locked from here on.

    A draft is proven against all that is published, and against those drafts before it that have no problems.
    """
    drafts, states, transitions, published, waiting, schedules = store.read_drafts(tx, ids)
    parsed = [_parse(row, states, transitions) for row in drafts]
    catalogs, taken = _read_catalogs(tx, drafts, parsed)
    former, rows = _by_workflow(waiting), _by_workflow(schedules)
    active: dict[UUID, dict[UUID, PublishedProgram]] = defaultdict(dict)
    for row in published:
        if (program := readable(row["program"], row["workflow_id"])) is not None:
            active[row["org_id"]][row["workflow_id"]] = PublishedProgram(row["workflow_id"], row["name"], program)
    proven = []
    for row, found in zip(drafts, parsed, strict=True):
        others = active[row["org_id"]]
        draft = _prove(row, found, catalogs[row["org_id"]], taken, list(others.values()))
        if draft.program is not None and not draft.problems:
            others[draft.id] = PublishedProgram(draft.id, row["name"], draft.program)
        programs = (readable(each["program"], draft.id) for each in former[draft.id])
        due = tuple(each["trigger_index"] for each in rows[draft.id])
        proven.append(replace(draft, former=tuple(each for each in programs if each), due=due))
    return proven


def record_published(tx: Transaction, drafts: Sequence[ProvenDraft], who: str) -> None:
    """A version each, what it listens to, and when it is due. Only drafts without problems; eight statements."""
    versions, states, listeners, kept, schedules = [], [], [], [], []
    for draft in drafts:
        if draft.program is None or draft.problems:
            raise ValueError("a draft that has problems is not published")
        row = draft.row
        versions.append(
            {
                "workflow_id": draft.id,
                "version": row["newest_version"] + 1,
                "org_id": row["org_id"],
                "entity_type": draft.program.entity_type.value,
                "definition": row["definition"],
                "program": program_to_json(draft.program),
                "source_hash": row["source_hash"],
            }
        )
        states += [_state_values(draft.id, state) for state in draft.new_states]
        listeners += _listener_rows(row, listeners_of(draft.program, draft.event_columns, draft.former))
        due = schedules_of(draft.program, readable(row["active_program"], draft.id), draft.due, row["read_at"])
        kept += [_place(draft.id, place) for place in sorted(due.kept)]
        schedules += [
            {**_place(draft.id, place), "org_id": row["org_id"], "next_at": time} for place, time in due.new.items()
        ]
    ids = [draft.id for draft in drafts]
    tx.send_all([*store.publishing(ids, versions, states, who), *store.listening(ids, listeners, kept, schedules)])


def record_ended(tx: Transaction, ids: Sequence[UUID], *, by_row: bool = False) -> list[UUID]:
    """The workflows whose version has ended by that. What runs of it still wait for is listened to as before.

    `by_row`: only those whose row says that they are over, which may have changed since they were found.
    """
    drafts, _, _, _, waiting, _ = store.read_drafts(tx, ids)
    ending = [row for row in drafts if not by_row or not row["is_active"] or row["is_deleted"]]
    ids, former = [row["id"] for row in ending], _by_workflow(waiting)
    listeners = []
    for row in ending:
        programs = (readable(each["program"], row["id"]) for each in former[row["id"]])
        listeners += _listener_rows(row, {each for one in programs if one for each in waits_of(one)})
    ended, *_ = tx.send_all([*store.ending(ids), *store.listening(ids, listeners, [], [])])
    return [row["workflow_id"] for row in ended]


def readable(stored: object, workflow_id: UUID) -> Program | None:
    """None: there is none, or one that a later version of this software wrote in its own way, which is logged."""
    try:
        return None if stored is None else program_from_json(stored)
    except FatalError as error:
        logger().error("a published workflow cannot be read", workflow_id=workflow_id, reason=describe_error(error))
        return None


def _parse(row: Row, states: Iterable[Row], transitions: Iterable[Row]) -> ParsedDefinition:
    workflow_id = row["id"]
    try:
        return parse(
            row["definition"],
            entity_type=row["entity_type"],
            workflow_id=workflow_id,
            states=[
                StateRow(each["id"], each["name"], each["state_type"], each["position"])
                for each in states
                if each["workflow_id"] == workflow_id
            ],
            transitions=[
                TransitionRow(each["id"], each["from_state_id"], each["to_state_id"], _object(each["config"]))
                for each in transitions
                if each["workflow_id"] == workflow_id
            ],
        )
    except OF_ONE_ROW as error:
        logger().error("a definition cannot be read", workflow_id=workflow_id, reason=describe_error(error))
        return ParsedDefinition(None, problems=("definition: it cannot be read",))


def _read_catalogs(
    tx: Transaction, drafts: Sequence[Row], parsed: Sequence[ParsedDefinition]
) -> tuple[dict[UUID, Catalog], frozenset[UUID]]:
    """By organization; and those ids of new states that another workflow's state has."""
    wanted = References()
    for found in parsed:
        wanted |= references_in(found.program) if found.program else References()
    orgs = sorted({row["org_id"] for row in drafts})
    tables = [*(entity.table for entity in ENTITIES.values()), *TABLES.values()]
    states = [state.id for found in parsed for state in found.new_states]
    column_rows, rows = store.read_catalog(tx, orgs, wanted, states, sorted(set(tables)))
    columns = {row["table_name"]: frozenset(row["columns"]) for row in column_rows}
    types = {row["table_name"]: row["types"] for row in column_rows}
    taken = frozenset(UUID(row["name"]) for row in rows if row["kind"] == "state")
    return {
        org: replace(_catalog([row for row in rows if row["org_id"] in {org, None}], columns), types=types)
        for org in orgs
    }, taken


def _catalog(rows: Sequence[Row], columns: dict[str, frozenset[str]]) -> Catalog:
    names: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        names[row["kind"]].add(row["name"])
    letters = {row["name"]: tuple(filter(None, row["texts"])) for row in rows if row["kind"] == "letter"}
    people = frozenset(map(UUID, names["person"]))
    return Catalog(columns, people, frozenset(names["role"]), letters, frozenset(names["notice"]))


def _prove(
    row: Row, found: ParsedDefinition, catalog: Catalog, taken: frozenset[UUID], others: Sequence[PublishedProgram]
) -> ProvenDraft:
    if found.program is None:
        return ProvenDraft(row, found.problems)
    problems = list(found.problems)
    problems += [
        f"states: another workflow has the id of {state.name}" for state in found.new_states if state.id in taken
    ]
    problems += validate(found.program, catalog, is_whole=not found.problems)
    program = replace(found.program, triggers=with_columns(found.program, catalog))
    if not problems and (cycle := find_cycle(PublishedProgram(row["id"], row["name"], program), others)):
        problems.append(f"settings.guard: workflows would start each other: {describe_cycle(cycle)}")
    if problems:
        return ProvenDraft(row, tuple(dict.fromkeys(problems)))
    return ProvenDraft(row, (), program, found.new_states, columns_of_events(program, catalog))


def _by_workflow(rows: Iterable[Row]) -> dict[UUID, list[Row]]:
    found: dict[UUID, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["workflow_id"]].append(row)
    return found


def _listener_rows(row: Row, listeners: Iterable[Listener]) -> list[dict[str, object]]:
    return [
        {
            "workflow_id": row["id"],
            "org_id": row["org_id"],
            "entity_type": listener.entity_type.value,
            "topic": listener.topic,
        }
        for listener in sorted(listeners, key=lambda each: (each.entity_type.value, each.topic))
    ]


def _state_values(workflow_id: UUID, state: StateRow) -> dict[str, SqlValue]:
    return {
        "id": state.id,
        "workflow_id": workflow_id,
        "name": state.name,
        "state_type": state.state_type,
        "position": state.position,
    }


def _place(workflow_id: UUID, place: int) -> dict[str, SqlValue]:
    return {"workflow_id": workflow_id, "trigger_index": place}


def _object(stored: Any) -> dict[str, Any]:
    return stored if isinstance(stored, dict) else {}
