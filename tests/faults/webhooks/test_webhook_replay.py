"""What was deferred is applied once; poison holds nobody up, is kept, and can be replayed."""

import base64
from collections.abc import Iterator
from uuid import UUID

import pytest

from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from crm_relay.webhooks.defer import Deferred
from crm_relay.webhooks.replay import list_deferred, replay_failed, replay_task
from tests.support.customers.mautic_hooks import delivery, recorded, subscription
from tests.support.customers.mautic_webhook_function import deliver, tables
from tests.support.log import listening
from tests.support.platform.aws_of_a_test import Aws, failures, running_aws, sqs_event
from tests.support.platform.rows import add_customer, one, rows_of
from webhook_replay.handler import handler as replay_handler

AWAY = "postgresql://nobody:secret@127.0.0.1:9/crm"
EMAIL = "hook.one@example.com"
UNSUBSCRIBE = recorded("97_hook_unsubscribe_get__lead_channel_subscription_changed").body
DEFERRED = {"status": 202, "success": True, "deferred": True}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """The queue, the bucket and the table of this test."""
    with running_aws(monkeypatch) as running:
        yield running


@pytest.mark.parametrize("poison", ["no JSON", "[]", "{}", '{"source": "nobody"}', '{"source": 5, "body_base64": "x"}'])
def test_poison_is_kept_at_once_and_holds_nobody_up(
    database: Database, database_url: str, aws: Aws, poison: str
) -> None:
    aws.configure(AWAY)
    deliver(UNSUBSCRIBE)
    (good,) = aws.messages()
    aws.configure(database_url)
    assert failures(replay_handler(sqs_event(poison, good, poison), None)) == []
    kept = rows_of(database, "select payload from failed_tasks")
    assert [base64.b64decode(row["payload"]).decode() for row in kept] == [poison]
    assert len(tables(database)["customer_email_engagement"]) == 1


def test_what_the_queue_gave_up_is_kept_counted_and_can_be_replayed(
    database: Database, database_url: str, aws: Aws
) -> None:
    aws.configure(AWAY)
    deliver(UNSUBSCRIBE)
    (message,) = aws.messages()
    aws.configure(database_url)
    with listening() as said:
        answer = replay_handler(sqs_event(message, message, "no JSON", queue="deferred-dead-letters"), None)
    assert failures(answer) == []
    assert "FailedTasks" in said()
    assert EMAIL not in said()
    tasks = rows_of(database, "select source, payload, replayed_at from failed_tasks order by source")
    assert [task["source"] for task in tasks] == ["mautic", "unknown"]
    assert base64.b64decode(tasks[0]["payload"]).decode() == message
    waiting = list_deferred(database)
    assert [(row["kept_in"], row["source"]) for row in waiting] == [
        ("failed_tasks", "mautic"),
        ("failed_tasks", "unknown"),
    ]

    replayed = replay_failed(database, Deferred(aws.queue, aws.name))
    assert (replayed.sent, replayed.unreadable) == (1, 1)
    assert [row["source"] for row in list_deferred(database)] == ["unknown"]
    assert failures(replay_handler(sqs_event(*aws.messages()), None)) == []
    assert len(tables(database)["customer_email_engagement"]) == 1
    replay_handler(sqs_event(message, queue="deferred-dead-letters"), None)
    assert [row["source"] for row in list_deferred(database)] == ["unknown", "mautic"]


def test_an_unapplied_delivery_of_the_inbox_is_replayed_too(database: Database, database_url: str, aws: Aws) -> None:
    aws.configure(database_url)
    deliver(UNSUBSCRIBE)
    rows_of(database, "update webhook_inbox set applied_at = null")
    rows_of(database, "delete from customer_email_engagement")
    assert [row["kept_in"] for row in list_deferred(database)] == ["inbox"]
    assert replay_failed(database, Deferred(aws.queue, aws.name)).sent == 1
    assert failures(replay_handler(sqs_event(*aws.messages()), None)) == []
    assert list_deferred(database) == []
    assert len(tables(database)["customer_email_engagement"]) == 1


def test_a_replayed_message_that_fails_at_once_stays_open(
    database: Database, database_url: str, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.configure(AWAY)
    deliver(UNSUBSCRIBE)
    (message,) = aws.messages()
    aws.configure(database_url)
    replay_handler(sqs_event(message, queue="deferred-dead-letters"), None)
    (waiting,) = list_deferred(database)
    sent: list[object] = []

    def fails_at_once(_queue: str, content: object) -> None:
        sent.append(content)
        replay_handler(sqs_event(message, queue="deferred-dead-letters"), None)

    monkeypatch.setattr("crm_relay.webhooks.replay.send_message", fails_at_once)

    assert replay_failed(database, Deferred(aws.queue, aws.name)).sent == 1
    (again,) = list_deferred(database)
    assert (again["id"], again["since"] > waiting["since"]) == (waiting["id"], True)
    replay_task(database, Deferred(aws.queue, aws.name), waiting["id"])
    assert [row["id"] for row in list_deferred(database)] == [waiting["id"]]
    assert len(sent) == 2


@pytest.mark.parametrize(
    "payload",
    ["", "{}", "{ }", "[]", "null", '{"source": "mautic"}', '{"source": "a-b", "dedupe_key": "c"}', "not base64"],
)
def test_a_dead_letter_that_holds_no_message_is_one_finding_however_often_it_is_replayed(
    database: Database, database_url: str, aws: Aws, payload: str
) -> None:
    aws.configure(database_url)
    stored = payload if payload == "not base64" else base64.b64encode(payload.encode()).decode()
    rows_of(
        database,
        "insert into failed_tasks (source, task_key, payload) values ('mautic', 'emptied', :payload)",
        payload=stored,
    )
    deferred = Deferred(aws.queue, aws.name)

    for _ in range(3):
        replayed = replay_failed(database, deferred)
        assert (replayed.sent, replayed.unreadable) == (0, 1)
        for message in aws.messages():
            replay_handler(sqs_event(message), None)
    (waiting,) = list_deferred(database)
    with pytest.raises(RejectedInput) as refused:
        replay_task(database, deferred, waiting["id"])

    assert refused.value.status == 409
    assert len(rows_of(database, "select from failed_tasks")) == 1


def test_while_the_database_is_away_nothing_leaves_either_queue(aws: Aws) -> None:
    aws.configure(AWAY)
    deliver(UNSUBSCRIBE)
    (message,) = aws.messages()
    assert failures(replay_handler(sqs_event(message, message), None)) == ["message-0", "message-1"]
    assert failures(replay_handler(sqs_event(message, queue="dead"), None)) == ["message-0"]


def test_many_deferred_deliveries_of_one_customer_end_as_if_nothing_had_happened(
    database: Database, database_url: str, aws: Aws
) -> None:
    customer: UUID = add_customer(database, EMAIL)
    aws.configure(AWAY)
    for second in range(6):
        event = subscription(new="bounced", at=f"2026-11-20T12:00:{second:02}+00:00")
        assert deliver(delivery(lead_channel_subscription_changed=[event])) == DEFERRED
    messages = aws.messages()
    aws.configure(database_url)
    assert failures(replay_handler(sqs_event(*reversed(messages), *messages[:3]), None)) == []
    row = one(database, "select customer_id, bounce_count, is_valid from customer_emails")
    assert row == {"customer_id": customer, "bounce_count": 6, "is_valid": False}
