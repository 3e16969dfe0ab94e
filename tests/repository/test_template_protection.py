"""What the template protects: data at rest and on its way, tables, and each route from the callers of another."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from local.template.intrinsics import Unresolved
from local.template.template import SamTemplate
from tests.support.local.combinations import COMBINATIONS, LEFT_OUT
from tests.support.source_tree import ROOT

TEMPLATE = SamTemplate.read(ROOT / "template.yaml")
RESOURCES: Mapping[str, Any] = TEMPLATE.document["Resources"]


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    """Logical id -> the whole resource."""
    return {name: one for name, one in RESOURCES.items() if one["Type"] == kind}


def denies_without_tls(document: Mapping[str, Any], action: str) -> set[Any]:
    """The resources that a policy closes to everybody who speaks without TLS."""
    found: set[Any] = set()
    for each in document["Statement"]:
        if each["Effect"] == "Deny":
            assert (each["Principal"], each["Action"]) == ("*", action)
            assert each["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            resources = TEMPLATE.evaluate(each["Resource"])
            found |= {str(one) for one in (resources if isinstance(resources, list) else [resources])}
    return found


@pytest.mark.parametrize("name", of_kind("AWS::SQS::Queue"))
def test_a_queue_is_encrypted_and_speaks_tls_alone(name: str) -> None:
    assert RESOURCES[name]["Properties"]["SqsManagedSseEnabled"] is True
    policy = RESOURCES[f"{name}Policy"]
    assert policy["Type"] == "AWS::SQS::QueuePolicy"
    assert policy.get("Condition") == RESOURCES[name].get("Condition")
    assert policy["Properties"]["Queues"] == [{"Ref": name}]
    assert denies_without_tls(policy["Properties"]["PolicyDocument"], "sqs:*") == {str(Unresolved(name, "Arn"))}


@pytest.mark.parametrize("name", of_kind("AWS::SNS::Topic"))
def test_a_topic_speaks_tls_alone_takes_a_key_and_still_takes_alarms(name: str) -> None:
    policy = RESOURCES[f"{name}Policy"]["Properties"]
    assert policy["Topics"] == [{"Ref": name}]
    statements = policy["PolicyDocument"]["Statement"]
    assert denies_without_tls(policy["PolicyDocument"], "sns:Publish") == {str(Unresolved(name, None))}
    # A policy of ours replaces the topic's own, by which alarms of the account are allowed.
    (allowed,) = [each for each in statements if each["Effect"] == "Allow"]
    assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allowed["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    assert "KmsMasterKeyId" not in TEMPLATE.evaluate(RESOURCES[name]["Properties"])


def test_a_key_of_the_alert_topic_may_be_used_by_those_who_publish_there() -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/1"
    template = SamTemplate.read(ROOT / "template.yaml", {"AlertTopicKeyArn": key})
    topic = template.evaluate(template.resources("AWS::SNS::Topic")["AlertTopic"])
    allowed = template.evaluate(template.resources("AWS::IAM::ManagedPolicy")["AlertOperators"])
    assert topic["KmsMasterKeyId"] == key
    assert {str(each["Action"]): each["Resource"] for each in allowed["PolicyDocument"]["Statement"]} == {
        "sns:Publish": Unresolved("AlertTopic", None),
        "['kms:GenerateDataKey', 'kms:Decrypt']": key,
    }


@pytest.mark.parametrize("name", of_kind("AWS::S3::Bucket"))
def test_a_bucket_is_encrypted_private_and_speaks_tls_alone(name: str) -> None:
    bucket = RESOURCES[name]["Properties"]
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    policy = RESOURCES[f"{name}Policy"]["Properties"]
    assert denies_without_tls(policy["PolicyDocument"], "s3:*")
    (denied,) = policy["PolicyDocument"]["Statement"]
    assert denied["Resource"] == [{"Fn::GetAtt": [name, "Arn"]}, {"Fn::Sub": f"${{{name}.Arn}}/*"}]


@pytest.mark.parametrize("name", of_kind("AWS::DynamoDB::Table"))
def test_a_table_is_encrypted_can_be_restored_and_is_not_deleted_by_accident(name: str) -> None:
    table, properties = RESOURCES[name], RESOURCES[name]["Properties"]
    assert properties["SSESpecification"] == {"SSEEnabled": True}
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["DeletionProtectionEnabled"] is True
    # CloudFormation could not delete a protected table, and would leave the stack half deleted.
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")


def route_settings(template: SamTemplate) -> dict[str, dict[str, Any]]:
    (api,) = template.resources("AWS::Serverless::HttpApi").values()
    found: dict[str, dict[str, Any]] = template.evaluate(api["RouteSettings"])
    return found


@pytest.mark.parametrize("left_out", COMBINATIONS, ids=lambda rooms: "+".join(rooms) or "nothing")
def test_every_route_that_is_installed_has_a_throttle_of_its_own_and_no_other_is_named(
    left_out: tuple[str, ...],
) -> None:
    """API Gateway refuses settings of a route that does not exist."""
    template = SamTemplate.read(ROOT / "template.yaml", {name: LEFT_OUT[name] for name in left_out})
    routes = {f"{each.method} {each.path}" for one in template.functions.values() for each in one.routes}
    settings = route_settings(template)
    assert settings.keys() == routes
    for limits in settings.values():
        assert 1 <= limits["ThrottlingRateLimit"] <= limits["ThrottlingBurstLimit"]
        assert limits["DetailedMetricsEnabled"] is True


def test_the_page_and_the_api_take_no_requests_from_webhooks() -> None:
    changed = {"PageThrottlingRateLimit": 7, "ApiThrottlingRateLimit": 8, "ThrottlingRateLimit": 9}
    limits = {
        route: each["ThrottlingRateLimit"]
        for route, each in route_settings(SamTemplate.read(ROOT / "template.yaml", changed)).items()
    }
    webhooks = {route for route in limits if "/webhooks/" in route}
    assert {limits[route] for route in webhooks} == {9}
    assert limits["ANY /unsubscribe/{token}"] == 7
    assert 9 not in {each for route, each in limits.items() if route not in webhooks}


def test_what_strangers_call_reserves_its_own_concurrency_and_calls_by_hand_are_few() -> None:
    """A run by hand shares the concurrency of its function's schedules: strangers' calls may not fill it."""
    assert route_settings(TEMPLATE)["ANY /api/sync/mautic"]["ThrottlingBurstLimit"] <= 2
    functions = TEMPLATE.resources("AWS::Serverless::Function")
    assert all(
        TEMPLATE.evaluate(functions[one.logical_id]["ReservedConcurrentExecutions"]) >= 1
        for one in TEMPLATE.functions.values()
        if one.routes
    )


def test_what_is_installed_for_a_build_is_named_by_its_hash() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    installs = re.findall(r"pip install (.*)", makefile)
    assert installs
    assert [each for each in installs if "--require-hashes" not in each and "--editable ." not in each] == []
    locked = [*(ROOT / "requirements").glob("*.txt"), ROOT / "layers" / "dependencies" / "requirements.txt"]
    for path in locked:
        text = path.read_text(encoding="utf-8")
        assert len(re.findall(r"^[a-z0-9].*==", text, re.MULTILINE | re.IGNORECASE)) > 0, path.name
        assert re.findall(r"==\S+(?: ; [^\\\n]+)?\n(?!    --hash)", text) == [], path.name


def test_actions_of_workflows_are_named_by_commit() -> None:
    used = [
        line.strip()
        for path in (ROOT / ".github" / "workflows").iterdir()
        for line in path.read_text(encoding="utf-8").splitlines()
        if "uses:" in line
    ]
    assert used
    assert [each for each in used if not re.fullmatch(r"- uses: [\w./-]+@[0-9a-f]{40} # v[\d.]+", each)] == []
