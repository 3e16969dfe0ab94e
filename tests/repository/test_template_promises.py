"""What template.yaml has to keep for every function, whoever adds the next one."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.samples.outcomes import read_outcomes
from local.template.template import SamTemplate

ROOT = Path(__file__).parents[2]
TEMPLATE = SamTemplate.read(ROOT / "template.yaml")
NAMES = sorted(TEMPLATE.functions)
QUEUES = TEMPLATE.resources("AWS::SQS::Queue")


def own_properties(name: str) -> dict[str, Any]:
    properties: dict[str, Any] = TEMPLATE.resources("AWS::Serverless::Function")[TEMPLATE.functions[name].logical_id]
    return properties


@pytest.mark.parametrize("name", NAMES)
def test_a_function_logs_into_a_group_of_its_own_with_an_end(name: str) -> None:
    group = own_properties(name)["LoggingConfig"]["LogGroup"]["Ref"]
    assert TEMPLATE.resources("AWS::Logs::LogGroup")[group]["RetentionInDays"]


@pytest.mark.parametrize("name", NAMES)
def test_a_function_has_sample_events(name: str) -> None:
    cases = list((ROOT / "events" / name).glob("*.json"))
    assert cases
    for case in cases:
        assert isinstance(json.loads(case.read_text()), dict)


def test_every_sample_event_says_how_it_ends() -> None:
    assert read_outcomes().keys() == {f"{path.parent.name}/{path.stem}" for path in (ROOT / "events").glob("*/*.json")}


def test_no_sample_event_is_an_orphan() -> None:
    assert {path.parent.name for path in (ROOT / "events").glob("*/*")} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_message_stays_invisible_for_six_time_outs_of_its_function(name: str) -> None:
    function = TEMPLATE.functions[name]
    for source in function.queues:
        assert QUEUES[source.queue_logical_id]["VisibilityTimeout"] >= 6 * function.timeout


@pytest.mark.parametrize("name", [name for name in NAMES if TEMPLATE.functions[name].queues])
def test_a_function_has_room_for_all_batches_of_its_queues(name: str) -> None:
    reserved = TEMPLATE.evaluate(own_properties(name)["ReservedConcurrentExecutions"])
    assert reserved >= sum(source.maximum_concurrency for source in TEMPLATE.functions[name].queues)


def test_a_body_outlives_its_message() -> None:
    days = sum(QUEUES[name]["MessageRetentionPeriod"] for name in ("DeferredQueue", "DeferredDeadLetterQueue")) / 86400
    assert TEMPLATE.document["Parameters"]["OversizeRetentionDays"]["MinValue"] > days


def test_the_access_log_shows_no_path_and_no_address_of_a_caller() -> None:
    (api,) = TEMPLATE.resources("AWS::Serverless::HttpApi").values()
    written = api["AccessLogSettings"]["Format"]
    assert isinstance(json.loads(written), dict)
    for forbidden in ("$context.path", "$context.http", "$context.identity", "$context.domain", "querystring"):
        assert forbidden not in written


def test_the_environment_fits_into_four_kilobytes() -> None:
    for name in NAMES:
        assert sum(len(key) + len(str(value)) for key, value in TEMPLATE.functions[name].environment.items()) < 3000


@pytest.mark.parametrize("name", NAMES)
def test_no_policy_of_ours_is_for_every_resource(name: str) -> None:
    assert_specific(
        [
            s
            for policy in TEMPLATE.evaluate(own_properties(name)["Policies"])
            if isinstance(policy, dict)
            for s in policy.get("Statement", [])
        ]
    )


def test_no_shared_policy_is_for_every_resource() -> None:
    # With a key of the operator's, so that every statement is looked at.
    template = SamTemplate.read(
        ROOT / "template.yaml", {"AlertTopicKeyArn": "arn:aws:kms:us-east-1:123456789012:key/1"}
    )
    shared = template.resources("AWS::IAM::ManagedPolicy")
    assert shared
    for policy in shared.values():
        assert_specific(template.evaluate(policy["PolicyDocument"]["Statement"]))


def assert_specific(statements: list[dict[str, Any]]) -> None:
    assert all("*" not in (statement["Resource"], statement["Action"]) for statement in statements)
