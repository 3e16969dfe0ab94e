"""The local reading of template.yaml against the resources that SAM's own transform makes of it."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from boto3.session import Session
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from local.template.intrinsics import Unresolved, load_template
from local.template.template import REGION, FunctionDefinition, SamTemplate

TEMPLATE = Path(__file__).parents[3] / "template.yaml"
VALUES = {"MauticUrl": "https://mautic.example.com", "BisonInstanceUrl": "https://send.example.com"}
NAMES = sorted(SamTemplate.read(TEMPLATE).functions)


@cache
def transformed(kind: str) -> dict[str, dict[str, Any]]:
    resources, template = everything_transformed()
    return {
        logical_id: template.evaluate(resource["Properties"])
        for logical_id, resource in resources.items()
        if resource["Type"] == kind
    }


@cache
def everything_transformed() -> tuple[dict[str, Any], SamTemplate]:
    document = load_template(TEMPLATE)
    for resource in document["Resources"].values():
        if resource["Type"] == "AWS::Serverless::LayerVersion":
            resource["Properties"]["ContentUri"] = "s3://bucket/layer"
    document["Globals"]["Function"]["CodeUri"] = "s3://bucket/functions"
    translator = Translator({}, Parser(), boto_session=Session(region_name=REGION))
    resources = translator.translate(document, VALUES)["Resources"]
    return resources, SamTemplate(document, SamTemplate.read(TEMPLATE, VALUES).parameters)


@cache
def function(name: str) -> FunctionDefinition:
    return SamTemplate.read(TEMPLATE, VALUES).functions[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_function_has_the_same_handler_limits_and_environment(name: str) -> None:
    ours = function(name)
    theirs = transformed("AWS::Lambda::Function")[ours.logical_id]
    environment = theirs["Environment"]["Variables"]
    assert (ours.handler, ours.timeout, ours.memory) == (theirs["Handler"], theirs["Timeout"], theirs["MemorySize"])
    assert ours.environment == {k: v if isinstance(v, Unresolved) else str(v) for k, v in environment.items()}
    assert len(ours.layers) == len(theirs["Layers"])


@pytest.mark.parametrize("name", NAMES)
def test_a_function_has_the_same_schedules(name: str) -> None:
    ours = {(one.expression, json.dumps(one.input), one.timezone, one.enabled) for one in function(name).schedules}
    target = Unresolved(function(name).logical_id, "Arn")
    theirs = {
        (
            one["ScheduleExpression"],
            one["Target"]["Input"],
            one.get("ScheduleExpressionTimezone", "UTC"),
            one["State"] == "ENABLED",
        )
        for one in transformed("AWS::Scheduler::Schedule").values()
        if one["Target"]["Arn"] == target
    }
    assert ours == theirs


def mappings(name: str, kind: str) -> list[dict[str, Any]]:
    """Of a function: those of queues (`kind` is Arn) or those of tables (StreamArn)."""
    found = transformed("AWS::Lambda::EventSourceMapping").values()
    own = [one for one in found if one["FunctionName"].logical_id == function(name).logical_id]
    return [one for one in own if one["EventSourceArn"].attribute == kind]


@pytest.mark.parametrize("name", NAMES)
def test_a_function_has_the_same_queues(name: str) -> None:
    ours = {(one.queue_logical_id, one.batch_size, one.maximum_concurrency) for one in function(name).queues}
    theirs = {
        (one["EventSourceArn"].logical_id, one["BatchSize"], one["ScalingConfig"]["MaximumConcurrency"])
        for one in mappings(name, "Arn")
    }
    assert ours == theirs


@pytest.mark.parametrize("name", NAMES)
def test_a_function_has_the_same_streams(name: str) -> None:
    ours = {(one.table_logical_id, one.batch_size, one.attempts, one.bisects) for one in function(name).streams}
    theirs = {
        (
            one["EventSourceArn"].logical_id,
            one["BatchSize"],
            one["MaximumRetryAttempts"] + 1,
            one["BisectBatchOnFunctionError"],
        )
        for one in mappings(name, "StreamArn")
    }
    assert ours == theirs


def test_the_routes_are_the_same() -> None:
    ours = {(route.method, route.path) for one in SamTemplate.read(TEMPLATE).functions.values() for route in one.routes}
    (api,) = transformed("AWS::ApiGatewayV2::Api").values()
    theirs = {
        ("ANY" if "any" in method else method.upper(), path)
        for path, methods in api["Body"]["paths"].items()
        for method in methods
    }
    assert ours == theirs


def test_a_secret_never_stands_in_an_environment() -> None:
    secret = {"DATABASE_URL", "MIGRATION_DATABASE_URL", "MAUTIC_CLIENT_ID", "MAUTIC_CLIENT_SECRET"}
    secret |= {"MAUTIC_WEBHOOK_SECRET", "ADMIN_TOKEN"}
    for name in NAMES:
        assert not secret & function(name).environment.keys()
