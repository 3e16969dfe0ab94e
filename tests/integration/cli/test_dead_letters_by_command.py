"""crm-relay dead-letter: rounds that were given up are shown, started again once, or taken away."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from crm_relay.operations.dead_letters import GivenUpRounds, read_round
from crm_relay.platform.aws import queue as queue_module
from crm_relay.platform.aws.queue import QueueMessage, aws_client, queue_state
from local.aws.moto_server import MotoServer, client_of
from tests.support.function_settings import WITHOUT_AWS

ARN = "arn:aws:lambda:us-east-1:123456789012:function:crm-relay-prod-"
NIGHT = {"schedule": "integrity_check.EveryNight", "fix": True, "full": True}
SECRET_WORDS = "ana@example.com is not a number"


def failed(payload: dict[str, Any], function: str = "IntegrityCheck-1A2B") -> str:
    """Lambda's record of an invocation that failed twice."""
    return json.dumps(
        {
            "version": "1.0",
            "timestamp": "2026-11-30T03:15:00.000Z",
            "requestContext": {
                "requestId": "e4b46cbf-b738-4d5a-8880-a18cdf61200e",
                "functionArn": f"{ARN}{function}:$LATEST",
                "condition": "RetriesExhausted",
                "approximateInvokeCount": 2,
            },
            "requestPayload": payload,
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "responsePayload": {"errorMessage": SECRET_WORDS, "errorType": "FatalError", "stackTrace": []},
        }
    )


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Empty, in a moto of this test; commands find it by their setting."""
    server = MotoServer()
    server.start()
    sqs = client_of(server.url, "sqs")
    url: str = sqs.create_queue(QueueName="schedule-dead-letters")["QueueUrl"]
    settings = WITHOUT_AWS | {"AWS_ENDPOINT_URL": server.url, "SCHEDULE_DEAD_LETTER_QUEUE_URL": url}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(queue_module, "_LOOK_SECONDS", 0)
    aws_client.cache_clear()
    yield url
    sqs.delete_queue(QueueUrl=url)
    server.stop()
    aws_client.cache_clear()


def put(queue: str, *bodies: str) -> None:
    for body in bodies:
        aws_client("sqs").send_message(QueueUrl=queue, MessageBody=body)


def put_not_started(queue: str, payload: dict[str, Any], function: str = "MauticSync-3C4D") -> None:
    """What EventBridge Scheduler leaves: the schedule's input and its attributes."""
    attributes = {
        "ERROR_CODE": "AccessDeniedException",
        "ERROR_MESSAGE": SECRET_WORDS,
        "SCHEDULE_ARN": "arn:aws:scheduler:us-east-1:123456789012:schedule/default/crm-relay-prod-1",
        "TARGET_ARN": ARN + function,
        "RETRY_ATTEMPTS": "2",
    }
    given = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
    aws_client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(payload), MessageAttributes=given)


@pytest.fixture
def invoked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Functions that were started; moto would need images of them."""
    found: list[tuple[str, dict[str, Any]]] = []

    def call(service: str, operation: str, **arguments: Any) -> Any:
        assert (service, operation, arguments["InvocationType"]) == ("lambda", "invoke", "Event")
        found.append((arguments["FunctionName"], json.loads(arguments["Payload"])))

    monkeypatch.setattr("crm_relay.operations.dead_letters.aws_call", call)
    return found


def run(*arguments: str) -> tuple[int, Any]:
    done = CliRunner().invoke(app, ["dead-letter", *arguments, "--json"])
    assert SECRET_WORDS not in done.output
    return done.exit_code, json.loads(done.stdout)


def waiting(queue: str) -> int:
    state = queue_state(queue)
    assert state.in_flight == 0, "what was looked at is visible again"
    return state.waiting


def test_an_empty_queue_is_good(queue: str) -> None:
    assert run("list") == (0, [])
    assert waiting(queue) == 0


def test_each_round_is_listed_with_its_reason_and_stays(queue: str) -> None:
    put(queue, failed(NIGHT), "no JSON", '{"requestContext": 1}')
    put_not_started(queue, {"schedule": "mautic_sync.EveryQuarterHour"})
    code, rows = run("list")
    assert code == 1
    found = {(each["schedule"], each["function"], each["outcome"], each["reason"]) for each in rows}
    assert found == {
        ("integrity_check.EveryNight", "crm-relay-prod-IntegrityCheck-1A2B", "failed", "FatalError"),
        ("mautic_sync.EveryQuarterHour", "crm-relay-prod-MauticSync-3C4D", "not started", "AccessDeniedException"),
        ("", "", "unreadable", ""),
    }
    assert len(rows) == 4
    assert all(each["at"] for each in rows)
    assert waiting(queue) == 4
    assert [each["schedule"] for each in run("list", "--schedule", "integrity_check.EveryNight")[1]] == [
        NIGHT["schedule"]
    ]


def test_a_round_that_was_given_up_often_is_started_once(queue: str, invoked: list[tuple[str, dict[str, Any]]]) -> None:
    put(queue, failed(NIGHT), failed(NIGHT), "no JSON")
    put_not_started(queue, NIGHT, "IntegrityCheck-1A2B")
    put_not_started(queue, {"schedule": "mautic_sync.EveryNight", "full": True})
    code, done = run("replay", "--schedule", "integrity_check.EveryNight")
    assert (code, done) == (1, {"messages": 3, "left": 2, "started": ["integrity_check.EveryNight"]})
    assert invoked == [(ARN + "IntegrityCheck-1A2B", NIGHT)]
    assert waiting(queue) == 2
    code, done = run("replay")
    assert (code, done["started"], done["left"]) == (1, ["mautic_sync.EveryNight"], 1)


def test_a_round_that_cannot_be_started_stays(queue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put(queue, failed(NIGHT))
    done = CliRunner().invoke(app, ["dead-letter", "replay", "--yes"])
    assert done.exit_code in {1, 2}
    assert waiting(queue) == 1


def test_what_is_taken_away_is_what_was_shown(queue: str) -> None:
    put(queue, failed(NIGHT), "no JSON")
    assert run("discard", "--schedule", "integrity_check.EveryNight")[1] == {"messages": 1, "left": 1, "started": []}
    assert waiting(queue) == 1
    asked = CliRunner().invoke(app, ["dead-letter", "discard"], input="n\n")
    assert (asked.exit_code, waiting(queue)) == (0, 1)
    assert run("discard")[1]["messages"] == 1
    assert waiting(queue) == 0


def test_without_an_address_the_command_says_which_setting_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody")
    monkeypatch.delenv("SCHEDULE_DEAD_LETTER_QUEUE_URL", raising=False)
    done = CliRunner().invoke(app, ["dead-letter", "list"])
    assert (done.exit_code, "SCHEDULE_DEAD_LETTER_QUEUE_URL" in done.output) == (2, True)


@pytest.mark.parametrize("text", ["", "[]", "null", "1", '{"requestContext": {"functionArn": 7}}', "[" * 100_000])
def test_whatever_lies_there_can_be_looked_at(text: str) -> None:
    assert read_round(QueueMessage("id", text, "handle")).outcome == "unreadable"
    assert GivenUpRounds("nowhere").rounds() == []
