"""Nobody waits again and again for a database that is away; and while it is there, nothing of this costs anything."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from crm_relay.platform.aws.circuit import DatabaseCircuit
from crm_relay.platform.database import Database
from crm_relay.platform.errors import TransientError
from mautic_webhook import wiring as webhook_wiring
from tests.support.customers.mautic_hooks import delivery, opened, recorded
from tests.support.customers.mautic_webhook_function import ENVIRONMENT, deliver
from tests.support.function_settings import NOWHERE
from tests.support.platform.aws_of_a_test import Aws, Silent, running_aws

AWAY = "postgresql://nobody:secret@127.0.0.1:9/crm"
EMAIL = "hook.one@example.com"
UNSUBSCRIBE = recorded("97_hook_unsubscribe_get__lead_channel_subscription_changed").body
DEFERRED = {"status": 202, "success": True, "deferred": True}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """The queue, the bucket and the table of this test."""
    with running_aws(monkeypatch) as running:
        yield running


def test_after_two_failures_nobody_waits_for_the_database_any_more(
    database: Database, database_url: str, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Silent() as silent:
        aws.configure(f"postgresql://nobody:secret@127.0.0.1:{silent.port}/crm")
        monkeypatch.setattr(webhook_wiring, "DATABASE_SECONDS", 0.3)
        webhook_wiring.installation.forget()
        for number in range(4):
            assert deliver(delivery(email_on_open=[opened(tracking=f"t{number}")])) == DEFERRED
        assert silent.connections == 2
        assert aws.circuit() == "OPEN"
    # In another environment as well, once it has met the failure itself.
    aws.configure(AWAY)
    assert deliver(delivery(email_on_open=[opened(tracking="t5")])) == DEFERRED
    assert len(aws.messages()) == 5


def test_the_circuit_closes_again_by_itself(database_url: str, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.configure(database_url)
    circuit, calls = DatabaseCircuit(aws.name, name="closes", seconds_open=1), []

    def work(*, fails: bool) -> str:
        calls.append(fails)
        if fails:
            raise TransientError("away")
        return "done"

    for _ in range(3):
        with pytest.raises(TransientError):
            circuit.call(lambda: work(fails=True))
    assert calls == [True, True]
    time.sleep(2.1)
    assert [circuit.call(lambda: work(fails=False)) for _ in range(3)] == ["done"] * 3
    assert aws.circuit() == "CLOSED"


def test_one_success_ends_the_watching(aws: Aws) -> None:
    aws.configure(AWAY)
    circuit = DatabaseCircuit(aws.name, name="watched")
    with pytest.raises(TransientError):
        circuit.call(_fails)
    assert circuit._guard is not None
    assert circuit.call(lambda: "done") == "done"
    assert circuit._guard is None


def _fails() -> None:
    raise TransientError("away")


def test_a_webhook_survives_dynamodb_being_away(
    database: Database, database_url: str, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.configure(AWAY, AWS_ENDPOINT_URL_DYNAMODB=NOWHERE)
    for number in range(4):
        assert deliver(delivery(email_on_open=[opened(tracking=f"t{number}")])) == DEFERRED
    monkeypatch.setenv("DATABASE_URL", database_url)
    webhook_wiring.installation.forget()
    assert deliver(UNSUBSCRIBE)["status"] == 200


def test_the_healthy_path_knows_nothing_of_aws(database_url: str) -> None:
    program = """
import json, os, sys
from mautic_webhook.handler import handler
from tests.support.customers.mautic_hooks import delivery, http_event, opened
answers = [handler(http_event(delivery(email_on_open=[opened(tracking=str(n))])), None)["statusCode"] for n in range(3)]
print(json.dumps([answers, sorted({"boto3", "botocore.session"} & set(sys.modules))]))
"""
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **ENVIRONMENT, "DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(run.stdout.splitlines()[-1]) == [[200, 200, 200], []]
