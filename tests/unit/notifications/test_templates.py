"""What a template may say, and which of several speaks."""

from dataclasses import replace
from uuid import UUID

import pytest

from crm_relay.notifications.content.links import LinkRules
from crm_relay.notifications.content.templates import choose_template, holds, problems_of_template
from crm_relay.notifications.models import NotificationTemplate, TemplateVariable

ORG = UUID(int=1)
LINKS = LinkRules("https://crm.example.com", frozenset({"docs.example.com"}))
SOUND = NotificationTemplate(
    slug="deal_won",
    category="deal",
    title_template="Deal won: {{deal.name}}",
    message_template="{{ deal.name | a deal }} is worth {{deal.value}}.",
    action_url_template="/deals/{{deal.name}}",
    email_subject_template="Won: {{deal.name}}",
    email_body_template='<p title="{{deal.name}}">{{deal.value}}</p><a href="{{ action_url }}">Open</a>',
    variables=(TemplateVariable("deal.name"), TemplateVariable("deal.value", "money")),
    conditions={"entity_type": "deal", "priority": ["high", "urgent"]},
)


def problems(**changes: object) -> list[str]:
    return problems_of_template(replace(SOUND, **changes), LINKS)  # type: ignore[arg-type]


def test_a_sound_template_has_no_problem() -> None:
    assert problems() == []
    assert problems(action_url_template="https://docs.example.com/{{deal.name}}") == []
    assert problems(email_subject_template=None, email_body_template=None) == []


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("title_template", "{{owner.name}}"),
        ("title_template", "{{deal.name"),
        ("title_template", "two\nlines"),
        ("title_template", " "),
        ("title_template", "x" * 501),
        ("message_template", "{{ }}"),
        ("message_template", ""),
        ("email_subject_template", "a\r\nBcc: x"),
        ("email_body_text_template", "{{owner.name}}"),
        ("sms_template", "{{owner.name}}"),
        ("slug", "Deal Won"),
        ("slug", ""),
        ("category", " "),
        ("email_body_template", "<script>x</script>"),
        ("email_body_template", "<p onclick='x'>"),
        ("email_body_template", "<p {{deal.name}}>"),
        ("email_body_template", "{{owner.name}}"),
        ("email_body_template", "<a href='javascript:x'>"),
        ("email_body_template", "<a href='{{deal.name}}'>"),
        ("email_body_template", "<a href='https://{{deal.name}}/'>"),
        ("email_body_template", "<img src='https://x.{{deal.name}}.example/a'>"),
        ("email_body_template", "<a href='{{action_url}}{{deal.name}}'>"),
        ("action_url_template", "javascript:alert(1)"),
        ("action_url_template", "//evil.example"),
        ("action_url_template", "https://evil.example/"),
        ("action_url_template", "https://{{deal.name}}/"),
        ("action_url_template", "https://{{deal.name}}.docs.example.com/"),
        ("action_url_template", "{{deal.name}}"),
        ("action_url_template", "/{{owner.name}}"),
        ("action_url_template", "/{{action_url}}"),
        ("action_url_template", ""),
    ],
)
def test_what_could_not_be_sent_cannot_be_saved(column: str, text: str) -> None:
    found = problems(**{column: text})
    assert found
    assert all(problem.startswith((column, "email_subject_template")) for problem in found), found


@pytest.mark.parametrize(
    "link",
    ["https://docs.example.com/?q={{deal.name}}", "https://docs.example.com/x", "mailto:{{deal.name}}", "/x", "#a"],
)
def test_a_value_may_stand_behind_the_host_of_a_link(link: str) -> None:
    assert problems(email_body_template=f'<a href="{link}">x</a>') == []


def test_an_e_mail_has_both_subject_and_body() -> None:
    assert problems(email_subject_template=None)
    assert problems(email_body_template=None)


@pytest.mark.parametrize(
    "variable",
    [TemplateVariable("deal name"), TemplateVariable(""), TemplateVariable("x", "colour"), SOUND.variables[0]],
)
def test_a_declaration_that_says_nothing_is_refused(variable: TemplateVariable) -> None:
    assert any(each.startswith("variables") for each in problems(variables=(*SOUND.variables, variable)))


@pytest.mark.parametrize("conditions", [{"a b": "x"}, {"a": None}, {"a": []}, {"a": {"b": 1}}, {"a": ["x", None]}])
def test_a_condition_that_could_never_be_asked_is_refused(conditions: dict[str, object]) -> None:
    assert any(each.startswith("conditions") for each in problems(conditions=conditions))


@pytest.mark.parametrize(
    ("conditions", "speaks"),
    [
        ({}, True),
        ({"entity_type": "deal"}, True),
        ({"entity_type": "job"}, False),
        ({"entity_type": ["job", "deal"]}, True),
        ({"entity_type": "deal", "event": "created"}, False),
        ({"deal.stage": "won"}, True),
        ({"count": 3}, True),
        ({"count": "3"}, True),
        ({"is_new": True}, True),
        ({"missing": None}, False),
    ],
)
def test_a_condition_is_a_word_that_a_fact_equals(conditions: dict[str, object], speaks: bool) -> None:
    facts = {"entity_type": "deal", "deal": {"stage": "won"}, "count": 3, "is_new": True, "missing": None}
    assert holds(conditions, facts) is speaks


def test_an_organizations_template_speaks_before_the_systems_where_its_conditions_hold() -> None:
    system = replace(SOUND, conditions={})
    own = replace(SOUND, org_id=ORG, conditions={"entity_type": "deal"})
    assert choose_template([system, own], {"entity_type": "deal"}) is own
    assert choose_template([own, system], {"entity_type": "job"}) is system
    assert choose_template([own], {"entity_type": "job"}) is None
    assert choose_template([], {}) is None
