"""What setup would do to a Mautic, decided from what it has: no Mautic is asked."""

from dataclasses import replace
from typing import Any

import pytest

from crm_relay.customers.field_map import CUSTOM_FIELDS, FIELDS, SEGMENT_NAMES
from crm_relay.customers.setup.setup_mautic import Present, SetupAction, SetupStep, Wanted, carry_out, plan
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.mautic.client import Mautic
from crm_relay.providers.mautic.configuration import HOOK_NAME, PresentField, PresentHook, PresentSegment
from crm_relay.providers.mautic.mapping import FIELD_KINDS
from crm_relay.providers.mautic.vocabulary import APPLIED_EVENTS, HOOK_EVENTS, IGNORED_EVENTS

URL = "https://crm.example.com/webhooks/mautic"
WANTED = Wanted(URL, ("first-secret", "older-secret"))
HOOK = PresentHook(
    7, HOOK_NAME, URL, frozenset(HOOK_EVENTS), published=True, owned=True, edited=True, secret="first-secret"
)


def good_fields() -> dict[str, PresentField]:
    """As Mautic shows them after setup: numbers as text, an empty list where there are no properties."""
    core = {alias: PresentField(1, alias, "text", True, False) for alias in FIELDS}
    custom = {
        each.alias: PresentField(
            44,
            each.alias,
            each.kind,
            True,
            each.unique,
            {"list": [{"label": label, "value": value} for value, label in each.choices.items()]}
            if each.choices
            else {"roundmode": "4", "scale": str(each.scale)},
        )
        for each in CUSTOM_FIELDS
    }
    return core | custom


def good() -> Present:
    segments = [PresentSegment(number, name, True) for number, name in enumerate(SEGMENT_NAMES.values(), 1)]
    return Present(good_fields(), segments, [HOOK], frozenset(HOOK_EVENTS) | IGNORED_EVENTS.keys())


def with_field(alias: str, **changes: Any) -> Present:
    fields = good_fields()
    return replace(good(), fields={**fields, alias: replace(fields[alias], **changes)})


def with_hooks(*hooks: PresentHook) -> Present:
    return replace(good(), hooks=hooks)


def only(present: Present) -> SetupStep:
    steps = plan(present, WANTED)
    assert len(steps) == 1, steps
    return steps[0]


def test_a_mautic_that_is_as_it_should_be_needs_nothing() -> None:
    assert plan(good(), WANTED) == []


def test_an_empty_mautic_needs_every_field_every_segment_and_one_webhook() -> None:
    core = {alias: each for alias, each in good_fields().items() if alias not in {f.alias for f in CUSTOM_FIELDS}}

    steps = plan(Present(core, [], [], frozenset(HOOK_EVENTS)), WANTED)

    assert {step.action for step in steps} == {SetupAction.CREATE}
    assert len(steps) == len(CUSTOM_FIELDS) + len(SEGMENT_NAMES) + 1
    assert "unique identifier" in next(step.why for step in steps if step.what == "field supabase_id")


def test_the_custom_fields_are_the_map_and_hold_every_segment() -> None:
    kinds = {"text": {"text", "select"}, "whole": {"number"}, "money": {"number"}, "boolean": {"boolean"}}
    kinds |= {"minute": {"datetime"}, "day": {"date"}}
    for each in CUSTOM_FIELDS:
        assert each.alias in FIELDS
        assert each.kind in kinds[FIELD_KINDS[each.alias]]
    assert next(each for each in CUSTOM_FIELDS if each.choices).choices.keys() == SEGMENT_NAMES.keys()


def test_the_events_asked_for_are_applied_ones() -> None:
    assert set(HOOK_EVENTS) < APPLIED_EVENTS.keys()


@pytest.mark.parametrize(
    ("alias", "changes", "why"),
    [
        ("supabase_id", {"unique": False}, "unique identifier"),
        ("customer_segment", {"properties": {"list": [{"label": "VIP", "value": "vip"}]}}, "regular, new, inactive"),
        ("customer_segment", {"properties": {}}, "vip, regular, new, inactive"),
        ("customer_segment", {"properties": {"list": {"1": "vip", "3": "regular"}}}, "choices new, inactive"),
        ("total_spent", {"properties": {}}, "0 digits"),
        ("total_spent", {"properties": {"scale": "1"}}, "1 digits"),
        ("lead_score", {"published": False}, "not published"),
    ],
)
def test_what_a_field_lacks_is_added(alias: str, changes: dict[str, Any], why: str) -> None:
    step = only(with_field(alias, **changes))
    assert (step.action, step.what) == (SetupAction.EDIT, f"field {alias}")
    assert why in step.why


@pytest.mark.parametrize(
    ("alias", "changes"),
    [
        ("total_orders", {"properties": {"roundmode": "4", "scale": "2"}}),
        ("marketing_opt_in", {"properties": {}}),
        ("last_event_name", {"unique": True}),
    ],
)
def test_what_an_administrator_has_beyond_it_stays(alias: str, changes: dict[str, Any]) -> None:
    assert plan(with_field(alias, **changes), WANTED) == []


def test_a_field_of_another_type_is_never_touched_but_named() -> None:
    step = only(with_field("last_order_date", kind="text", published=False))
    assert (step.action, step.carry) == (SetupAction.ADMINISTRATOR, None)
    assert "datetime" in step.why


def test_a_core_field_that_is_not_published_is_an_administrators_thing() -> None:
    assert only(with_field("zipcode", published=False)).action is SetupAction.ADMINISTRATOR


def test_a_second_segment_of_a_name_is_an_administrators_thing_and_the_oldest_is_used() -> None:
    twin = PresentSegment(9, "VIP Customers", True)
    step = only(replace(good(), segments=[*good().segments, twin]))
    assert step.action is SetupAction.ADMINISTRATOR
    assert "9" in step.why


def test_of_two_segments_the_oldest_is_published() -> None:
    oldest, *others = good().segments
    segments = [replace(oldest, published=False), *others, replace(oldest, segment_id=9)]
    assert [step.action for step in plan(replace(good(), segments=segments), WANTED)] == [
        SetupAction.EDIT,
        SetupAction.ADMINISTRATOR,
    ]


def test_a_segment_that_fills_itself_is_only_noted() -> None:
    oldest, *others = good().segments
    assert only(replace(good(), segments=[replace(oldest, filtered=True), *others])).action is SetupAction.NOTE


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"url": "https://old.example.com/webhooks/mautic"}, "goes to https://old.example.com"),
        ({"secret": "older-secret"}, "another secret"),
        ({"secret": None}, "another secret"),
        (
            {"triggers": frozenset(["mautic.email_on_click", "mautic.page_on_hit"])},
            "mautic.email_on_click, which do not",
        ),
        ({"triggers": frozenset([*HOOK_EVENTS, "mautic.email_on_send"])}, "have no effect here"),
        ({"triggers": frozenset(HOOK_EVENTS[:3])}, "does not ask for mautic.lead_post_delete"),
        ({"published": False}, "not published"),
        ({"edited": False}, "never edited"),
        ({"url": "https://old.example.com/x", "secret": "older-secret"}, "another secret"),
    ],
)
def test_a_webhook_of_ours_is_corrected(changes: dict[str, Any], why: str) -> None:
    step = only(with_hooks(replace(HOOK, **changes)))
    assert (step.action, step.what) == (SetupAction.EDIT, "webhook 7")
    assert why in step.why


def test_a_webhook_of_another_installation_is_left_alone() -> None:
    other = replace(HOOK, hook_id=3, url="https://staging.example.com/webhooks/mautic", secret="their-secret")
    assert plan(with_hooks(other, HOOK), WANTED) == []
    assert only(with_hooks(other)).action is SetupAction.CREATE


def test_a_second_webhook_to_the_same_address_is_an_administrators_thing() -> None:
    unpublished = replace(HOOK, hook_id=3, published=False)
    step = only(with_hooks(unpublished, HOOK))
    assert (step.action, step.what) == (SetupAction.ADMINISTRATOR, "webhook 3")


def test_a_webhook_that_nobody_owns_is_noted() -> None:
    assert only(with_hooks(replace(HOOK, owned=False))).action is SetupAction.NOTE


def test_an_event_that_this_mautic_does_not_know_is_named() -> None:
    step = only(replace(good(), hook_events=frozenset(HOOK_EVENTS[1:])))
    assert step.action is SetupAction.ADMINISTRATOR
    assert HOOK_EVENTS[0] in step.why


def test_no_step_and_no_repr_shows_a_secret() -> None:
    hook = replace(HOOK, secret="their-secret", published=False)
    shown = repr((plan(with_hooks(hook), WANTED), WANTED, WANTED.hook, hook))
    assert "first-secret" not in shown
    assert "their-secret" not in shown


def test_what_mautic_refuses_is_told_and_the_rest_is_done() -> None:
    done: list[Mautic] = []

    def refuse(_: Mautic) -> None:
        raise RejectedInput("POST /api/fields/contact/new: status 400")

    steps = [
        SetupStep(SetupAction.CREATE, "field lead_score", "is missing", refuse),
        SetupStep(SetupAction.NOTE, "webhook 7, owner", "nobody"),
        SetupStep(SetupAction.CREATE, "field total_spent", "is missing", done.append),
    ]

    refused = carry_out(Mautic(HttpClient("http://127.0.0.1:9"), "id", "secret"), steps)

    assert [(step.action, step.what) for step in refused] == [(SetupAction.ADMINISTRATOR, "field lead_score")]
    assert "status 400" in refused[0].why
    assert len(done) == 1
