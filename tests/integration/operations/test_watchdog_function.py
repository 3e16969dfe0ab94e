"""Heartbeats and the watchdog on a real table and real queues."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crm_relay.operations.watchdog import PAUSE
from crm_relay.platform.aws.heartbeat import heartbeat
from crm_relay.platform.aws.heartbeats import Heartbeats
from local.aws.local_aws import LocalAws
from tests.faults.conftest import aws, aws_environment
from tests.support.function_settings import give_settings
from watchdog import wiring

__all__ = ["aws", "aws_environment"]

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def heartbeats(aws: LocalAws, aws_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Heartbeats:
    """An empty item, and a watchdog that looks at this AWS."""
    give_settings(monkeypatch, wiring.installation, aws_environment)
    table = aws_environment["COORDINATION_TABLE"]
    aws.client("dynamodb").delete_item(TableName=table, Key={"id": {"S": "heartbeats"}})
    return Heartbeats(table)


def look(at: datetime) -> Mapping[str, Any]:
    return wiring.watch(at)


def metrics(text: str) -> dict[str, float]:
    """What was counted by name, the last count of each."""
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    names = {name for line in lines if "_aws" in line for name in line if name in {"OverdueSchedules", "DeadLetters"}}
    return {name: line[name][0] for line in lines for name in names if name in line}


def test_a_schedule_that_falls_silent_is_counted_and_named(
    heartbeats: Heartbeats, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POWERTOOLS_METRICS_DISABLED", raising=False)
    assert look(NOW)["overdue"] == {}
    later = NOW
    while later < NOW + timedelta(minutes=20):
        later += timedelta(minutes=5)
        found = look(later)
    every_minute = ["campaign_cron.EveryMinute", "notification_cron.EveryMinute", "workflow_cron.EveryMinute"]
    assert found["overdue"] == dict.fromkeys(every_minute, 20)
    heartbeats.note(every_minute, later)
    capsys.readouterr()
    assert look(later)["overdue"] == {}
    assert metrics(capsys.readouterr().out) == {"OverdueSchedules": 0, "DeadLetters": 0}


def test_dead_letters_of_every_queue_are_counted(
    heartbeats: Heartbeats, aws: LocalAws, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POWERTOOLS_METRICS_DISABLED", raising=False)
    urls = aws.environment["DEAD_LETTER_QUEUE_URLS"].split(",")
    for url in urls:
        aws.client("sqs").send_message(QueueUrl=url, MessageBody="{}")
    assert look(NOW)["dead_letters"] == {url.rpartition("/")[2]: 1 for url in urls}
    assert metrics(capsys.readouterr().out)["DeadLetters"] == len(urls)
    assert heartbeats.read()
    for url in urls:
        aws.client("sqs").purge_queue(QueueUrl=url)


def test_schedules_that_were_held_are_not_overdue_when_they_go_on(heartbeats: Heartbeats) -> None:
    look(NOW)
    after = NOW + timedelta(days=4)
    assert after - NOW > PAUSE
    assert look(after)["overdue"] == {}
    assert set(heartbeats.read().values()) == {after}


RUNS: list[tuple[dict[str, Any], dict[str, Any], set[str]]] = [
    ({"schedule": "a.Hourly"}, {"success": True}, {"a.Hourly"}),
    ({"schedule": "a.Hourly"}, {"success": True, "stepped_aside": True}, set()),
    ({"schedule": "a.Hourly"}, {"success": False, "stopped": "the source is empty"}, set()),
    ({}, {"success": True}, set()),
    ({"Records": [{"body": '{"full": true}'}]}, {"success": True}, {"a.Nightly"}),
    ({"Records": [{"body": "{}"}]}, {"success": True}, set()),
]


@pytest.mark.parametrize(("event", "answer", "noted"), RUNS)
def test_a_run_is_noted_where_it_came_to_its_end(
    heartbeats: Heartbeats, event: dict[str, Any], answer: dict[str, Any], noted: set[str]
) -> None:
    run = heartbeat(lambda message: ("a.Nightly",) if message.get("full") else ())(lambda _event, _context: answer)
    assert run(event, None) is answer
    assert heartbeats.read().keys() == noted


def test_a_run_that_raises_is_not_noted(heartbeats: Heartbeats) -> None:
    def fail(_event: Any, _context: Any) -> Any:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        heartbeat()(fail)({"schedule": "a.Hourly"}, None)
    assert heartbeats.read() == {}


def test_a_run_does_not_fail_for_a_table_that_cannot_be_reached(
    heartbeats: Heartbeats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COORDINATION_TABLE", "there-is-none")
    assert heartbeat()(lambda _event, _context: {"success": True})({"schedule": "a.Hourly"}, None) == {"success": True}
    assert heartbeats.read() == {}
