"""Every built function with each of its sample events, under the real runtime client and from the build alone."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.samples.outcomes import deviation, read_outcomes
from crm_relay.platform.database import Database
from crm_relay.platform.settings import SECRET_ID
from crm_relay.webhooks.replay import list_deferred
from local.aws.local_aws import LocalAws
from local.build import layer_megabytes
from local.runtime.runtime_api import BuiltFunction
from tests.support.local.built_bundle import SECRET_BASE, TEMPLATE, as_deployed, event_of
from tests.support.source_tree import ROOT

OUTCOMES = read_outcomes()
CASES = sorted(OUTCOMES)

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the runtime client exists for Linux only"),
    pytest.mark.skipif(sys.version_info[:2] != (3, 13), reason="the build needs the Lambda runtime's own version"),
]


@pytest.fixture
def start(built: Path) -> Callable[[str, dict[str, str]], BuiltFunction]:
    def of(name: str, environment: dict[str, str]) -> BuiltFunction:
        base, others = environment[SECRET_BASE], {key: each for key, each in environment.items() if key != SECRET_ID}
        own = TEMPLATE.environment(name, {("SecretName", None): base})
        secrets = {key: each for key, each in own.items() if key == SECRET_ID}
        return BuiltFunction(TEMPLATE.functions[name], built / "bundle", built / "runtime", others | secrets)

    return of


StartFunction = Callable[[str, dict[str, str]], BuiltFunction]


@pytest.mark.parametrize("case", CASES)
def test_a_built_function_answers_its_sample_event(
    case: str, start: StartFunction, environment: dict[str, str], database: Database
) -> None:
    with start(case.partition("/")[0], environment) as function:
        outcome = function.invoke(event_of(case, environment, database))
    assert outcome.error is None, function.log.decode()
    assert deviation(outcome.response, OUTCOMES[case]) is None, outcome.response


def test_a_delivery_that_comes_again_in_a_warm_environment_changes_nothing(
    start: StartFunction, environment: dict[str, str], database: Database
) -> None:
    event = event_of("mautic_webhook/email_open", environment, database)
    with start("mautic_webhook", environment) as function:
        first, second = (json.loads(function.invoke(event).response["body"]) for _ in range(2))
    assert first["success"]
    assert second["success"]
    assert second["events_processed"] == 0


def test_deferred_deliveries_are_applied_and_dead_letters_kept(
    start: StartFunction, environment: dict[str, str], database: Database
) -> None:
    with start("webhook_replay", environment) as function:
        for case in ("deferred", "dead_letter"):
            assert function.invoke(event_of(f"webhook_replay/{case}", environment, database)).error is None
    assert len(list_deferred(database)) == 1


def test_every_migration_reaches_an_empty_database_from_the_layer(
    start: StartFunction, aws: LocalAws, empty_database_url: str
) -> None:
    expected = sorted(path.stem for path in (ROOT / "migrations").glob("*.sql"))
    with start("migrate", as_deployed(aws, empty_database_url, "http://127.0.0.1:1")) as function:
        foreseen = function.invoke({"dry_run": True}).response
        applied = function.invoke({}).response
        again = function.invoke({}).response
    assert (foreseen["applied"], applied["applied"], again["applied"]) == (expected, expected, [])


def test_the_bundle_ships_bytecode_and_nothing_that_the_runtime_has(built: Path) -> None:
    dependencies = built / "bundle" / "DependenciesLayer" / "python"
    assert list((dependencies / "pg8000" / "__pycache__").glob("*.pyc"))
    assert list((built / "bundle" / "SharedLayer").rglob("*.pyc"))
    assert not (dependencies / "boto3").exists()
    # Tokens are encrypted (PyNaCl, 1.5 MB) and numbers are read by their country (phonenumbers, 1.3 MB).
    assert layer_megabytes(built / "bundle") < 15
