"""Workflows that would start each other for ever are found before they are published, and no others are refused."""

from typing import Any
from uuid import UUID

import pytest

from crm_relay.workflows.definition.parse import parse
from crm_relay.workflows.definition.proofs.cycles import PublishedProgram, describe_cycle, find_cycle

Graph = list[tuple[str, dict[str, Any] | list[dict[str, Any]], dict[str, Any], dict[str, Any]]]
"""Workflows: what each is about, its triggers, its action, its settings. The first one is about to be published."""

CREATED = {"type": "created"}
STAGE = {"type": "field_change", "field": "stage"}
STATUS = {"type": "status_change"}
WON = {"type": "status_change", "to": "won"}
REPLIED = {"type": "event", "event": "replied"}
TASK = {"type": "create_task", "config": {"title": "T"}}
NOTE = {"type": "create_activity", "config": {"subject": "S"}}
MAIL = {"type": "send_email", "config": {"subject": "S", "text": "T"}}
ASSIGN = {"type": "assign", "config": {"assigneeType": "manager"}}
ESCALATE = {"type": "escalate", "config": {"reassign": True}}
GUARD = {"guard": "the depth of causes stops it"}


def write(field: str, value: Any) -> dict[str, Any]:
    return {"type": "update_field", "config": {"field": field, "value": value}}


def field(name: str) -> dict[str, Any]:
    return {"type": "field_change", "field": name}


WITH: dict[str, tuple[Graph, str]] = {
    "writes what it listens to": ([("deal", STAGE, write("stage", "new"), {})], "A (writes deal.stage) -> A"),
    "writes a variable into what it listens to": (
        [("deal", WON, write("status", "{{record.stage}}"), {})],
        "A (writes deal.status) -> A",
    ),
    "writes the very value that starts it": (
        [("deal", WON, write("status", "won"), {})],
        "A (writes deal.status) -> A",
    ),
    "writes a number that starts it": (
        [("deal", {"type": "field_change", "field": "value", "to": "5"}, write("value", 5.0), {})],
        "A (writes deal.value) -> A",
    ),
    "any change of status is by the stage of a deal too": (
        [("deal", STATUS, write("stage", "won"), {})],
        "A (writes deal.stage) -> A",
    ),
    "any field": ([("deal", {"type": "field_change"}, write("name", "x"), {})], "A (writes deal.name) -> A"),
    "two of them": (
        [("deal", STAGE, write("value", 1), {}), ("deal", field("value"), write("stage", "x"), {})],
        "A (writes deal.value) -> B (writes deal.stage) -> A",
    ),
    "three of them, by the shortest way": (
        [
            ("deal", STAGE, write("value", 1), {}),
            ("deal", field("value"), write("name", "x"), {}),
            ("deal", field("name"), write("stage", "x"), {}),
            ("deal", field("name"), write("probability", 1), {}),
        ],
        "A (writes deal.value) -> B (writes deal.name) -> C (writes deal.stage) -> A",
    ),
    "a task for every new activity": ([("activity", CREATED, TASK, {})], "A (creates activity) -> A"),
    "an activity that is born with the status": (
        [("activity", {"type": "status_change", "to": "completed"}, NOTE, {})],
        "A (creates activity) -> A",
    ),
    "assigned whenever it is assigned": ([("deal", field("owner_id"), ASSIGN, {})], "A (writes deal.owner_id) -> A"),
    "escalated whenever it is assigned": ([("deal", field("owner_id"), ESCALATE, {})], "A (writes deal.owner_id) -> A"),
    "the second of its triggers": (
        [("deal", [{"type": "manual"}, STAGE], write("stage", "x"), {})],
        "A (writes deal.stage) -> A",
    ),
}
WITHOUT: dict[str, Graph] = {
    "writes another column": [("deal", STAGE, write("value", 1), {})],
    "writes another value than the one that starts it": [("deal", WON, write("status", "archived"), {})],
    "another entity type": [
        ("deal", WON, write("status", "archived"), {}),
        ("job", {"type": "status_change", "to": "archived"}, write("status", "won"), {}),
    ],
    "a chain with an end": [
        ("deal", STAGE, write("value", 1), {}),
        ("deal", field("value"), write("name", "x"), {}),
        ("deal", field("name"), TASK, {}),
    ],
    "tasks for deals": [("deal", CREATED, TASK, {}), ("deal", STAGE, NOTE, {})],
    "an activity is born with another status": [("activity", {"type": "status_change", "to": "completed"}, TASK, {})],
    "an activity that had another status before": [
        ("activity", {"type": "status_change", "from": "open", "to": "completed"}, NOTE, {})
    ],
    "by hand, by a schedule, by an event or a call": [
        (
            "contact",
            [{"type": "manual"}, {"type": "api"}, REPLIED, {"type": "scheduled", "cron": "0 9 * * *"}],
            write("status", "x"),
            {},
        )
    ],
    "a mail whose answer starts it": [("contact", REPLIED, MAIL, {})],
    "its own guard": [("deal", STAGE, write("stage", "x"), GUARD)],
    "the guard of another one in it": [
        ("deal", STAGE, write("value", 1), {}),
        ("deal", field("value"), write("stage", "x"), GUARD),
    ],
    "a circle of others that was allowed": [
        ("deal", STAGE, TASK, {}),
        ("deal", field("value"), write("value", 1), GUARD),
    ],
    "escalated without handing over": [("deal", field("owner_id"), {"type": "escalate"}, {})],
}


def programs(graph: Graph) -> list[PublishedProgram]:
    made = []
    for place, (entity_type, triggers, action, settings) in enumerate(graph):
        definition = {
            "triggers": triggers if isinstance(triggers, list) else [triggers],
            "actions": [action],
            "settings": settings,
        }
        found = parse(definition, entity_type=entity_type, workflow_id=UUID(int=place))
        assert found.problems == ()
        assert found.program is not None
        made.append(PublishedProgram(UUID(int=place), "ABCDEFGH"[place], found.program))
    return made


@pytest.mark.parametrize("name", sorted(WITH))
def test_a_cycle_is_found_and_described_by_its_path(name: str) -> None:
    graph, path = WITH[name]
    candidate, *published = programs(graph)
    assert describe_cycle(find_cycle(candidate, published)) == path


@pytest.mark.parametrize("name", sorted(WITHOUT))
def test_what_comes_to_an_end_is_no_cycle(name: str) -> None:
    candidate, *published = programs(WITHOUT[name])
    assert find_cycle(candidate, published) == []


def test_twenty_graphs_are_judged() -> None:
    assert len(WITH) + len(WITHOUT) >= 20


def test_a_former_version_of_the_same_workflow_is_none_of_the_others() -> None:
    (former,) = programs([("deal", STAGE, write("value", 1), {})])
    (now,) = programs([("deal", field("value"), write("stage", "x"), {})])
    assert find_cycle(now, [former]) == []


def test_each_member_of_a_cycle_finds_it() -> None:
    graph: Graph = [
        ("deal", STAGE, write("value", 1), {}),
        ("deal", field("value"), write("name", "x"), {}),
        ("deal", field("name"), write("stage", "x"), {}),
    ]
    members = programs(graph)
    for member in members:
        assert len(find_cycle(member, members)) == 3
