"""A function may read the secrets that its settings lie in, and no other; nor is it given what it does not read."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from crm_relay.platform.aws.secret_groups import SecretGroup, groups_of, secret_name
from crm_relay.platform.settings import SECRET_ID
from local.template.secrets import secret_variables, settings_class
from local.template.template import SamTemplate
from tests.support.source_tree import ROOT

TEMPLATE = SamTemplate.read(ROOT / "template.yaml", {"SecretName": "crm-relay/prod"})
NAMES = sorted(TEMPLATE.functions)
POLICIES = TEMPLATE.resources("AWS::IAM::ManagedPolicy")
OF_EVERY_FUNCTION = {"DATABASE_CA_FILE", "COORDINATION_TABLE", "LOG_LEVEL", "POWERTOOLS_SERVICE_NAME"}
"""Of the template's globals: names and paths, nothing that opens anything."""
SECRET_WORDS = re.compile(r"TOKEN|SECRET|_KEY|PASSWORD|DATABASE_URL|SLACK_WEBHOOK_URL|ACCOUNT_SID|CLIENT_ID")


def statements(name: str) -> list[dict[str, Any]]:
    """Everything that the function's role is allowed by the template, shared policies included."""
    properties = TEMPLATE.resources("AWS::Serverless::Function")[TEMPLATE.functions[name].logical_id]
    found: list[dict[str, Any]] = []
    for policy in properties["Policies"]:
        if "Ref" in policy:
            found += TEMPLATE.evaluate(POLICIES[policy["Ref"]]["PolicyDocument"]["Statement"])
        elif "Statement" in policy:
            found += TEMPLATE.evaluate(policy["Statement"])
    return found


def readable(name: str) -> set[str]:
    """What the function may read in Secrets Manager, as a pattern of ARNs without what AWS adds to a name."""
    allowed = [each for each in statements(name) if "secretsmanager" in str(each.get("Action"))]
    assert all(each["Action"] == "secretsmanager:GetSecretValue" for each in allowed)
    resources = {str(TEMPLATE.evaluate(each["Resource"])) for each in allowed}
    prefix = "arn:aws:secretsmanager:us-east-1:123456789012:secret:"
    assert all(each.startswith(prefix) and each.endswith("-??????") for each in resources)
    return {each.removeprefix(prefix).removesuffix("-??????") for each in resources}


@pytest.mark.parametrize("name", NAMES)
def test_a_function_may_read_the_secrets_of_its_settings_and_no_other(name: str) -> None:
    needed = {secret_name("crm-relay/prod", group) for group in groups_of(settings_class(name)).values()}
    assert readable(name) == needed
    assert set(filter(None, named(name).split(","))) == needed


@pytest.mark.parametrize("name", NAMES)
def test_in_parameter_store_a_function_may_read_the_same_and_nothing_else(name: str) -> None:
    base = "ssm:/crm-relay/prod"
    template = SamTemplate.read(ROOT / "template.yaml", {"SecretName": base})
    properties = template.resources("AWS::Serverless::Function")[template.functions[name].logical_id]
    shared = [each["Ref"] for each in properties["Policies"] if "Ref" in each]
    policies = template.resources("AWS::IAM::ManagedPolicy")
    found = [one for each in shared for one in template.evaluate(policies[each]["PolicyDocument"]["Statement"])]
    assert not [each for each in found if "secretsmanager" in str(each)]
    prefix = "arn:aws:ssm:us-east-1:123456789012:parameter"
    allowed = {each["Resource"].removeprefix(prefix) for each in found if each["Action"] == "ssm:GetParameter"}
    needed = {secret_name(base, group) for group in groups_of(settings_class(name)).values()}
    assert {f"ssm:{each}" for each in allowed} == needed
    assert set(filter(None, template.environment(name, {}).get(SECRET_ID, "").split(","))) == needed


def named(name: str) -> str:
    return TEMPLATE.environment(name, {}).get(SECRET_ID, "")


@pytest.mark.parametrize("name", NAMES)
def test_a_function_is_given_no_variable_that_it_does_not_read(name: str) -> None:
    declared = {field.upper() for field in settings_class(name).model_fields}
    assert TEMPLATE.functions[name].environment.keys() - declared - OF_EVERY_FUNCTION <= {SECRET_ID}


def test_no_secret_stands_in_the_template() -> None:
    secret = secret_variables(NAMES)
    for name in NAMES:
        assert TEMPLATE.functions[name].environment.keys() & secret.keys() == set()


def test_every_setting_that_opens_something_lies_in_a_secret() -> None:
    fields = {field.upper() for name in NAMES for field in settings_class(name).model_fields}
    # The name of a key that stays where it is, and opens nothing by itself.
    opening = {field for field in fields if SECRET_WORDS.search(field)} - {"CONNECTION_KEY"}
    assert opening == secret_variables(NAMES).keys()


def test_who_may_read_what_opens_a_provider_or_our_own_api_or_the_tables() -> None:
    """Said once more in words: what a stranger can call has none of it."""
    readers: Mapping[SecretGroup, set[str]] = {
        group: {name for name in NAMES if secret_name("crm-relay/prod", group) in readable(name)}
        for group in SecretGroup
    }
    strangers_call = {"mautic_webhook", "bison_webhook", "resend_webhook", "mailchimp_webhook", "unsubscribe"}
    assert readers[SecretGroup.MIGRATION] == {"migrate"}
    assert readers[SecretGroup.ADMIN] == {"admin_api", "integration_sync", "mautic_sync"}
    assert readers[SecretGroup.WORKERS] & (strangers_call | {"admin_api", "migrate", "webhook_replay"}) == set()
    assert readers[SecretGroup.PUBLIC] >= strangers_call


def test_no_function_may_do_more_with_secrets_than_read_one() -> None:
    allowed = [TEMPLATE.evaluate(policy["PolicyDocument"]["Statement"]) for policy in POLICIES.values()]
    actions = {str(each["Action"]) for some in allowed for each in some}
    assert {each for each in actions if "secrets" in each} == {"secretsmanager:GetSecretValue"}
