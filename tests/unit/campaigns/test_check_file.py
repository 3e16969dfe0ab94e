"""A campaign's file is refused with all that is wrong with it, and with nothing that only seems to be wrong."""

from typing import Any

import pytest

from crm_relay.campaigns.definition.check_definition import check_definition
from crm_relay.campaigns.definition.check_file import read_part
from crm_relay.platform.errors import RejectedInput

NOTHING_KNOWN: dict[str, Any] = {"identity": None, "templates": []}


def problems_of(given: dict[str, Any]) -> list[str]:
    part = read_part(given)
    try:
        check_definition(part.readable, NOTHING_KNOWN)
    except RejectedInput as error:
        return list(part.refusal(error.details).details)
    return list(part.problems)


def test_problems_of_the_shape_and_of_what_is_said_come_together() -> None:
    found = problems_of(
        {
            "name": "Spring",
            "zone": "Mars/Base",
            "colour": "red",
            "steps": [
                {"channel": "email", "subject": "Hi", "body_html": "<p>{{look</p>", "delay": {"days": -3}},
                {"channel": "pigeon", "subject": "Hi"},
                {"channel": "sms"},
            ],
        }
    )
    begins = [each.partition(": ")[0] for each in found]
    assert begins == [
        "steps.0.delay.days",
        "steps.1.channel",
        "colour",
        "zone",
        "steps.0.body_html",
        "steps.2.body_text",
    ]
    assert "colour: there is no such field" in found


def test_what_lacks_only_a_field_that_is_wrong_itself_is_not_called_missing() -> None:
    step = {"channel": "email", "subject": "x" * 999, "body_html": "<p>Hi</p>"}
    found = problems_of({"name": "Spring", "steps": [step, {"channel": "task"}]})
    assert [each.partition(": ")[0] for each in found] == ["steps.0.subject", "steps.1.task.title"]


def test_a_file_without_steps_and_name_says_both() -> None:
    assert problems_of({}) == ["name: is missing", "steps: is missing"]


def test_a_valid_file_is_read_whole() -> None:
    part = read_part({"name": "Spring", "steps": [{"channel": "wait"}]})
    assert (part.readable.name, part.problems) == ("Spring", ())


@pytest.mark.parametrize("steps", ["x", [1], [None, "x"], {"a": 1}, [{"channel": ["email"]}], [{1: 2}]])
def test_nothing_in_a_file_is_more_than_a_problem(steps: object) -> None:
    assert problems_of({"name": "Spring", "steps": steps})
