"""The Runtime API stand-in with the real runtime client, on bundles made by hand."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from local.runtime.runtime_api import BuiltFunction, RuntimeFailureError, install_runtime
from local.template.template import SamTemplate

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the runtime client exists for Linux only")

TEMPLATE = SamTemplate.read(Path(__file__).parents[3] / "template.yaml")
LAYERS = ("SharedLayer", "DependenciesLayer", "MigrationsLayer")
StartFunction = Callable[..., BuiltFunction]


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_runtime(tmp_path_factory.mktemp("runtime"))


@pytest.fixture
def function(tmp_path: Path, runtime: Path) -> Iterator[StartFunction]:
    """`function(source, **environment)` is a started function whose handler module is `source`."""
    code = tmp_path / "Migrate" / "probe"
    code.mkdir(parents=True)
    layer = "Properties: {{ContentUri: {}}}".format
    resources = ["  Migrate: {Properties: {CodeUri: Migrate}}"]
    for name in LAYERS:
        (tmp_path / name).mkdir()
        resources.append(f"  {name}: {{{layer(name)}}}")
    (tmp_path / "template.yaml").write_text("Resources:\n" + "\n".join(resources))
    running: list[BuiltFunction] = []

    def start(source: str, **environment: str) -> BuiltFunction:
        (code / "handler.py").write_text(source)
        definition = replace(TEMPLATE.functions["migrate"], handler="probe.handler.handler", timeout=5)
        running.append(BuiltFunction(definition, tmp_path, runtime, environment))
        return running[-1].__enter__()

    yield start
    for one in running:
        one.close()


def test_an_event_comes_back_through_the_handler(function: StartFunction) -> None:
    probe = function("def handler(event, context): return [event, context.function_name]")
    outcome = probe.invoke({"name": "ö"})
    assert (outcome.response, outcome.error) == ([{"name": "ö"}, "migrate"], None)
    assert probe.cold_start_ms > 0


def test_an_environment_serves_many_events_and_survives_an_exception(function: StartFunction) -> None:
    probe = function(
        "count = 0\n"
        "def handler(event, context):\n"
        "    global count; count += 1\n"
        "    if event: raise LookupError('not there')\n"
        "    return count\n"
    )
    outcomes = [probe.invoke(event) for event in ({}, {"fail": True}, {})]
    assert [one.response for one in outcomes] == [1, None, 3]
    assert outcomes[1].error
    assert outcomes[1].error["errorType"] == "LookupError"


def test_only_the_bundle_and_the_runtime_can_be_imported(function: StartFunction) -> None:
    probe = function(
        "import importlib.util, boto3\n"
        "def handler(event, context): return [n for n in event if importlib.util.find_spec(n)]\n"
    )
    assert probe.invoke(["boto3", "json", "pytest", "pg8000", "crm_relay", "local"]).response == ["boto3", "json"]


def test_a_path_under_opt_leads_into_the_layer(function: StartFunction, tmp_path: Path) -> None:
    (tmp_path / "MigrationsLayer" / "migrations").mkdir()
    probe = function(
        "import os\ndef handler(event, context): return os.path.isdir(os.environ['MIGRATIONS_FOLDER'])",
        MIGRATIONS_FOLDER="/opt/migrations",
    )
    assert probe.invoke({}).response is True


def test_a_module_that_cannot_be_imported_does_not_start(function: StartFunction) -> None:
    with pytest.raises(RuntimeFailureError, match="No module named 'nowhere'"):
        function("import nowhere")


def test_a_process_that_dies_is_told(function: StartFunction) -> None:
    probe = function("import os\ndef handler(event, context): os._exit(1)")
    with pytest.raises(RuntimeFailureError, match="gave no answer"):
        probe.invoke({})
