"""The fault tests use the harness of the integration tests."""

from collections.abc import Iterator

import pytest

from crm_relay.platform.aws.queue import aws_client
from local.aws.local_aws import LocalAws
from local.template.template import SamTemplate
from tests.conftest import ROOT
from tests.integration.conftest import harness

__all__ = ["harness"]


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    """moto with the resources of template.yaml."""
    aws = LocalAws.start(SamTemplate.read(ROOT / "template.yaml"))
    yield aws
    aws.stop()


@pytest.fixture
def aws_environment(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The environment that the functions would have, set for this test."""
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    aws_client.cache_clear()
    yield aws.environment
    aws_client.cache_clear()


@pytest.fixture
def coordination_table(aws_environment: dict[str, str]) -> str:
    """The DynamoDB table of leases, on moto."""
    return aws_environment["COORDINATION_TABLE"]
