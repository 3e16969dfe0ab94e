"""Placeholders that nothing fills are refused when a text is saved, with the right spelling."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_relay.campaigns.definition.check_content import problems_of_html, problems_of_subject, problems_of_text
from crm_relay.rules.placeholders import problems_of_placeholders
from crm_relay.rules.templates import VARIABLES, parse

FIRST_NAME = "write {{contact.first_name}}"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "{FIRST_NAME}",
            "{firstName}",
            "{ first_name }",
            "{First Name}",
            "{contact.first_name}",
            "{first_name|there}",
        ),
        *("*|FNAME|*", "[First Name]", "[[first_name]]", "[%FIRSTNAME%]", "%FIRSTNAME%", "%%first_name%%"),
        *("%recipient.first_name%", "{contactfield=firstname}", "{contactfield=firstname|there}", "${first_name}"),
        *("#{first_name}", "@@first_name@@", "##name##", "{!Contact.FirstName}", "<%= first_name %>", "<<First Name>>"),
        *("\u00abVorname\u00bb", "&lt;&lt;First Name&gt;&gt;", "&#123;&#123;contact.first_name&#125;&#125;"),
        *("%7B%7Bcontact.first_name%7D%7D", "%7b%7b contact.first_name %7d%7d", "&#x7b;&#x7b;contact.first_name}}"),
    ],
)
def test_placeholders_of_others_are_refused_with_the_right_spelling(text: str) -> None:
    for problems in (problems_of_text(f"Hi {text}, hello"), problems_of_subject(f"Hi {text}")):
        assert any(problem.endswith(FIRST_NAME) for problem in problems)


@pytest.mark.parametrize(
    "default",
    [
        'default: "there"',
        "default 'there'",
        'default("there")',
        "fallback: there",
        '"there"',
        "default: \u201cthere\u201d",
    ],
)
def test_a_default_has_no_filter_and_no_quotes(default: str) -> None:
    (problem,) = problems_of_subject(f"Hi {{{{ contact.first_name | {default} }}}}")
    assert problem.endswith("write {{contact.first_name|there}}")


def test_there_are_no_filters_and_nothing_is_spun() -> None:
    assert "there are no filters" in problems_of_text("Hi {{contact.first_name | upcase}}")[0]
    assert "there are no filters" in problems_of_text("{{contact.first_name | truncate(3)}}")[0]
    assert "not spun" in problems_of_text("{Hi|Hello|Hey} there")[0]
    assert problems_of_text("{% if contact.first_name %}Hi{% endif %}") != []


@pytest.mark.parametrize(
    "text",
    [
        *("$[FNAME|there]$", "[firstname,fallback=there]", '[[FIRSTNAME OR "you"]]', "%first_name|there%"),
        *("#FIRST_NAME#", "-FIRST_NAME-", "{$first_name}", "$$first_name$$", "%7BFIRST_NAME%7D"),
        *("<first_name>", "&lt;first_name&gt;", "｛｛first_name｝｝", "｛first_name｝"),
    ],
)
def test_placeholders_with_a_default_or_other_signs_are_refused_too(text: str) -> None:
    (problem,) = problems_of_placeholders(f"Hi {text},")
    assert problem.endswith("write {{contact.first_name}}")
    assert problems_of_placeholders("%%=v(@FirstName)=%%") != []


def test_an_encoded_variable_in_a_link_is_refused() -> None:
    html = '<p><a href="https://www.example.com/r?n=%7B%7Bcontact.first_name%7D%7D">Report</a></p>'
    assert problems_of_html(html) == [f"%7B%7Bcontact.first_name%7D%7D is not filled: {FIRST_NAME}"]


def test_an_unknown_variable_is_named_with_the_one_that_it_means() -> None:
    (problem,) = problems_of_text("Hi {{FIRST_NAME}}, {{shoe_size}}")
    assert problem.endswith("FIRST_NAME (write contact.first_name), shoe_size")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "{{contact.first_name|there}}",
            "{{ contact.first_name | my friend (of old) }}",
            "{{contact.company|Hello: you}}",
        ),
        *("100 %, 20%off and 30% off%", "[URGENT] offer", "{see below}", "a {b} c", "x << 3 >> y", "[1] and [Note]"),
        *("<style>.title{color:red} @media print{.name{display:none}}</style>", "<!-- {FIRST_NAME} -->"),
        *(
            "<pre>{first_name}</pre>",
            "{{contact.email|default@example.com}}",
            "#name# @name",
            "#SALE# -BIG- A-FIRST_NAME-B <b>x</b> a_b <tt_x> #EMAIL",
            "{{contact.first_name|default}}",
        ),
    ],
)
def test_what_people_write_is_left_alone(text: str) -> None:
    assert problems_of_placeholders(text) == []


@given(names=st.lists(st.sampled_from(sorted(VARIABLES))), words=st.text(st.sampled_from(" abc,.!?-'\n"), max_size=20))
def test_our_own_spelling_is_never_refused(names: list[str], words: str) -> None:
    text = words.join(f"{{{{{name}}}}}{words}{{{{ {name} | a friend }}}}" for name in names)
    parse(text)
    assert problems_of_placeholders(text) == []


@given(text=st.text(st.sampled_from("{}[]%|<>*$#@&;= aA_1."), max_size=200))
def test_any_text_is_read_and_its_problems_can_be_shown(text: str) -> None:
    assert json.dumps(problems_of_placeholders(text))


def test_long_text_is_read_in_no_time() -> None:
    for piece in ("{", "[", "<<a ", "%7B%7B", "{%", "*|", "{a|", "&lt;&lt;a"):
        problems_of_placeholders(piece * 20_000)
