"""Fixed values and points in time are checked when a workflow is published, not by the run that fails on them."""

from dataclasses import replace

import pytest

from crm_relay.workflows.definition.proofs.values import problem_of_value
from crm_relay.workflows.definition.validate import validate
from tests.support.workflows.proven_programs import CATALOG, problems_of_step_with, program_of

TYPED = replace(
    CATALOG,
    types={"deals": {"value": "numeric", "closed_at": "timestamp with time zone", "name": "character varying"}},
)


@pytest.mark.parametrize(
    ("type_name", "good", "bad"),
    [
        ("integer", [5, "5", -3], [5.5, "five", True, "", "1e999999999999"]),
        ("numeric", [5, 5.5, "5.50", "1e3"], ["five", True, "NaN", "5,50"]),
        ("boolean", [True, "false", "on", 1], ["maybe", 2, 0.5]),
        ("date", ["2026-12-24", "2026-12-24T10:00:00Z"], ["soon", "2026-13-01", 20261224, True]),
        ("timestamp with time zone", ["2026-12-24", "2026-12-24T10:00:00+01:00"], ["+3d", "24.12.2026", 5]),
        ("uuid", ["6a0f6f3e-0000-4000-8000-000000000000"], ["ada", 5]),
        ("text", ["anything", 5, True], []),
        ("crm_stage", ["anything"], []),
    ],
)
def test_a_fixed_value_fits_its_column(type_name: str, good: list[object], bad: list[object]) -> None:
    assert {str(value): problem_of_value(value, type_name) for value in good} == dict.fromkeys(map(str, good))
    assert [value for value in bad if problem_of_value(value, type_name) is None] == []
    assert problem_of_value(None, type_name) is problem_of_value("{{deal.name}}", type_name) is None


def test_a_value_that_the_column_cannot_take_is_a_problem_of_its_step() -> None:
    def problems(field: str, value: object) -> str:
        step = {"type": "update_field", "config": {"field": field, "value": value}}
        return "\n".join(validate(program_of(actions=[step]), TYPED))

    assert problems("value", "much") == "actions[0].config.value: a value of the type numeric"
    assert problems("closed_at", "+3d").startswith("actions[0].config.value: a value of the type timestamp")
    assert problems("value", 5000) == problems("name", "New") == problems("value", "{{event.value}}") == ""


@pytest.mark.parametrize("written", ["soon", "+3x", "+99999d", "2026-02-30"])
def test_a_literal_point_in_time_can_be_read(written: str) -> None:
    assert "actions[0].config.dueDate: " in problems_of_step_with("create_task", title="Call", dueDate=written)
    assert "actions[0].config.until: " in problems_of_step_with("wait", until=written)


@pytest.mark.parametrize("written", ["+3d", "+2 business days", "2026-12-24", "{{deal.closed_at}}"])
def test_good_points_in_time_are_none(written: str) -> None:
    assert problems_of_step_with("create_task", title="Call", dueDate=written) == ""
