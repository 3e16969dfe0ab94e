"""Variables in subjects and bodies: what is refused when it is saved, and what can never happen when it is sent."""

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.templates import check, declared_defaults, one_line, parse, parse_subject, render

VALUES = {
    "contact.first_name": "Zoë",
    "contact.last_name": "O'Neil & Sons",
    "contact.email": "zoe@example.com",
    "contact.company": "",
    "campaign.name": None,
}
PIECES = st.sampled_from(
    [
        "<b>",
        "</a>",
        '"',
        "'",
        "&",
        "&lt;",
        "<script>",
        "{{contact.email}}",
        "{{",
        "}}",
        "|",
        "\r\n",
        "\n",
        "\x00",
        "\u2028",
        "\x85",
    ]
)
HOSTILE = st.lists(PIECES | st.text(max_size=5), max_size=8).map("".join)
NO_VARIABLES = [
    *("{{", "{{}}", "{{ }}", "{{contact first_name}}", "{{contact.first_name", "{{contact.first_name}", "{{contact.}}"),
    *("{{.email}}", "{{contact.email|a|b}}", "{{contact.email|{}}}", "{{#if x}}", "{{&nbsp;contact.email}}"),
    *("{{{contact.email}}}", "{{contact.émail}}", "{{ 7*7 }}", "{{contact.email {{contact.email}}"),
]
EVERY_LINE_BREAK = {"\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"}


class Markup(HTMLParser):
    """What a reader of HTML sees: tags with their attributes, and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


def test_variables_are_filled_with_or_without_spaces() -> None:
    text = "Hi {{contact.first_name}} {{ contact.last_name }}<{{\tcontact.email\n}}>"
    assert render(parse(text), VALUES) == "Hi Zoë O'Neil & Sons<zoe@example.com>"


def test_a_text_without_variables_stays_as_it_is() -> None:
    styled = "<style>@media(max-width:9px){a{b:c}}</style> { } | }} {x}"
    assert render(parse(styled), {}, html=True) == styled
    assert render(parse(""), {}) == ""


@pytest.mark.parametrize("blank", [None, "", "  ", "\t\n"])
def test_a_blank_value_gives_way_to_its_own_default_then_the_declared_one_then_nothing(blank: str | None) -> None:
    values = {"contact.first_name": blank}
    declared = {"contact.first_name": "friend"}
    assert render(parse("Hi {{contact.first_name | there }}!"), values, defaults=declared) == "Hi there!"
    assert render(parse("Hi {{contact.first_name}}!"), values, defaults=declared) == "Hi friend!"
    assert render(parse("Hi {{contact.first_name}}!"), values) == "Hi !"
    assert render(parse("Hi {{contact.first_name|}}!"), values, defaults=declared) == "Hi !"


def test_a_value_that_is_there_needs_no_default() -> None:
    assert render(parse("{{contact.first_name|there}}"), VALUES, defaults={"contact.first_name": "you"}) == "Zoë"
    assert render(parse("{{count|none}}", frozenset({"count"})), {"count": 0}) == "0"


def test_unknown_variables_are_all_named_when_the_template_is_saved() -> None:
    text = "{{contact.name}} {{contact.first_name}} {{company|x}} {{contact.name}}"
    assert check(text) == ["company", "contact.name"]
    for save in (parse, parse_subject):
        with pytest.raises(RejectedInput) as refused:
            save(text)
        assert refused.value.details == ("company", "contact.name")


def test_other_rooms_have_other_variables() -> None:
    known = frozenset({"job.title"})
    assert render(parse("{{job.title}}", known), {"job.title": "Nurse"}) == "Nurse"
    assert check("{{job.title}} {{campaign.name}}", known) == ["campaign.name"]


@pytest.mark.parametrize("text", NO_VARIABLES)
def test_braces_that_begin_no_variable_are_refused_with_their_line(text: str) -> None:
    with pytest.raises(RejectedInput) as refused:
        check(f"Hello\n{text}")
    assert refused.value.details[0].startswith("line 2:")


def test_a_value_that_is_missing_when_it_is_sent_is_named_and_nothing_is_rendered() -> None:
    with pytest.raises(RejectedInput) as refused:
        render(parse("{{contact.email}} {{campaign.name}} {{contact.company}}"), {"campaign.name": "Spring"})
    assert refused.value.details == ("contact.company", "contact.email")


def test_values_and_defaults_are_escaped_in_html_and_nowhere_else() -> None:
    template = parse("{{contact.first_name|you & <yours>}} {{contact.last_name}}")
    values = {"contact.first_name": "", "contact.last_name": "<b a=\"1\" b='2'>&amp;"}
    assert render(template, values) == "you & <yours> <b a=\"1\" b='2'>&amp;"
    escaped = "you &amp; &lt;yours&gt; &lt;b a=&quot;1&quot; b=&#x27;2&#x27;&gt;&amp;amp;"
    assert render(template, values, html=True) == escaped
    assert render(parse("{{contact.first_name|you &amp; us}}"), values, html=True) == "you &amp; us"


def test_a_value_is_never_expanded_again() -> None:
    values = {"contact.first_name": "{{contact.email}}", "contact.email": "secret@example.com"}
    assert render(parse("{{contact.first_name}}"), values) == "{{contact.email}}"
    assert render(parse("{{contact.first_name}}"), values, html=True) == "{{contact.email}}"


@pytest.mark.parametrize(
    "text", ["a\nb", "a\r\nBcc: x@example.com", "a\x00", "a\x85b", "a\u2028b", "{{contact.email|a\nb}}"]
)
def test_a_subject_of_more_than_one_line_is_refused(text: str) -> None:
    with pytest.raises(RejectedInput, match="line breaks"):
        parse_subject(text)


def test_line_breaks_in_a_value_become_one_space_in_a_subject() -> None:
    values = {"contact.first_name": "Eve\r\n\r\nBcc: all@example.com\x00"}
    assert render(parse_subject("Hi {{contact.first_name}}"), values) == "Hi Eve Bcc: all@example.com"
    assert "\r\n" in render(parse("Hi {{contact.first_name}}"), values)


@given(HOSTILE, HOSTILE)
@settings(max_examples=200, deadline=None)
def test_no_value_and_no_default_breaks_a_subject_into_lines(value: str, default: str) -> None:
    for values, defaults in (({"contact.email": value}, {}), ({"contact.email": ""}, {"contact.email": default})):
        subject = render(parse_subject("Re: {{contact.email}} {{contact.email}}"), values, defaults=defaults)
        assert len(subject.splitlines()) == 1
        assert not EVERY_LINE_BREAK & set(subject)
        assert subject.isprintable() or subject.encode()
        assert one_line(subject) == subject


@given(HOSTILE)
@settings(max_examples=300, deadline=None)
def test_no_value_becomes_a_tag_or_leaves_its_attribute(value: str) -> None:
    template = parse('<p>{{contact.email}}</p><a href="x" title="{{contact.email}}" rel=\'{{contact.email}}\'>a</a>')
    rendered = render(template, {"contact.email": value}, html=True)
    seen = Markup(rendered)
    assert [tag for tag, _ in seen.tags] == ["p", "a"]
    assert set(seen.tags[1][1]) == {"href", "title", "rel"}
    if value.strip():
        assert seen.words == f"{value}a"
        assert seen.tags[1][1]["title"] == seen.tags[1][1]["rel"] == value


@given(
    st.lists(st.sampled_from(["{{", "}}", "{", "}", "contact.email", "|", " ", "x", "\n", "."]), max_size=12).map(
        "".join
    )
)
@settings(max_examples=300, deadline=None)
def test_whatever_is_accepted_leaves_no_double_brace_behind(text: str) -> None:
    try:
        template = parse(text)
    except RejectedInput:
        return
    assert "{{" not in render(template, VALUES)


def test_what_a_template_declares_becomes_its_defaults() -> None:
    declared = [
        {"name": "contact.first_name", "default": "there"},
        {"name": "contact.company"},
        {"name": "contact.email", "default": None},
    ]
    assert declared_defaults(declared) == {"contact.first_name": "there"}
    assert declared_defaults(None) == declared_defaults([]) == {}
    with pytest.raises(RejectedInput) as refused:
        declared_defaults([{"name": "contact.shoe_size", "default": "44"}])
    assert refused.value.details == ("contact.shoe_size",)


@pytest.mark.parametrize(
    "shape", [{}, "contact.email", [1], [{"default": "x"}], [{"name": 1}], [{"name": "contact.email", "default": 3}]]
)
def test_a_declaration_of_another_shape_is_refused(shape: object) -> None:
    with pytest.raises(RejectedInput, match="name, default"):
        declared_defaults(shape)
