"""docs/deploy.md and samconfig.toml keep to the template: safe defaults, every capability, and what stays behind."""

import re
import tomllib

import pytest

from local.template.secrets import secret_variables
from local.template.template import SamTemplate
from tests.support.source_tree import ROOT

TEMPLATE = SamTemplate.read(ROOT / "template.yaml")
DEPLOY = (ROOT / "docs" / "deploy.md").read_text()
STAGES = {
    name: stage for name, stage in tomllib.loads((ROOT / "samconfig.toml").read_text()).items() if name != "version"
}
UNRESERVED = 100
"""Of an account's concurrent executions AWS keeps so many free; the usual limit is 1,000."""


@pytest.mark.parametrize("stage", [name for name, each in STAGES.items() if "deploy" in each])
def test_a_first_deployment_neither_sends_nor_runs_a_schedule(stage: str) -> None:
    given = dict(each.split("=", 1) for each in STAGES[stage]["deploy"]["parameters"]["parameter_overrides"])
    assert (given["SendMode"], given["ScheduleState"]) == ("dry-run", "DISABLED")


def test_the_reserved_concurrency_is_what_the_page_says_and_fits_an_account() -> None:
    functions = TEMPLATE.resources("AWS::Serverless::Function").values()
    reserved = sum(TEMPLATE.evaluate(each.get("ReservedConcurrentExecutions", 0)) for each in functions)
    assert [int(each) for each in re.findall(r"reserve (\d+) concurrent executions", DEPLOY)] == [reserved]
    parts = [int(each) for each in re.findall(r"(\d+) for (?:four|two|schedules)", DEPLOY)]
    assert sum(parts) == reserved <= 1000 - UNRESERVED


def test_everything_that_outlives_the_stack_is_named_where_it_is_taken_down() -> None:
    kept = [name for name, one in TEMPLATE.document["Resources"].items() if one.get("DeletionPolicy") == "Retain"]
    uninstall = DEPLOY.partition("## Uninstall")[2]
    assert kept
    assert [name for name in kept if f"`{name}`" not in uninstall] == []


def test_every_secret_and_every_switch_is_named() -> None:
    switches = [
        name
        for name, entry in TEMPLATE.document["Parameters"].items()
        if entry.get("AllowedValues") == ["enabled", "disabled"]
    ]
    names = [*secret_variables(TEMPLATE.functions), *switches]
    assert [name for name in names if name not in DEPLOY] == []
