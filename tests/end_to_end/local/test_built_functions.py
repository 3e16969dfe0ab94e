"""Every built function with each of its sample events, under the real runtime client and from the build alone."""

import fcntl
import json
import os
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from cli.samples.links import sample_link
from cli.samples.outcomes import EVENTS, deviation, read_outcomes
from cli.samples.prepare import SampleSettings, prepare_sample
from crm_relay.platform.aws.secret_groups import secret_name
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.settings import SECRET_ID, read_settings
from crm_relay.providers.mautic.vocabulary import HOOK_EVENTS
from crm_relay.webhooks.replay import list_deferred
from local.aws.local_aws import LocalAws
from local.build import build, layer_megabytes
from local.runtime.runtime_api import BuiltFunction, install_runtime
from local.simulated import SAMPLE_TOKEN
from local.simulators.bison import BisonSimulator
from local.simulators.mautic.simulator import MauticSimulator
from local.simulators.resend.state import new_secret
from local.template.secrets import secret_variables, split_by_secret
from local.template.template import SamTemplate

ROOT = Path(__file__).parents[3]
TEMPLATE = SamTemplate.read(ROOT / "template.yaml")
SECRET_BASE = "SECRET_BASE_OF_THIS_TEST"
"""In the environment of a test: what its secrets are called first. A function gets those that the template names."""
LINK_KEY = "a-key-of-links-with-32-characters"
SECRET = {
    "MAUTIC_CLIENT_ID": "crm-relay",
    "MAUTIC_CLIENT_SECRET": "simulator-secret",
    "MAUTIC_WEBHOOK_SECRET": "a-secret-of-this-test,another-one-of-it",
    "MAILCHIMP_WEBHOOK_KEY": "a-key-of-mailchimp-for-this-test",
    "MAILCHIMP_SIGNING_SECRETS": "a-signing-secret-of-this-test",
    "RESEND_WEBHOOK_SECRET": new_secret(),
    "UNSUBSCRIBE_LINK_KEY": LINK_KEY,
    "AIRTABLE_CLIENT_ID": "an-integration",
    "ADMIN_TOKEN": "an-admin-token-of-this-test-only",
}
OUTCOMES = read_outcomes()
CASES = sorted(OUTCOMES)

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the runtime client exists for Linux only"),
    pytest.mark.skipif(sys.version_info[:2] != (3, 13), reason="the build needs the Lambda runtime's own version"),
]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """(build output, runtime) under one folder, made once a run, whichever worker comes first."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "built"
    shared.mkdir(exist_ok=True)
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "done").exists():
            build("x86_64" if os.uname().machine == "x86_64" else "arm64", shared / "bundle")
            install_runtime(shared / "runtime")
            (shared / "done").touch()
    return shared


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalAws]:
    aws = LocalAws.start(TEMPLATE)
    yield aws
    aws.stop()


@pytest.fixture
def mautic() -> Iterator[MauticSimulator]:
    with MauticSimulator() as simulator:
        simulator.hook("http://127.0.0.1:9/webhooks/mautic", "a-secret-of-this-test", HOOK_EVENTS)
        yield simulator


@pytest.fixture
def bison() -> Iterator[BisonSimulator]:
    with BisonSimulator() as simulator:
        simulator.add_accounts(simulator.workspace("Northwind"), 20)
        yield simulator


def with_bison(environment: dict[str, str], bison: BisonSimulator) -> dict[str, str]:
    """Its settings, which in a deployment are the template's parameter and the secret's."""
    tokens = {each.name: each.token for each in bison.bison.workspaces.values()}
    doors = dict.fromkeys(tokens, SAMPLE_TOKEN)
    return environment | {
        "BISON_INSTANCE_URL": bison.url,
        "BISON_API_TOKENS": json.dumps(tokens),
        "BISON_WEBHOOK_TOKENS": json.dumps(doors),
    }


def as_deployed(aws: LocalAws, database_url: str, mautic_url: str) -> dict[str, str]:
    """What is secret comes from the JSON secret, the rest from the template."""
    secret = SECRET | {"DATABASE_URL": database_url, "MIGRATION_DATABASE_URL": database_url}
    name = f"crm-relay/{uuid.uuid4()}"
    for group, part in split_by_secret(secret, secret_variables(TEMPLATE.functions)).items():
        aws.client("secretsmanager").create_secret(Name=secret_name(name, group), SecretString=json.dumps(part))
    changed = {SECRET_BASE: name, "MAUTIC_URL": mautic_url, "MAUTIC_BATCH_PAUSE_SECONDS": "0"}
    return aws.environment | changed


@pytest.fixture
def environment(
    aws: LocalAws, mautic: MauticSimulator, bison: BisonSimulator, database_url: str, tmp_path: Path
) -> dict[str, str]:
    # What the template makes of itself: an address and a key that the lab does not have.
    public = {"PUBLIC_URL": "https://crm.example.com", "CONNECTION_KEY": f"file:{tmp_path / 'connection.key'}"}
    return with_bison(as_deployed(aws, database_url, mautic.url), bison) | public


def event_of(case: str, environment: Mapping[str, str], database: Database) -> Any:
    """The sample as `crm-relay invoke` prepares it for this run's settings."""
    event = json.loads((EVENTS / f"{case}.json").read_text())
    settings = read_settings(SampleSettings, SECRET | {n: v for n, v in environment.items() if n != SECRET_ID})
    return prepare_sample(event, settings, utc_now(), sample_link(database, [LINK_KEY], utc_now()))


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
