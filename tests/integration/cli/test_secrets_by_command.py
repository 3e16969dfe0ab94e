"""crm-relay secret write: one file of variables becomes the secrets that functions may read."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from admin_api.settings import Settings as AdminSettings
from cli.doctor.secrets import examine_secrets
from cli.main import app
from crm_relay.platform.aws.queue import aws_client
from crm_relay.platform.aws.secret_groups import SecretGroup, secret_name
from crm_relay.platform.errors import FatalError, TransientError
from crm_relay.platform.settings import SettingsModel, read_settings
from local.aws.moto_server import MotoServer
from migrate.settings import Settings as MigrateSettings
from tests.support.function_settings import NOWHERE, WITHOUT_AWS

BASE = "crm-relay/test"
EVERYTHING = {
    "DATABASE_URL": "postgresql://crm_relay@db.example.com/postgres",
    "MIGRATION_DATABASE_URL": "postgresql://postgres@db.example.com/postgres",
    "MAUTIC_WEBHOOK_SECRET": "a-secret-of-mautics-webhook",
    "RESEND_API_KEY": "re_123456",
    "BISON_WEBHOOK_TOKENS": {"Northwind": "northwind-token-0001-of-32-letters"},
    "ADMIN_TOKEN": "an-admin-token-of-thirty-two-letters",
}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Its Secrets Manager; moto keeps one state for the process, other tests' too."""
    server = MotoServer()
    server.start()
    for name, value in (WITHOUT_AWS | {"AWS_ENDPOINT_URL": server.url}).items():
        monkeypatch.setenv(name, value)
    aws_client.cache_clear()
    client = aws_client("secretsmanager")
    remove_all(client)
    yield client
    remove_all(client)
    server.stop()
    aws_client.cache_clear()


def remove_all(client: Any) -> None:
    """Page by page: tests of built functions leave hundreds."""
    pages = client.get_paginator("list_secrets").paginate()
    for each in [secret for page in pages for secret in page["SecretList"]]:
        client.delete_secret(SecretId=each["Name"], ForceDeleteWithoutRecovery=True)


def content(aws: Any, group: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(aws.get_secret_value(SecretId=f"{BASE}/{group}")["SecretString"])
    return found


def write(*options: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["secret", "write", BASE, *options])
    return done.exit_code, done.output


def file_with(folder: Path, variables: object) -> str:
    path = folder / "secret.json"
    path.write_text(json.dumps(variables), encoding="utf-8")
    return str(path)


def test_each_variable_goes_where_its_readers_look(aws: Any, tmp_path: Path) -> None:
    code, said = write("--file", file_with(tmp_path, EVERYTHING), "--json")
    assert code == 0
    assert {each["secret"]: (each["change"], each["variables"]) for each in json.loads(said)} == {
        f"{BASE}/database": ("created", ["DATABASE_URL"]),
        f"{BASE}/public": ("created", ["BISON_WEBHOOK_TOKENS", "MAUTIC_WEBHOOK_SECRET"]),
        f"{BASE}/workers": ("created", ["RESEND_API_KEY"]),
        f"{BASE}/admin": ("created", ["ADMIN_TOKEN"]),
        f"{BASE}/migration": ("created", ["MIGRATION_DATABASE_URL"]),
    }
    assert {name: value for group in SecretGroup for name, value in content(aws, group).items()} == EVERYTHING
    assert not any(str(value) in said for value in EVERYTHING.values())


def test_the_one_secret_of_before_is_split_and_left_as_it_is(aws: Any) -> None:
    aws.create_secret(Name=BASE, SecretString=json.dumps(EVERYTHING))
    assert write("--from-secret", BASE, "--dry-run")[0] == 1
    assert [each["Name"] for each in aws.list_secrets()["SecretList"]] == [BASE]
    assert write("--from-secret", BASE)[0] == 0
    assert content(aws, "admin") == {"ADMIN_TOKEN": EVERYTHING["ADMIN_TOKEN"]}
    assert json.loads(aws.get_secret_value(SecretId=BASE)["SecretString"]) == EVERYTHING
    assert write("--from-secret", BASE, "--dry-run")[0] == 0


def test_what_is_not_given_stays_and_what_is_null_goes(aws: Any, tmp_path: Path) -> None:
    write("--file", file_with(tmp_path, EVERYTHING))
    rotated = {"MAUTIC_WEBHOOK_SECRET": "a-newer-one-of-mautics,a-secret-of-mautics-webhook", "RESEND_API_KEY": None}
    code, said = write("--file", file_with(tmp_path, rotated), "--json")
    changes = {each["secret"].rpartition("/")[2]: each["change"] for each in json.loads(said)}
    assert (code, changes) == (
        0,
        {
            "database": "unchanged",
            "public": "changed",
            "workers": "changed",
            "admin": "unchanged",
            "migration": "unchanged",
        },
    )
    assert content(aws, "public") == {
        "BISON_WEBHOOK_TOKENS": EVERYTHING["BISON_WEBHOOK_TOKENS"],
        "MAUTIC_WEBHOOK_SECRET": rotated["MAUTIC_WEBHOOK_SECRET"],
    }
    assert content(aws, "workers") == {}


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    "variables", [{"ADMIN_TOKN": "secret words"}, {"TWILIO_FROM": "secret words"}, ["secret words"]]
)
def test_what_no_function_reads_from_a_secret_is_refused_by_its_name(
    aws: Any, tmp_path: Path, variables: object
) -> None:
    code, said = write("--file", file_with(tmp_path, variables))
    assert code == 2
    assert "secret words" not in said
    assert not isinstance(variables, dict) or next(iter(variables)) in said
    assert aws.list_secrets()["SecretList"] == []


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("options", [(), ("--file", "nowhere.json"), ("--from-secret", "nobody/has-it")])
def test_without_variables_nothing_is_written(options: tuple[str, ...]) -> None:
    assert write(*options)[0] == 2


@pytest.mark.usefixtures("aws")
def test_secrets_are_a_deployments_also_while_a_stack_runs_here(
    aws: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.console.running_stack", lambda: {"environment": {"AWS_ENDPOINT_URL": NOWHERE}})
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", aws.meta.endpoint_url)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    aws_client.cache_clear()
    assert write("--file", file_with(tmp_path, EVERYTHING))[0] == 0
    assert "AWS_ENDPOINT_URL" not in os.environ
    assert content(aws, "admin")


def read(kind: type[SettingsModel], *groups: SecretGroup, **environment: str) -> Any:
    names = ", ".join(secret_name(BASE, group) for group in groups)
    return read_settings(kind, {"CRM_RELAY_SECRET_ID": names} | environment)


ADMIN_NEEDS = {
    "INTEGRITY_ORDERS_QUEUE_URL": "x",
    "DEFERRED_QUEUE_URL": "x",
    "OVERSIZE_BUCKET": "x",
}


@pytest.mark.usefixtures("aws")
def test_a_function_reads_all_its_secrets_and_says_which_one_it_cannot_read(tmp_path: Path) -> None:
    from aws_lambda_powertools.utilities import parameters

    parameters.clear_caches()  # type: ignore[no-untyped-call]
    write("--file", file_with(tmp_path, EVERYTHING))
    settings = read(AdminSettings, SecretGroup.DATABASE, SecretGroup.ADMIN, **ADMIN_NEEDS)
    assert (settings.database_url, settings.admin_token) == (EVERYTHING["DATABASE_URL"], EVERYTHING["ADMIN_TOKEN"])
    assert read(MigrateSettings, SecretGroup.DATABASE).migration_database_url is None
    with pytest.raises(FatalError, match="DATABASE_URL: is not set"):
        read(MigrateSettings, SecretGroup.MIGRATION)
    with pytest.raises(TransientError, match="secret 2 of those named by CRM_RELAY_SECRET_ID cannot be read"):
        read_settings(MigrateSettings, {"CRM_RELAY_SECRET_ID": f"{BASE}/database,{BASE}/nothing"})
    parameters.clear_caches()  # type: ignore[no-untyped-call]


def test_the_doctor_names_what_lies_where_more_may_read_it_than_need_it(
    aws: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("--file", file_with(tmp_path, EVERYTHING))
    aws.create_secret(Name=BASE, SecretString=json.dumps(EVERYTHING))
    aws.put_secret_value(SecretId=f"{BASE}/public", SecretString=json.dumps({"ADMIN_TOKEN": "secret words"}))
    names = [f"{BASE}/database", f"{BASE}/public", BASE, f"{BASE}/nothing"]
    monkeypatch.setenv("CRM_RELAY_SECRET_ID", ",".join(names))
    found = [(each.verdict, each.found) for each in examine_secrets()]
    assert found[:2] == [("good", "1 variables"), ("wrong", "does not belong here: ADMIN_TOKEN")]
    assert [verdict for verdict, _ in found[2:]] == ["wrong", "wrong"]
    assert "crm-relay secret write" in found[2][1]
    monkeypatch.delenv("CRM_RELAY_SECRET_ID")
    assert list(examine_secrets()) == []


class DatabaseAndAdmin(SettingsModel):
    """What lies in two of the five."""

    database_url: str
    admin_token: str


def test_parameters_take_the_place_of_secrets(aws: Any, tmp_path: Path) -> None:
    base, file = f"ssm:/{BASE}", tmp_path / "secret.json"
    file.write_text(json.dumps(EVERYTHING))

    first, again = (CliRunner().invoke(app, ["secret", "write", base, "--file", str(file), "--json"]) for _ in range(2))

    assert (first.exit_code, {each["change"] for each in json.loads(first.stdout)}) == (0, {"created"})
    assert {each["change"] for each in json.loads(again.stdout)} == {"unchanged"}
    kept = aws_client("ssm").get_parameter(Name=f"/{BASE}/admin")["Parameter"]
    assert (kept["Type"], kept["Value"].startswith("kms:alias/aws/ssm:")) == ("SecureString", True)
    names = ",".join(secret_name(base, group) for group in (SecretGroup.DATABASE, SecretGroup.ADMIN))
    settings = read_settings(DatabaseAndAdmin, {"CRM_RELAY_SECRET_ID": names})
    assert (settings.database_url, settings.admin_token) == (EVERYTHING["DATABASE_URL"], EVERYTHING["ADMIN_TOKEN"])
    assert aws.list_secrets()["SecretList"] == []
