"""A definition, as the documents have it and with what is added here, becomes a flat program."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from crm_relay.workflows.actions.step_configs import CONFIGS
from crm_relay.workflows.definition.parse import ParsedDefinition, parse
from crm_relay.workflows.models import (
    ConditionGroup,
    EffectBudget,
    Program,
    RecordCondition,
    ReEntry,
    StepKind,
    Trigger,
    TriggerKind,
    WorkflowSettings,
)

WORKFLOW = UUID(int=7)
USER = str(UUID(int=1))
MANUAL = {"type": "manual"}
TASK = {"type": "create_task", "config": {"title": "Call"}}
WAIT = {"type": "wait", "config": {"days": 1}}


def parsed(entity_type: str = "deal", **definition: Any) -> ParsedDefinition:
    return parse({"triggers": [MANUAL]} | definition, entity_type=entity_type, workflow_id=WORKFLOW)


def program(entity_type: str = "deal", **definition: Any) -> Program:
    found = parsed(entity_type, **definition)
    assert found.problems == ()
    assert found.program is not None
    return found.program


def ways(found: Program) -> dict[str, tuple[str | None, str | None]]:
    """The keys of what comes after each step."""
    keys = [step.key for step in found.steps]

    def key(place: int | None) -> str | None:
        return None if place is None else keys[place]

    return {step.key: (key(step.next), key(step.otherwise)) for step in found.steps}


def test_the_definition_of_the_documents_is_read_as_it_stands() -> None:
    found = program(
        triggers=[
            {"type": "created"},
            {"type": "status_change", "from": "open", "to": "won"},
            {"type": "field_change", "field": "value"},
            {"type": "manual"},
            {"type": "scheduled", "cron": "0 9 * * MON"},
        ],
        conditions=[{"field": "value", "operator": "gte", "value": 1000}],
        actions=[
            {"type": "send_email", "config": {"templateId": USER, "to": "{{contact.email}}"}},
            {
                "type": "send_notification",
                "config": {
                    "userId": USER,
                    "templateSlug": "deal_closed_won",
                    "title": "Won",
                    "message": "!",
                    "category": "deal",
                },
            },
            {
                "type": "create_task",
                "config": {
                    "title": "Call",
                    "description": "-",
                    "assigneeId": USER,
                    "dueDate": "+3d",
                    "priority": "high",
                },
            },
            {"type": "create_activity", "config": {"type": "call", "subject": "Won", "description": "-"}},
            {"type": "update_field", "config": {"field": "probability", "value": 100}},
            {
                "type": "webhook",
                "config": {
                    "url": "https://a.example/x",
                    "method": "PUT",
                    "headers": {"X-A": "b"},
                    "body": {"deal": "{{deal.id}}"},
                },
            },
            {"type": "wait", "config": {"days": 2}},
            {"type": "assign", "config": {"assigneeType": "user", "assigneeId": USER, "field": "owner_id"}},
        ],
    )
    assert [trigger.kind.value for trigger in found.triggers] == [
        "created",
        "status_change",
        "field_change",
        "manual",
        "scheduled",
    ]
    assert found.triggers[1] == Trigger(TriggerKind.STATUS_CHANGE, was="open", becomes="won")
    assert found.conditions == ConditionGroup("all", (RecordCondition("value", "gte", 1000),))
    assert [step.key for step in found.steps] == [str(place) for place in range(8)]
    assert [step.next for step in found.steps] == [1, 2, 3, 4, 5, 6, 7, None]
    assert found.steps[0].config["template_id"] == USER
    assert found.steps[2].config["assignee_id"] == USER
    assert found.settings == WorkflowSettings()


SMALLEST: dict[str, dict[str, Any]] = {
    "send_email": {"subject": "S", "text": "T"},
    "send_notification": {"title": "T", "message": "M", "to": "owner"},
    "create_task": {"title": "T"},
    "create_activity": {"subject": "S"},
    "update_field": {"field": "stage", "value": "won"},
    "webhook": {"url": "https://a.example"},
    "wait": {"hours": 1},
    "assign": {"assigneeId": USER},
    "escalate": {},
    "approval": {"approvers": [{"type": "manager"}]},
}


@pytest.mark.parametrize("kind", sorted(SMALLEST))
def test_each_action_is_read_by_its_name_and_a_word_that_it_does_not_know_is_refused(kind: str) -> None:
    step = program(actions=[{"type": kind, "config": SMALLEST[kind]}]).steps[0]
    assert step.kind.value == kind
    config = CONFIGS[step.kind].model_validate(step.config)
    assert config.model_dump(mode="json") == step.config
    problems = parsed(actions=[{"type": kind, "config": SMALLEST[kind] | {"colour": "secret"}}]).problems
    assert problems == ("actions[0].config.colour: Extra inputs are not permitted",)


def test_an_approval_has_a_way_for_yes_and_one_for_no_and_ends_the_run_without_them() -> None:
    ask = {"type": "approval", "config": SMALLEST["approval"]}
    found = program(actions=[ask | {"then": [TASK], "else": [WAIT]}, TASK])
    assert ways(found)["0"] == ("0.then.0", "0.else.0")
    assert found.steps[0].branches
    assert ways(program(actions=[ask | {"else": [WAIT]}, TASK]))["0"] == ("1", "0.else.0")
    assert not program(actions=[ask, TASK]).steps[0].branches


def test_every_kind_of_step_has_its_test() -> None:
    assert {kind.value for kind in CONFIGS} == set(SMALLEST)
    assert set(StepKind) - set(CONFIGS) == {StepKind.CONDITION, StepKind.TRANSITION}


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"type": "created"}, Trigger(TriggerKind.CREATED)),
        ({"type": "status_change"}, Trigger(TriggerKind.STATUS_CHANGE)),
        ({"type": "status_change", "from": None, "to": 3}, Trigger(TriggerKind.STATUS_CHANGE, was="", becomes="3")),
        (
            {"type": "field_change", "field": "is_key", "to": True},
            Trigger(TriggerKind.FIELD_CHANGE, "is_key", becomes="true"),
        ),
        ({"type": "field_change"}, Trigger(TriggerKind.FIELD_CHANGE)),
        ({"type": "manual"}, Trigger(TriggerKind.MANUAL)),
        ({"type": "api"}, Trigger(TriggerKind.API)),
        ({"type": "event", "event": "replied"}, Trigger(TriggerKind.EVENT, event="replied")),
        ({"type": "event", "name": "form.demo"}, Trigger(TriggerKind.EVENT, event="form.demo")),
        (
            {
                "type": "scheduled",
                "cron": "0 9 * * *",
                "timezone": "Europe/Berlin",
                "filter": {"any": [{"field": "a", "operator": "is_null"}]},
            },
            Trigger(
                TriggerKind.SCHEDULED,
                cron="0 9 * * *",
                zone="Europe/Berlin",
                records=ConditionGroup("any", (RecordCondition("a", "is_null"),)),
            ),
        ),
    ],
)
def test_each_trigger_is_read_by_its_name(given: dict[str, Any], read: Trigger) -> None:
    assert program(triggers=[given], actions=[TASK]).triggers == (read,)


def test_a_condition_branches_and_both_branches_come_together_again() -> None:
    branch = {
        "type": "condition",
        "name": "Big?",
        "conditions": {
            "any": [{"field": "value", "operator": "gt", "value": 5}, [{"field": "stage", "operator": "is_null"}]]
        },
        "then": [
            TASK,
            {"type": "condition", "config": {"field": "event.value", "operator": "is_null"}, "then": [WAIT]},
        ],
        "else": [WAIT],
    }
    found = program(actions=[TASK, branch, TASK])
    assert ways(found) == {
        "0": ("1", None),
        "1": ("1.then.0", "1.else.0"),
        "1.then.0": ("1.then.1", None),
        "1.then.1": ("1.then.1.then.0", "2"),
        "1.then.1.then.0": ("2", None),
        "1.else.0": ("2", None),
        "2": (None, None),
    }
    assert found.steps[1].name == "Big?"
    assert found.steps[1].conditions == ConditionGroup(
        "any",
        (RecordCondition("value", "gt", 5), ConditionGroup("all", (RecordCondition("stage", "is_null"),))),
    )


def test_a_condition_may_have_all_of_its_parts_in_its_config() -> None:
    config = {"conditions": [{"field": "a", "operator": "is_null"}], "then": [TASK], "else": [WAIT]}
    assert ways(program(actions=[{"type": "condition", "config": config}])) == {
        "0": ("0.then.0", "0.else.0"),
        "0.then.0": (None, None),
        "0.else.0": (None, None),
    }
    assert parsed(
        actions=[{"type": "condition", "config": config | {"then": [{"type": "wait", "config": {"days": "x"}}]}}]
    ).problems == (
        "actions[0].config.then[0].config.days: Input should be a valid integer, unable to parse string as an integer",
    )


def test_a_step_says_how_it_is_called_what_is_asked_again_and_that_a_run_survives_its_failure() -> None:
    step = {
        **TASK,
        "name": "Call them",
        "onError": "continue",
        "askAgain": [{"field": "stage", "operator": "eq", "value": "won"}],
    }
    found = program(actions=[step, TASK]).steps
    assert (found[0].name, found[0].goes_on_after_failure) == ("Call them", True)
    assert found[0].ask_again == ConditionGroup("all", (RecordCondition("stage", "eq", "won"),))
    assert (found[1].name, found[1].goes_on_after_failure, found[1].ask_again) == (None, False, None)


def test_settings_are_read_in_either_spelling() -> None:
    written = {
        "reEntry": "queue",
        "coolDown": "36h",
        "atMost": {"emails": 200, "records": 50},
        "startsPerMinute": 10,
        "origins": ["import"],
        "maxDepth": 2,
        "maxSteps": 9,
        "maxRetries": 1,
        "guard": "stops at depth 2",
    }
    wanted = WorkflowSettings(
        ReEntry.QUEUE,
        timedelta(hours=36),
        10,
        EffectBudget(200, 50),
        frozenset({"import"}),
        2,
        9,
        1,
        "stops at depth 2",
    )
    assert program(settings=written, actions=[TASK]).settings == wanted
    other = {
        "re_entry": "queue",
        "cool_down": {"days": 1, "hours": 12},
        "starts_per_minute": 10,
        "at_most": written["atMost"],
    }
    assert program(settings=other, actions=[TASK]).settings.cool_down == timedelta(hours=36)
    for re_entry in ReEntry:
        assert program(settings={"reEntry": re_entry.value}, actions=[TASK]).settings.re_entry is re_entry


REPLY = {"type": "wait", "config": {"untilEvent": "replied", "days": 5}}


@pytest.mark.parametrize(
    ("branches", "next_step", "otherwise"),
    [
        ({"then": [TASK], "else": [TASK]}, "0.then.0", "0.else.0"),
        ({"then": [TASK]}, "0.then.0", "1"),
        ({"else": [TASK]}, "1", "0.else.0"),
        ({"then": [], "else": []}, "1", "1"),
    ],
)
def test_a_wait_for_an_event_goes_another_way_when_the_time_is_up(
    branches: dict[str, Any], next_step: str, otherwise: str
) -> None:
    found = program("contact", actions=[REPLY | branches, WAIT])
    assert ways(found)["0"] == (next_step, otherwise)
    assert [step.branches for step in found.steps if step.kind is StepKind.WAIT] == [True, False]
    assert {ways(found)[key] for key in ways(found) if "." in key} <= {("1", None)}


def test_a_wait_at_the_end_may_be_followed_by_nothing_when_the_time_is_up() -> None:
    found = program("contact", actions=[REPLY | {"then": [TASK]}])
    assert ways(found) == {"0": ("0.then.0", None), "0.then.0": (None, None)}
    assert found.steps[0].branches


def test_a_wait_without_branches_goes_on_in_any_case() -> None:
    found = program("contact", actions=[REPLY, TASK])
    assert (ways(found)["0"], found.steps[0].branches) == (("1", None), False)
