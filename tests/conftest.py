"""One embedded PostgreSQL a run; each test that asks gets a database of its own, cloned from a migrated template."""

import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, settings

from crm_relay.platform.database import Database
from crm_relay.platform.errors import TransientError
from crm_relay.platform.logging import logger
from crm_relay.platform.migrations import migrate, read_migrations
from local.postgres import EmbeddedPostgres

ROOT = Path(__file__).parent.parent
# Nothing here depends on how fast the machine is. In CI the same examples each time: a build says something about its
# commit. At home and in `make torture` new ones.
settings.register_profile("home", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("home"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "home")
TEMPLATE = "template_migrated"
_SERVER = pytest.StashKey[EmbeddedPostgres]()


def pytest_configure(config: pytest.Config) -> None:
    """The first process starts the server; pytest-xdist's workers are told its address."""
    # Made here it writes to the stream of the whole run, not to one that ends with the test that logs first.
    logger()
    if hasattr(config, "workerinput"):
        return
    server = EmbeddedPostgres.start(durable=False)
    config.stash[_SERVER] = server
    server.execute(f"create database {TEMPLATE}")
    database = Database(server.url(TEMPLATE))
    migrate(database, read_migrations(ROOT / "migrations"))
    database.close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Called by pytest-xdist for every worker that it starts."""
    node.workerinput["postgres_url"] = node.config.stash[_SERVER].url()  # type: ignore[attr-defined]


def pytest_unconfigure(config: pytest.Config) -> None:
    """The server goes with the process that started it."""
    server = config.stash.get(_SERVER, None)
    if server is not None:
        server.stop()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What `make torture` leaves behind, for a look at it later: outcome and seconds of each trial, as JSON."""
    target = os.environ.get("TORTURE_REPORT")
    if target:
        trials = {
            report.nodeid: {"outcome": outcome, "seconds": round(report.duration, 2)}
            for outcome in ("passed", "failed")
            for report in terminalreporter.stats.get(outcome, ())
        }
        Path(target).parent.mkdir(exist_ok=True)
        Path(target).write_text(json.dumps(trials, indent=2), encoding="utf-8")


@pytest.fixture(autouse=True)
def environment_of_the_test() -> Iterator[None]:
    """What a test or the code under it sets in the process's environment ends with the test.

    Nor does a test see the name of a secret that a fixture of a whole module has set: it would be looked up in an AWS
    that may be gone. Who needs one sets it.
    """
    before = dict(os.environ)
    os.environ.pop("CRM_RELAY_SECRET_ID", None)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(scope="session")
def postgres_url(request: pytest.FixtureRequest) -> str:
    """The run's server, as its superuser."""
    workerinput = getattr(request.config, "workerinput", None)
    return str(workerinput["postgres_url"]) if workerinput else request.config.stash[_SERVER].url()


@pytest.fixture
def empty_database_url(postgres_url: str) -> Iterator[str]:
    """A new database without a single table."""
    with fresh_database(postgres_url, "template0") as url:
        yield url


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """A new database with the whole schema."""
    with fresh_database(postgres_url) as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open Database on a new database with the whole schema, as the superuser."""
    database = Database(database_url)
    yield database
    database.close()


def _clone(server: Database, name: str, template: str) -> None:
    """Again where the server's own vacuum is in the template at this moment."""
    for _ in range(20):
        with suppress(TransientError):
            return server.run_script(f"create database {name} template {template} strategy file_copy")
        time.sleep(0.05)
    return server.run_script(f"create database {name} template {template} strategy file_copy")


@contextmanager
def fresh_database(postgres_url: str, template: str = TEMPLATE) -> Iterator[str]:
    """The address of a new database, dropped at the end."""
    name = f"test_{secrets.token_hex(8)}"
    server = Database(postgres_url)
    _clone(server, name, template)
    yield urlsplit(postgres_url)._replace(path=f"/{name}").geturl()
    server.run_script(f"drop database {name} with (force)")
    server.close()
