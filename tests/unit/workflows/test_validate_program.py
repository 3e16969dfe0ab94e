"""A program may be published only where everything that it names is there and every step is reached."""

from typing import Any
from uuid import UUID

import pytest

from crm_relay.workflows.definition.proofs.catalog import References, references_in
from crm_relay.workflows.definition.validate import columns_of_events, with_columns
from crm_relay.workflows.models import Trigger, TriggerKind
from tests.support.workflows.proven_programs import (
    ADA,
    CATALOG,
    LETTER,
    MANUAL,
    STRANGER,
    TASK,
    problems_of,
    problems_of_step_with,
    program_of,
)


def test_a_program_whose_names_are_all_there_has_no_problems() -> None:
    texts = "{{deal.name}} {{record.extra.tier}} {{name}} {{contact.email|-}} {{account.name}} {{owner.name}}"
    texts += " {{workflow.name}}"
    assert (
        problems_of(
            triggers=[
                {"type": "status_change", "to": "won"},
                {"type": "field_change", "field": "value"},
                {"type": "event", "event": "form.demo"},
                {"type": "scheduled", "cron": "0 9 * * *", "records": [{"field": "closed_at", "operator": "is_null"}]},
            ],
            conditions={
                "any": [
                    {"field": "event.old.stage", "operator": "is_null"},
                    {"field": "owner.email", "operator": "is_null"},
                ]
            },
            actions=[
                {
                    "type": "send_email",
                    "config": {"templateId": str(LETTER)},
                    "askAgain": [{"field": "stage", "operator": "is_null"}],
                },
                {
                    "type": "send_email",
                    "config": {"subject": texts, "html": texts + "{{event.anything}}", "to": "a@b.example"},
                },
                {
                    "type": "send_notification",
                    "config": {"templateSlug": "deal_closed_won", "role": "sales", "userId": str(ADA)},
                },
                {"type": "create_task", "config": {"title": "T", "assigneeId": str(ADA)}},
                {"type": "create_activity", "config": {"subject": texts}},
                {"type": "update_field", "config": {"field": "stage", "value": "{{event.new_stage}}"}},
                {
                    "type": "webhook",
                    "config": {
                        "url": "https://a.example/{{deal.id}}",
                        "secret": "secret:crm",
                        "headers": {
                            "X-Api-Key": "secret:crm",
                            "Authorization": "Bearer secret:token",
                            "X-Source": "crm",
                        },
                        "body": {"lines": ["{{deal.name}}"]},
                    },
                },
                {
                    "type": "wait",
                    "config": {"beforeField": "closed_at", "daysBefore": 3, "at": "09:00", "zone": "Europe/Berlin"},
                },
                {"type": "wait", "config": {"untilEvent": "replied", "days": 3}},
                {"type": "assign", "config": {"assigneeType": "round_robin", "pool": [str(ADA)]}},
                {"type": "assign", "config": {"assigneeType": "round_robin", "poolRole": "sales"}},
                {"type": "assign", "config": {"assigneeType": "manager"}},
                {"type": "escalate", "config": {"to": str(ADA), "reassign": True}},
                {"type": "escalate"},
                {"type": "condition", "conditions": [{"field": "value", "operator": "gt", "value": 1}], "then": [TASK]},
            ],
        )
        == ""
    )


@pytest.mark.parametrize("entity_type", ["deal", "contact", "activity", "campaign_enrollment"])
def test_the_defaults_of_steps_suit_every_entity_type_that_has_a_contact(entity_type: str) -> None:
    kinds: list[dict[str, Any]] = [
        {"type": "create_task", "config": {"title": "T"}},
        {"type": "escalate"},
        {"type": "send_email", "config": {"subject": "S", "text": "T"}},
    ]
    assert problems_of(entity_type, actions=kinds) == ""


@pytest.mark.parametrize(
    ("entity_type", "name", "problem"),
    [
        ("deal", "colour", "deals has no such column"),
        ("deal", "record.colour", "deals has no such column"),
        ("deal", "deal.colour.red", "deals has no such column"),
        ("deal", "contact.colour", "contacts has no such column"),
        ("deal", "account.colour", "accounts has no such column"),
        ("deal", "owner.password", "user_profiles has no such column"),
        ("deal", "contacts.email", "a name begins with record, deal, contact, account, owner or event"),
        ("deal", "job.title", "a name begins with record, deal"),
        ("deal", "event.colour", "deals has no such column"),
        ("deal", "event.old.colour", "deals has no such column"),
        ("deal", "event.old", "deals has no such column"),
        ("account", "contact.email", "this entity type has no contact"),
        ("job", "contact.email", "this entity type has no contact"),
    ],
)
def test_a_name_that_nothing_has_is_refused_in_conditions_and_in_texts(
    entity_type: str, name: str, problem: str
) -> None:
    trigger = [{"type": "created"}]
    action = {"type": "create_activity", "config": {"subject": "S"}}
    asked = [{"field": name, "operator": "is_null"}]
    assert f"conditions: {name}: {problem}" in problems_of(
        entity_type, triggers=trigger, actions=[action], conditions=asked
    )
    assert f"actions[0].askAgain: {name}: {problem}" in problems_of(
        entity_type, triggers=trigger, actions=[action | {"askAgain": asked}]
    )
    branch = {"type": "condition", "conditions": asked, "then": [action]}
    assert f"actions[0].conditions: {name}: {problem}" in problems_of(entity_type, triggers=trigger, actions=[branch])
    text = {"type": "create_activity", "config": {"subject": f"{{{{{name}}}}}"}}
    assert f"actions[0].config.subject: {name}: {problem}" in problems_of(entity_type, triggers=trigger, actions=[text])


def test_only_a_text_may_name_the_workflow_and_only_by_its_name() -> None:
    assert "workflow.name: a name begins" in problems_of(conditions=[{"field": "workflow.name", "operator": "is_null"}])
    assert "actions[0].config.title: workflow.id: a name begins" in problems_of_step_with(
        "create_task", title="{{workflow.id}}"
    )


def test_what_an_event_carries_is_known_only_to_its_sender() -> None:
    asked = [{"field": "event.score", "operator": "is_null"}]
    assert problems_of(triggers=[{"type": "event", "event": "form"}], conditions=asked) == ""
    assert problems_of(triggers=[{"type": "api"}], conditions=asked) == ""
    assert "event.score" in problems_of(triggers=[{"type": "created"}], conditions=asked)


@pytest.mark.parametrize(
    ("trigger", "problem"),
    [
        ({"type": "field_change", "field": "colour"}, "triggers[0].field: deals has no column colour"),
        ({"type": "field_change", "field": "updated_at"}, "triggers[0].field: updated_at cannot be listened to"),
        ({"type": "status_change", "field": "colour"}, "triggers[0].field: deals has no column colour"),
        ({"type": "event", "event": "replied"}, "triggers[0].event: replied is an event of contacts"),
        (
            {"type": "scheduled", "cron": "0 9 * * *", "records": [{"field": "colour", "operator": "is_null"}]},
            "triggers[0].records: colour: deals has no such column",
        ),
    ],
)
def test_a_trigger_that_would_never_fire_is_refused(trigger: dict[str, Any], problem: str) -> None:
    assert problem in problems_of(triggers=[trigger])


def test_events_of_contacts_start_workflows_of_contacts() -> None:
    for event in ("replied", "bounced", "unsubscribed"):
        assert problems_of("contact", triggers=[{"type": "event", "event": event}]) == ""


def test_a_transition_behind_one_that_always_holds_is_unreachable() -> None:
    states = [{"id": "a"}, {"id": "b"}]
    transitions = [{"from": "a", "to": "b"}, {"from": "a", "to": "b"}]
    assert problems_of(actions=[], states=states, transitions=transitions) == "transitions[1].enter: no run comes here"


def test_a_loop_without_a_wait_is_refused_unless_it_names_its_guard() -> None:
    back = [
        {"from": "a", "to": "b"},
        {"from": "b", "to": "a", "conditions": [{"field": "stage", "operator": "is_null"}]},
    ]
    states: list[dict[str, Any]] = [{"id": "a", "actions": [TASK]}, {"id": "b"}]
    loop = "states.0.actions.0 -> transitions.0.enter -> transitions.1 -> transitions.1.enter -> states.0.actions.0"
    found = problems_of(actions=[], states=states, transitions=back)
    assert found == f"states[0].actions[0]: a loop without a wait: {loop}"
    assert problems_of(actions=[], states=states, transitions=back, settings={"guard": "the stage is set"}) == ""
    states[1] = {"id": "b", "actions": [{"type": "wait", "config": {"days": 1}}]}
    assert problems_of(actions=[], states=states, transitions=back) == ""


def test_a_field_change_of_no_field_is_one_of_each_that_may_be_listened_to() -> None:
    triggers = with_columns(program_of(triggers=[MANUAL, {"type": "field_change", "to": "x"}]), CATALOG)
    columns = ["closed_at", "extra", "name", "owner_id", "stage", "status", "value"]
    assert triggers == (
        Trigger(TriggerKind.MANUAL),
        *(Trigger(TriggerKind.FIELD_CHANGE, column, becomes="x") for column in columns),
    )


def test_the_columns_that_an_event_is_asked_for_are_found() -> None:
    asked = [{"field": "event.stage", "operator": "is_null"}, {"field": "event.updated_at", "operator": "is_null"}]
    text = {"type": "create_activity", "config": {"subject": "{{event.old.value}} {{deal.name}} {{event.unknown}}"}}
    assert columns_of_events(program_of(conditions=asked, actions=[text]), CATALOG) == {"stage", "value"}


def test_what_has_to_be_looked_up_is_found_in_every_step() -> None:
    actions = [
        {"type": "send_email", "config": {"templateId": str(LETTER)}},
        {"type": "send_email", "config": {"templateSlug": "welcome"}},
        {
            "type": "send_notification",
            "config": {"templateSlug": "deal_closed_won", "role": "sales", "userId": str(ADA)},
        },
        {"type": "assign", "config": {"assigneeType": "round_robin", "pool": [STRANGER]}},
        {"type": "escalate", "config": {"to": str(UUID(int=5))}},
        {"type": "create_task", "config": {"title": "T", "assigneeId": "{{owner.id}}"}},
    ]
    assert references_in(program_of(actions=actions)) == References(
        people=frozenset({ADA, UUID(STRANGER), UUID(int=5)}),
        roles=frozenset({"sales"}),
        letters=frozenset({str(LETTER), "welcome"}),
        notices=frozenset({"deal_closed_won"}),
    )


@pytest.mark.parametrize(
    ("event", "step", "settings", "is_refused"),
    [
        ("replied", "send_email", {}, True),
        ("replied", "send_email", {"coolDown": "1d"}, False),
        ("replied", "send_email", {"guard": "every answer is read"}, False),
        ("replied", "create_task", {}, False),
        ("form.demo", "send_email", {}, False),
    ],
)
def test_two_systems_do_not_answer_each_other(
    event: str, step: str, settings: dict[str, Any], is_refused: bool
) -> None:
    config = {"title": "T"} if step == "create_task" else {"subject": "S", "text": "T"}
    found = problems_of(
        "contact",
        triggers=[{"type": "event", "event": event}],
        actions=[TASK, {"type": step, "config": config}],
        settings=settings,
    )
    assert ("actions[1]: an e-mail on replied" in found) is is_refused
    assert is_refused or found == ""
