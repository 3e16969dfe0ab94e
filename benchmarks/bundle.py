"""What is deployed: how long it takes to build, how big it is, and how long each function takes to start."""

import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, Subject, median
from benchmarks.servers import ROOT, Servers
from local.build import build, layer_megabytes
from local.runtime.runtime_api import BuiltFunction, install_runtime
from local.stack import RECORDED_SECRET
from local.template.template import SamTemplate
from tests.support.customers.mautic_hooks import delivery, http_event, opened

_BUILDS = 2
_STARTS = 7
_ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
_FIRST_ANSWER = "cold_start.mautic_webhook_first_answer_ms"


def _measure(servers: Servers) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="crm-relay-bench-") as folder:
        built, runtime = Path(folder, "bundle"), install_runtime(Path(folder, "runtime"))
        yield median("build.seconds", "s, not cached", [_build_seconds(built) for _ in range(_BUILDS)])
        yield Figure("bundle.layer_mb", layer_megabytes(built), "MB zipped", 1)
        for name in servers.template.functions:
            yield median(f"cold_start.{name}_ms", "ms to the first question", _starts(servers, name, built, runtime))
        yield median(_FIRST_ANSWER, "ms to the first answer, secret included", _answers(servers, built, runtime))


def _build_seconds(target: Path) -> float:
    began = time.perf_counter()
    build(_ARCHITECTURES[os.uname().machine], target)
    return time.perf_counter() - began


def _starts(servers: Servers, name: str, built: Path, runtime: Path) -> Iterator[float]:
    """From the start of the process until it asks for an event: all imports, no connection."""
    definition = servers.template.functions[name]
    for _ in range(_STARTS):
        with BuiltFunction(definition, built, runtime, servers.aws.environment) as function:
            yield function.cold_start_ms


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
    yield from (f"cold_start.{name}_ms" for name in SamTemplate.read(ROOT / "template.yaml").functions)


SUBJECT = Subject(tuple(_names()), _measure, is_asked_by_its_beginning=True)
