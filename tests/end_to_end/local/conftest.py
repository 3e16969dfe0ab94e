"""The built bundle, and the settings of a deployment in which its functions run."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_relay.providers.mautic.vocabulary import HOOK_EVENTS
from local.aws.local_aws import LocalAws
from local.build import build
from local.runtime.runtime_api import install_runtime
from local.simulators.bison import BisonSimulator
from local.simulators.mautic.simulator import MauticSimulator
from tests.support.local.built_bundle import TEMPLATE, as_deployed, with_bison


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


@pytest.fixture
def environment(
    aws: LocalAws, mautic: MauticSimulator, bison: BisonSimulator, database_url: str, tmp_path: Path
) -> dict[str, str]:
    # What the template makes of itself: an address and a key that the lab does not have.
    public = {"PUBLIC_URL": "https://crm.example.com", "CONNECTION_KEY": f"file:{tmp_path / 'connection.key'}"}
    return with_bison(as_deployed(aws, database_url, mautic.url), bison) | public
