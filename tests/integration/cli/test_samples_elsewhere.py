"""Samples are never run as a whole on a database that is not the local stack's."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from crm_relay.platform.database import Database
from tests.support.platform.rows import rows_of

ELSEWHERE = "postgresql://127.0.0.1:1/of_the_stack"
SETTINGS = {
    "ADMIN_TOKEN": "an-admin-token-of-32-characters!",
    "INTEGRITY_ORDERS_QUEUE_URL": "http://127.0.0.1:1/1/orders",
    "DEFERRED_QUEUE_URL": "http://127.0.0.1:1/1/deferred",
    "OVERSIZE_BUCKET": "nowhere",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_MAX_ATTEMPTS": "1",
}


def run_samples(*arguments: str) -> tuple[int, str]:
    """Exit status and what is said of it."""
    done = CliRunner().invoke(app, ["invoke", "admin_api", "--samples", *arguments])
    return done.exit_code, done.stderr


@pytest.mark.parametrize("stack", [None, {"owns_database": True, "environment": {"DATABASE_URL": ELSEWHERE}}])
def test_samples_leave_the_database_of_an_env_file_alone(
    database: Database,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stack: dict[str, object] | None,
) -> None:
    monkeypatch.setattr("cli.samples.invoke.running_stack", lambda: stack)
    file = tmp_path / "prod.env"
    settings = {**SETTINGS, "DATABASE_URL": database_url}
    file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    for name in settings:
        monkeypatch.setenv(name, "")  # put back afterwards: the command fills the process's environment

    code, said = run_samples("--env-file", str(file))

    assert rows_of(database, "select name from campaigns") == []
    assert (code, "--event" in said) == (2, True)


def test_samples_leave_the_operators_own_database_under_a_stack_alone(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = {"owns_database": False, "database_url": database_url, "environment": {"DATABASE_URL": database_url}}
    monkeypatch.setattr("cli.samples.invoke.running_stack", lambda: stack)
    for name, value in {**SETTINGS, "DATABASE_URL": database_url}.items():
        monkeypatch.setenv(name, value)

    code, said = run_samples()

    assert rows_of(database, "select name from campaigns") == []
    assert (code, "--event" in said) == (2, True)
