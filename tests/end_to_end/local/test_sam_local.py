"""What can be known of `sam local invoke` without a container: SAM itself says what it would mount and pass on."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cli.samples.outcomes import deviation, read_outcomes
from crm_relay.platform.database import Database
from crm_relay.platform.settings import SECRET_ID, read_settings
from local.runtime.runtime_api import BuiltFunction
from local.sam.bridge import bridge
from local.sam.environment import (
    container_environment,
    ports_of,
    variables_of,
    write_environment,
    write_local_template,
)
from local.template.secrets import settings_class
from tests.support.local import as_sam_sees
from tests.support.local.built_bundle import SECRET, SECRET_BASE, TEMPLATE, event_of
from tests.support.source_tree import ROOT

SAM_PYTHON = ROOT / ".venv-sam" / "bin" / "python"
CONTAINERS_SEE = "127.0.0.2"  # an address of this machine at which nothing of the stack listens
FUNCTIONS = sorted(TEMPLATE.functions)

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the runtime client exists for Linux only"),
    pytest.mark.skipif(sys.version_info[:2] != (3, 13), reason="the build needs the Lambda runtime's own version"),
]


def all_variables() -> dict[str, str]:
    """A value of its own for each variable that any function reads."""
    names = {name for each in TEMPLATE.functions.values() for name in variables_of(each)}
    return {name: f"value of {name}" for name in sorted(names)}


def test_sam_passes_on_every_variable_and_mounts_the_build_that_the_runtime_test_runs(
    built: Path, tmp_path: Path
) -> None:
    key = f"file:{tmp_path / 'connection.key'}"
    known, bundle, variables = all_variables() | {"CONNECTION_KEY": key}, built / "bundle", tmp_path / "env.json"
    environment = container_environment(TEMPLATE, known, "host.docker.internal", ROOT / "shared")
    write_environment(variables, environment)
    template = write_local_template(TEMPLATE, bundle, environment, key)

    done = subprocess.run(
        [SAM_PYTHON, as_sam_sees.__file__, template, variables], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    seen, of_key = json.loads(done.stdout), bundle / "connection-key"
    assert (of_key / "connection.key").read_bytes() == (tmp_path / "connection.key").read_bytes()
    assert len(seen) == len(FUNCTIONS)
    assert variables.stat().st_mode & 0o077 == 0
    for name in FUNCTIONS:
        definition = TEMPLATE.functions[name]
        found = seen[definition.logical_id]
        directory, layers = BuiltFunction(definition, bundle, built / "runtime", {}).mounted
        mounted = [Path(each) for each in found["layers"]]
        assert (Path(found["code"]), [each for each in mounted if each != of_key]) == (directory, layers)
        assert (of_key in mounted) == ("connection_key" in settings_class(name).model_fields)
        machine = "x86_64" if os.uname().machine == "x86_64" else "arm64"
        assert found["runtime"] == ["python3.13", machine, definition.handler, definition.memory, definition.timeout]
        settings = {each.upper() for each in settings_class(name).model_fields}
        for variable in (settings | definition.environment.keys()) - {SECRET_ID, "CONNECTION_KEY"}:
            assert found["variables"][variable] == known[variable], (name, variable)


@pytest.fixture
def in_container(environment: dict[str, str], database_url: str) -> Iterator[dict[str, dict[str, str]]]:
    """Logical id -> what a container gets, which reaches the stack by the bridge alone."""
    whole = {name: value for name, value in environment.items() if name not in {SECRET_BASE, SECRET_ID}}
    known = whole | SECRET | {"DATABASE_URL": database_url, "MIGRATION_DATABASE_URL": database_url}
    variables = container_environment(TEMPLATE, known, CONTAINERS_SEE, ROOT / "shared")
    with bridged(ports_of(variables, CONTAINERS_SEE)):
        yield variables


@contextmanager
def bridged(ports: set[int]) -> Iterator[None]:
    """The bridge, in a thread of its own."""
    loop, open_now, ended = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def keep() -> None:
        async with bridge(CONTAINERS_SEE, ports):
            open_now.set()
            await ended.wait()

    thread = threading.Thread(target=run, args=[loop, keep], daemon=True)
    thread.start()
    assert open_now.wait(10)
    yield
    loop.call_soon_threadsafe(ended.set)
    thread.join(10)


def run(loop: asyncio.AbstractEventLoop, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    loop.run_until_complete(work())
    loop.close()


def test_every_function_finds_the_settings_that_it_cannot_do_without(
    in_container: dict[str, dict[str, str]],
) -> None:
    for name in FUNCTIONS:
        read_settings(settings_class(name), in_container[TEMPLATE.functions[name].logical_id])
    texts = json.dumps(in_container)
    assert "127.0.0.1" not in texts
    assert "file:/opt/connection.key" in texts


@pytest.mark.parametrize(
    "case", ["resend_webhook/delivered", "unsubscribe/page", "mautic_sync/full", "cache_sync/to_cache"]
)
def test_a_built_function_reaches_the_stack_as_a_container_does(
    case: str, built: Path, in_container: dict[str, dict[str, str]], environment: dict[str, str], database: Database
) -> None:
    definition = TEMPLATE.functions[case.partition("/")[0]]
    variables = in_container[definition.logical_id]
    with BuiltFunction(definition, built / "bundle", built / "runtime", variables) as function:
        outcome = function.invoke(event_of(case, environment, database))
    assert outcome.error is None, function.log.decode()
    assert deviation(outcome.response, read_outcomes()[case]) is None


def test_the_address_of_a_database_says_that_it_has_no_tls_where_loopback_needed_none() -> None:
    known = {
        "DATABASE_URL": "postgresql://crm_relay:secret@127.0.0.1:5432/crm",
        "MIGRATION_DATABASE_URL": "postgresql://postgres:secret@db.example.com:5432/crm",
        "DATABASE_CA_FILE": "shared/certificates/prod-ca-2021.crt",
        "MAUTIC_URL": "http://localhost:8080",
    }
    seen = container_environment(TEMPLATE, known, "host.docker.internal", ROOT / "shared")
    assert seen["Migrate"] == {
        "DATABASE_CA_FILE": "/opt/python/certificates/prod-ca-2021.crt",
        "DATABASE_URL": "postgresql://crm_relay:secret@host.docker.internal:5432/crm?sslmode=disable",
        "MIGRATION_DATABASE_URL": "postgresql://postgres:secret@db.example.com:5432/crm",
    }
    assert seen["MauticSync"]["MAUTIC_URL"] == "http://host.docker.internal:8080"
