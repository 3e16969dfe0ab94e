"""Why workflows did or did not start for a record: what was decided, and what a start would come to now."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.errors import OF_ONE_ROW, RejectedInput, describe_error
from crm_relay.rules.record_conditions import RecordFacts
from crm_relay.workflows.approvals.overview import ApprovalShown, list_approvals
from crm_relay.workflows.entities import topics_of
from crm_relay.workflows.models import EntityEvent, EntityType, Program, TriggerKind
from crm_relay.workflows.overview import store
from crm_relay.workflows.overview.models import RecordWhy, StartLine, WorkflowWhy, WouldStart
from crm_relay.workflows.overview.sentences import because, describe_trigger, waits_for
from crm_relay.workflows.run_models import TriggerEvent
from crm_relay.workflows.starting.decisions import judge_record, of_instance, take_place
from crm_relay.workflows.starting.models import Instance, NotStarted, StartableVersion, StartRequest
from crm_relay.workflows.starting.programs import Programs
from crm_relay.workflows.starting.records import GONE, read_records

MOST_WORKFLOWS = 500
MOST_DECISIONS = 10
MOST_WAITING = 1_000

OTHER_TYPE = "other_entity_type"
NOT_PUBLISHED = "not_published"
BY_HAND = "by_hand"
EVENT_WAITS = "event_waits"
NOTHING_HAPPENED = "nothing_happened"
UNREADABLE = "unreadable"
"""Answers beside the verdicts of decisions: `started`, `queued`, `not_started`."""

_BY_HAND = frozenset({TriggerKind.MANUAL, TriggerKind.API})


def why_record(
    db: Queryable, record: tuple[EntityType, UUID], now: datetime, *, workflow_id: UUID | None = None
) -> RecordWhy:
    """Every workflow of the record's organization, or one; at most six statements, however many there are.

    RejectedInput with 404 where there is no such record and none was ever decided about; or no such workflow in its
    organization.
    """
    key = (record[0].value, record[1])
    facts = read_records(db, [key]).get(key, GONE)
    org = _organization(facts) or store.organization_of_record(db, key)
    if org is None:
        raise RejectedInput(f"there is no {key[0]} with this id, and no workflow was ever asked about it", status=404)
    rows = store.workflows_for_record(db, org, key, workflow=workflow_id, limit=MOST_WORKFLOWS)
    if workflow_id is not None and not rows:
        raise RejectedInput("the record's organization has no such workflow", status=404)
    decided: defaultdict[UUID, list[Row]] = defaultdict(list)
    for each in store.decisions_for_record(db, key, limit=MOST_DECISIONS):
        decided[each["workflow_id"]].append(each)
    waiting = store.waiting_events(db, key, limit=MOST_WAITING)
    approvals = list_approvals(db, record=key, limit=MOST_WAITING)
    versions = {each.workflow_id: each for each in Programs().of(db, [_version(row) for row in rows if row["version"]])}
    explained = [
        _with_approvals(
            _workflow(row, versions.get(row["workflow_id"]), key, facts, decided[row["workflow_id"]], waiting, now),
            [each for each in approvals if each.workflow_id == row["workflow_id"]],
        )
        for row in rows
    ]
    return RecordWhy(key[0], key[1], facts.record is not None, tuple(explained))


def _with_approvals(known: WorkflowWhy, approvals: Sequence[ApprovalShown]) -> WorkflowWhy:
    """A run that waits for people names them."""
    if not approvals:
        return known
    return replace(known, because=f"{known.because} {waits_for(approvals)}", approvals=tuple(approvals))


def _workflow(
    row: Row,
    version: StartableVersion | None,
    key: tuple[str, UUID],
    facts: RecordFacts,
    decided: Sequence[Row],
    waiting: Sequence[Row],
    now: datetime,
) -> WorkflowWhy:
    program = None if version is None else version.program
    is_about = (row["entity_type"] or row["draft_entity_type"]) == key[0]
    concerned = [each for each in waiting if program is not None and is_about and _is_heard(each, program)]
    answer = _answer(row, program, decided, concerned, is_about=is_about)
    would = _would_start(row, version, key[1], facts, decided, now) if version and program and is_about else None
    return WorkflowWhy(
        workflow_id=row["workflow_id"],
        name=row["name"],
        entity_type=row["entity_type"] or row["draft_entity_type"],
        version=row["version"],
        answer=answer,
        because=because(answer, key[0], row, decided[0] if decided else None),
        triggers=tuple(describe_trigger(each) for each in (program.triggers if program else ())),
        decisions=tuple(_start_line(each) for each in decided),
        waiting_events=len(concerned),
        now=would,
    )


def _answer(
    row: Row, program: Program | None, decided: Sequence[Row], concerned: Sequence[Row], *, is_about: bool
) -> str:
    """What is said first. What was decided stays true, also where the workflow is no longer active."""
    if concerned:
        return EVENT_WAITS
    if decided:
        return str(decided[0]["verdict"])
    if not is_about:
        return OTHER_TYPE
    if row["version"] is None:
        return NOT_PUBLISHED
    if program is None:
        return UNREADABLE
    return BY_HAND if all(each.kind in _BY_HAND for each in program.triggers) else NOTHING_HAPPENED


def _would_start(
    row: Row, version: StartableVersion, record: UUID, facts: RecordFacts, decided: Sequence[Row], now: datetime
) -> WouldStart:
    """`event.x` is asked of the newest event that a decision was made about, where it is still kept."""
    event = next((_event(each, version, record) for each in decided if each["topic"] is not None), None)
    request = StartRequest(version, record, "why", "manual", event)
    try:
        judged = judge_record(request, facts)
    except OF_ONE_ROW as error:
        return WouldStart("refuse", "conditions", ({"gate": "conditions", "problem": describe_error(error)},))
    if isinstance(judged, NotStarted):
        return WouldStart("refuse", judged.reason, tuple(judged.explanation))
    asked = tuple(judged.as_json())
    instance = Instance(row["instance_id"] or uuid4(), row["last_started_at"], tuple(row["open_runs"]))
    start = of_instance(request, instance, uuid4(), now)
    if isinstance(start, NotStarted):
        return WouldStart("refuse", start.reason, tuple(start.explanation))
    if start.at is None:
        return WouldStart("queue", "re_entry", asked)
    per_minute = request.program.settings.starts_per_minute
    begins_at, _ = take_place(row["next_free_at"] or now, per_minute, now)
    if row["paused_at"] is not None:
        return WouldStart("wait", "paused", asked, begins_at)
    return WouldStart("start", None, asked, begins_at)


def _is_heard(event: Row, program: Program) -> bool:
    """Whether the event is about something that the workflow listens to."""
    topics = {event["topic"]} if event["kind"] == "event" else {event["topic"], *_changed(event)}
    return any(topics & set(topics_of(program.entity_type, each)) for each in program.triggers)


def _changed(event: Mapping[str, Any]) -> Iterable[str]:
    return event["changed"] if isinstance(event["changed"], dict) else ()


def _start_line(row: Row) -> StartLine:
    same = (
        "decided_at", "verdict", "reason", "explanation", "version", "event_id", "topic", "occurred_at", "origin",
        "execution_id", "run_status",
    )  # fmt: skip
    return StartLine(**{name: row[name] for name in same})


def _event(row: Row, version: StartableVersion, record: UUID) -> EntityEvent:
    read = TriggerEvent.from_json(row)
    return EntityEvent(
        id=row["event_id"],
        org_id=version.org_id,
        entity_type=version.entity_type,
        entity_id=record,
        kind=row["kind"],
        topic=row["topic"],
        changed=read.changed,
        payload=read.payload,
    )


def _version(row: Row) -> Row:
    return {name: row[name] for name in ("workflow_id", "version", "org_id", "entity_type", "starts_from")}


def _organization(facts: RecordFacts) -> UUID | None:
    try:
        return UUID(str((facts.record or {}).get("org_id")))
    except ValueError:
        return None
