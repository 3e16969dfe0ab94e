"""Templates with hostile, missing, nested and typed values, channel by channel."""

import html
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from hypothesis import given

from crm_relay.notifications.content.links import LinkRules
from crm_relay.notifications.content.rendering import render_notification
from crm_relay.notifications.models import NotificationTemplate, ReaderLocale, TemplateVariable
from crm_relay.platform.errors import RejectedInput
from tests.support.hostile_text import HOSTILE_TEXT

READER = ReaderLocale("Europe/Berlin", "de-DE")
WON = NotificationTemplate(
    slug="deal_won",
    category="deal",
    title_template="Deal won: {{deal.name}}",
    message_template="{{deal.name}} is worth {{deal.value|something}}, since {{deal.closed_at}}.",
    action_url_template="/deals/{{deal.id}}",
    action_label="Open",
    email_subject_template="Won: {{deal.name}}",
    email_body_template='<p>{{deal.name}}: <b>{{deal.value}}</b></p><p><a href="{{action_url}}">Open</a></p>',
    sms_template="{{deal.name}} won",
    variables=(
        TemplateVariable("deal.id", is_required=True),
        TemplateVariable("deal.name", is_required=True),
        TemplateVariable("deal.value", "money"),
        TemplateVariable("deal.closed_at", "datetime"),
    ),
)
VALUES = {
    "deal": {
        "id": 7,
        "name": "Northwind",
        "value": 12500,
        "currency": "EUR",
        "closed_at": datetime(2026, 11, 30, 12, 0, tzinfo=UTC),
    }
}
LINKS = LinkRules("https://crm.example.com")
HOSTILE = ['"><script>alert(1)</script>', "' onmouseover=x", "{{deal.value}}", "</p><a href=//evil>", "a\r\nBcc: x@y"]


def with_name(name: object) -> dict[str, object]:
    return {"deal": VALUES["deal"] | {"name": name}}


def test_each_channel_has_the_words_of_one_template() -> None:
    rendered = render_notification(WON, VALUES, READER, links=LINKS)
    assert rendered.title == "Deal won: Northwind"
    assert rendered.message == "Northwind is worth 12.500,00\N{NO-BREAK SPACE}€, since 30.11.2026, 13:00."
    assert rendered.action_url == "/deals/7"
    assert rendered.sms == "Northwind won"
    assert rendered.email is not None
    assert rendered.email.subject == "Won: Northwind"
    assert '<a href="https://crm.example.com/deals/7">' in rendered.email.html
    assert "Open (https://crm.example.com/deals/7)" in rendered.email.text


def test_values_may_be_flat_or_nested_and_the_flat_one_wins() -> None:
    flat = {f"deal.{name}": value for name, value in VALUES["deal"].items()}
    nested = render_notification(WON, VALUES, READER)
    assert render_notification(WON, flat, READER) == nested
    assert render_notification(WON, VALUES | {"deal.name": "Contoso"}, READER).title == "Deal won: Contoso"


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, tuple[str, ...]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, tuple(name for name, _ in attrs)))


def tags(text: str) -> list[tuple[str, tuple[str, ...]]]:
    reader = _Tags()
    reader.feed(text)
    reader.close()
    return reader.seen


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_everywhere(name: str) -> None:
    rendered = render_notification(WON, with_name(name), READER, links=LINKS)
    assert rendered.email is not None
    assert html.escape(name) in rendered.email.html
    assert tags(rendered.email.html) == [("p", ()), ("b", ()), ("p", ()), ("a", ("href",))]
    for line in (rendered.title, rendered.email.subject):
        assert "\n" not in line
        assert "\r" not in line
    assert name in rendered.message


@given(HOSTILE_TEXT.filter(str.strip))
def test_no_name_changes_the_tags_or_the_link_of_a_mail(name: str) -> None:
    values = with_name(name) | {"deal.id": name}
    try:
        rendered = render_notification(WON, values, READER, links=LINKS)
    except RejectedInput:
        return
    assert rendered.email is not None
    assert tags(rendered.email.html) == [("p", ()), ("b", ()), ("p", ()), ("a", ("href",))]
    assert (rendered.action_url or "").startswith("/deals/")
    assert (rendered.action_url or "").count("/") == 2


@pytest.mark.parametrize("name", [None, "", "  ", "\n"])
def test_a_required_variable_that_is_missing_or_blank_is_named(name: object) -> None:
    with pytest.raises(RejectedInput) as error:
        render_notification(WON, with_name(name), READER)
    assert error.value.details == ("deal.name",)
    with pytest.raises(RejectedInput) as error:
        render_notification(WON, {}, READER)
    assert error.value.details == ("deal.id", "deal.name")


def test_what_is_not_required_gives_way_to_its_default_or_to_nothing() -> None:
    rendered = render_notification(WON, {"deal": {"id": 7, "name": "Northwind"}}, READER)
    assert rendered.message == "Northwind is worth something, since ."


def test_a_value_of_another_type_is_named_and_not_quoted() -> None:
    values = {"deal": VALUES["deal"] | {"value": [1, 2], "name": {"secret": "x"}}}
    with pytest.raises(RejectedInput) as error:
        render_notification(WON, values, READER)
    assert error.value.details == ("deal.name: not a string", "deal.value: not a money")


def test_a_text_that_names_an_undeclared_variable_is_refused_at_send_too() -> None:
    for column in (
        "title_template",
        "message_template",
        "sms_template",
        "email_subject_template",
        "email_body_template",
    ):
        with pytest.raises(RejectedInput) as error:
            render_notification(replace(WON, **{column: "{{owner.name}}"}), VALUES, READER)  # type: ignore[arg-type]
        assert error.value.details == ("owner.name",)


def test_what_a_request_brings_beyond_the_declared_is_not_looked_at() -> None:
    assert render_notification(WON, VALUES | {"deal.secret": object()}, READER).title == "Deal won: Northwind"


def test_a_type_that_nobody_knows_is_a_string() -> None:
    template = replace(WON, variables=(*WON.variables, TemplateVariable("x", "colour")), sms_template="{{x}}")
    assert render_notification(template, VALUES | {"x": 5}, READER).sms == "5"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "//evil.example", "https://evil.example/", "/a\nb"])
def test_a_link_that_leads_elsewhere_is_refused_at_send(url: str) -> None:
    with pytest.raises(RejectedInput, match="action_url"):
        render_notification(WON, VALUES, READER, action_url=url, links=LINKS)


def test_the_link_of_a_request_outweighs_the_templates() -> None:
    rendered = render_notification(WON, VALUES, READER, action_url="/pipeline", links=LINKS)
    assert rendered.action_url == "/pipeline"
    assert rendered.email is not None
    assert "https://crm.example.com/pipeline" in rendered.email.html


@pytest.mark.parametrize("identity", ["../../admin", "//evil.example", "1?x=javascript:", "a b", "é\\"])
def test_a_value_is_one_segment_of_a_link(identity: str) -> None:
    rendered = render_notification(WON, VALUES | {"deal.id": identity}, READER, links=LINKS)
    assert rendered.action_url is not None
    assert rendered.action_url.startswith("/deals/")
    assert not set(rendered.action_url.removeprefix("/deals/")) & set("/?#\\ ")


def test_a_link_that_a_template_requires_is_a_variable_like_others() -> None:
    template = replace(
        WON, action_url_template=None, variables=(*WON.variables, TemplateVariable("action_url", is_required=True))
    )
    with pytest.raises(RejectedInput) as error:
        render_notification(template, VALUES, READER)
    assert error.value.details == ("action_url",)
    assert render_notification(template, VALUES, READER, action_url="/x").action_url == "/x"
    own = replace(template, action_url_template="/deals/{{deal.id}}")
    assert render_notification(own, VALUES, READER).action_url == "/deals/7"


def test_without_a_link_there_is_none() -> None:
    rendered = render_notification(replace(WON, action_url_template=None), VALUES, READER)
    assert rendered.action_url is None


def test_a_channel_without_words_has_none() -> None:
    template = replace(WON, email_body_template=" ", sms_template=None)
    rendered = render_notification(template, VALUES, READER)
    assert (rendered.email, rendered.sms) == (None, None)
    assert render_notification(replace(WON, email_subject_template=None), VALUES, READER).email is None


def test_a_mail_may_have_text_alone_or_two_forms() -> None:
    text = replace(WON, email_body_template=None, email_body_text_template="{{deal.name}} & more")
    rendered = render_notification(text, with_name("<b>"), READER)
    assert rendered.email is not None
    assert (rendered.email.html, rendered.email.text) == ("", "<b> & more")
    both = replace(WON, email_body_text_template="Text: {{deal.name}}")
    rendered = render_notification(both, VALUES, READER)
    assert rendered.email is not None
    assert rendered.email.text == "Text: Northwind"
    assert "<b>" in rendered.email.html


def test_texts_that_are_too_long_are_cut() -> None:
    rendered = render_notification(WON, with_name("x" * 20_000), READER)
    assert rendered.email is not None
    lengths = [len(text or "") for text in (rendered.title, rendered.message, rendered.email.subject, rendered.sms)]
    assert lengths == [300, 10_000, 300, 480]
    assert rendered.title.endswith("…")


def test_a_title_of_nothing_is_refused() -> None:
    with pytest.raises(RejectedInput, match="title"):
        render_notification(replace(WON, title_template="{{deal.closed_at}}"), {"deal": {"id": 1, "name": "x"}}, READER)
