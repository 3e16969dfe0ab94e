"""What is deployed: how long it takes to build, how big it is, and how long each function takes to start."""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from compileall import compile_dir
from dataclasses import replace
from pathlib import Path

from benchmarks.figures import Figure, Subject, median
from benchmarks.servers import ROOT, Servers
from local.build import build, layer_megabytes
from local.runtime.runtime_api import BuiltFunction, install_runtime
from local.stack import RECORDED_SECRET
from local.template.template import FunctionDefinition, SamTemplate
from tests.support.customers.mautic_hooks import delivery, http_event, opened

_BUILDS = 2
_STARTS = 15
_FLOOR = """
import pg8000.native
import pydantic
from aws_lambda_powertools import Logger, Metrics

def handler(event, context):
    return None
"""
_ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
_FIRST_ANSWER = "cold_start.mautic_webhook_first_answer_ms"


def _measure(servers: Servers) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="crm-relay-bench-") as folder:
        built, runtime = Path(folder, "bundle"), install_runtime(Path(folder, "runtime"))
        yield median("build.seconds", "s, not cached", [_build_seconds(built) for _ in range(_BUILDS)])
        yield Figure("bundle.layer_mb", layer_megabytes(built), "MB zipped", 1)
        for function in servers.template.functions.values():
            yield from _cold_start(servers, function, built, runtime)
        yield median(_FIRST_ANSWER, "ms to the first answer, secret included", _answers(servers, built, runtime))


def _build_seconds(target: Path) -> float:
    began = time.perf_counter()
    build(_ARCHITECTURES[os.uname().machine], target)
    return time.perf_counter() - began


def _cold_start(servers: Servers, function: FunctionDefinition, built: Path, runtime: Path) -> Iterator[Figure]:
    """From the start of the process until it asks for an event: all imports, no connection.

    Each start follows one of a function that imports Powertools, pg8000 and pydantic and does nothing.
    """
    floor = replace(function, handler=_write_floor(BuiltFunction(function, built, runtime, {}).mounted[0]))
    pairs = [_starts((floor, function), servers, built, runtime) for _ in range(_STARTS)]
    yield median(f"cold_start.{function.name}_ms", "ms to the first question", [own for _, own in pairs])
    ratio = statistics.median(own for _, own in pairs) / statistics.median(least for least, _ in pairs)
    yield Figure(f"cold_start.ratio_to_floor.{function.name}", ratio, "times its libraries alone", _STARTS)


def _starts(functions: Sequence[FunctionDefinition], servers: Servers, built: Path, runtime: Path) -> list[float]:
    times = []
    for each in functions:
        with BuiltFunction(each, built, runtime, servers.aws.environment) as started:
            times.append(started.cold_start_ms)
    return times


def _write_floor(folder: Path) -> str:
    """Into the build, compiled as the others are; the name of its handler."""
    package = folder / "libraries_alone"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").touch()
    (package / "handler.py").write_text(_FLOOR)
    compile_dir(package, quiet=1)
    return "libraries_alone.handler.handler"


def _answers(servers: Servers, built: Path, runtime: Path) -> Iterator[float]:
    """What somebody who is the first to call waits for our code: start, secret, database, effects."""
    definition = servers.template.functions["mautic_webhook"]
    with servers.database() as login:
        environment = _as_deployed(servers, login.url)
        for number in range(_STARTS):
            event = http_event(delivery(email_on_open=[opened(tracking=f"first-{number}")]))
            with BuiltFunction(definition, built, runtime, environment) as function:
                outcome = function.invoke(event)
            if outcome.error or outcome.response["statusCode"] != 200:
                raise RuntimeError(f"the delivery was refused: {outcome}")
            yield function.cold_start_ms + outcome.milliseconds


def _as_deployed(servers: Servers, database_url: str) -> dict[str, str]:
    """What is secret comes from the JSON secret in moto, the rest from the template."""
    name = "crm-relay/bench"
    secret = json.dumps({"DATABASE_URL": database_url, "MAUTIC_WEBHOOK_SECRET": RECORDED_SECRET})
    servers.aws.client("secretsmanager").create_secret(Name=name, SecretString=secret)
    return servers.aws.environment | {"CRM_RELAY_SECRET_ID": name}


def _names() -> Iterator[str]:
    yield from ("build.seconds", "bundle.layer_mb", _FIRST_ANSWER)
    for name in SamTemplate.read(ROOT / "template.yaml").functions:
        yield from (f"cold_start.{name}_ms", f"cold_start.ratio_to_floor.{name}")


SUBJECT = Subject(tuple(_names()), _measure, is_asked_by_its_beginning=True)
