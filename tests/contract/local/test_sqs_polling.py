"""Local queues: resources as the template says, delivery as Lambda's event source mapping does it."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from local.aws.local_aws import LocalAws
from local.aws.queues import QueuePoller, failed_messages
from local.template.template import SamTemplate

TEMPLATE = SamTemplate.read(Path(__file__).parents[3] / "template.yaml")


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    aws = LocalAws.start(TEMPLATE, {"ADMIN_TOKEN": "t"})
    yield aws
    aws.stop()


def send(aws: LocalAws, queue: str, *bodies: str) -> None:
    for body in bodies:
        aws.client("sqs").send_message(QueueUrl=aws.queue_url(queue), MessageBody=body)


def waiting(aws: LocalAws, queue: str) -> int:
    """Messages in the queue, the invisible ones too."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = aws.client("sqs").get_queue_attributes(QueueUrl=aws.queue_url(queue), AttributeNames=names)
    return sum(int(value) for value in attributes["Attributes"].values())


def accept(event: Mapping[str, Any]) -> Any:
    return {"batchItemFailures": []}


class SqsRecorder:
    """A function that keeps what it is given; `answer` says what it returns for a batch."""

    def __init__(self, answer: Callable[[Mapping[str, Any]], Any] = accept) -> None:
        self.events: list[tuple[str, Mapping[str, Any]]] = []
        self._answer = answer

    def __call__(self, function: str, event: Mapping[str, Any]) -> Any:
        self.events.append((function, event))
        return self._answer(event)

    @property
    def bodies(self) -> list[str]:
        return [record["body"] for _, event in self.events for record in event["Records"]]


def test_messages_arrive_in_batches_and_leave_the_queue(aws: LocalAws) -> None:
    send(aws, "DeferredQueue", *(str(n) for n in range(13)))
    function = SqsRecorder()
    assert QueuePoller(TEMPLATE, aws, function).drain() == 13
    assert sorted(map(int, function.bodies)) == list(range(13))
    assert {name for name, _ in function.events} == {"webhook_replay"}
    assert max(len(event["Records"]) for _, event in function.events) <= 10
    assert waiting(aws, "DeferredQueue") == 0


def test_a_record_has_the_fields_that_lambda_gives(aws: LocalAws) -> None:
    send(aws, "ContinueQueue", '{"full": true}')
    function = SqsRecorder()
    QueuePoller(TEMPLATE, aws, function).drain()
    ((name, event),) = function.events
    (record,) = event["Records"]
    assert name == "mautic_sync"
    assert record["eventSourceARN"] == aws.queue_arn("ContinueQueue")
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    sample = json.loads((Path(__file__).parents[3] / "events/mautic_sync/continue.json").read_text())
    assert record.keys() == sample["Records"][0].keys()


def test_only_the_messages_that_are_given_back_stay(aws: LocalAws) -> None:
    send(aws, "DeferredQueue", "good", "bad")
    function = SqsRecorder(
        lambda event: {
            "batchItemFailures": [
                {"itemIdentifier": one["messageId"]} for one in event["Records"] if one["body"] == "bad"
            ]
        }
    )
    assert QueuePoller(TEMPLATE, aws, function).drain() == 1
    assert waiting(aws, "DeferredQueue") == 1


def test_after_an_exception_the_whole_batch_stays(aws: LocalAws) -> None:
    def fail(event: Mapping[str, Any]) -> Any:
        raise RuntimeError("away")

    send(aws, "DeferredQueue", "1", "2")
    assert QueuePoller(TEMPLATE, aws, SqsRecorder(fail)).drain() == 0
    assert waiting(aws, "DeferredQueue") == 2


def test_a_message_that_fails_as_often_as_the_template_allows_reaches_the_dead_letters_and_their_function(
    aws: LocalAws,
) -> None:
    def fail_while_deferred(event: Mapping[str, Any]) -> Any:
        if "dead" not in event["Records"][0]["eventSourceARN"]:
            raise RuntimeError("poison")

    send(aws, "DeferredQueue", "poison")
    function = SqsRecorder(fail_while_deferred)
    poller = QueuePoller(TEMPLATE, aws, function, visibility_seconds=0)
    tries = TEMPLATE.resources("AWS::SQS::Queue")["DeferredQueue"]["RedrivePolicy"]["maxReceiveCount"]
    for _ in range(tries + 2):
        poller.drain()
    sources = [event["Records"][0]["eventSourceARN"] for _, event in function.events]
    assert sources.count(aws.queue_arn("DeferredQueue")) == tries
    assert sources.count(aws.queue_arn("DeferredDeadLetterQueue")) == 1
    assert waiting(aws, "DeferredDeadLetterQueue") == 0


def test_in_the_background_messages_arrive_without_being_asked_for(aws: LocalAws) -> None:
    arrived = threading.Event()
    poller = QueuePoller(TEMPLATE, aws, SqsRecorder(lambda _: arrived.set()))
    poller.start()
    try:
        send(aws, "DeferredQueue", "1")
        assert arrived.wait(5)
    finally:
        poller.stop()
    assert waiting(aws, "DeferredQueue") == 0


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        (None, set()),
        ({}, set()),
        ({"batchItemFailures": None}, set()),
        ({"batchItemFailures": [{"itemIdentifier": "a"}]}, {"a"}),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, {"a", "b"}),
        ({"batchItemFailures": [{"itemIdentifier": None}]}, {"a", "b"}),
        ({"batchItemFailures": [{"wrong": "a"}]}, {"a", "b"}),
        ({"batchItemFailures": [{"itemIdentifier": "stranger"}]}, {"a", "b"}),
        ("text", {"a", "b"}),
    ],
)
def test_an_answer_that_cannot_be_read_fails_the_whole_batch(answer: Any, failed: set[str]) -> None:
    assert failed_messages(answer, {"a", "b"}) == failed


def test_the_environment_names_resources_that_exist(aws: LocalAws) -> None:
    environment = aws.environment
    aws.client("s3").head_bucket(Bucket=environment["OVERSIZE_BUCKET"])
    table = aws.client("dynamodb").describe_table(TableName=environment["COORDINATION_TABLE"])["Table"]
    secrets = {
        name.rpartition("/")[2]: json.loads(
            aws.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"]
        )
        for name in environment["CRM_RELAY_SECRET_ID"].split(",")
    }
    assert table["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    assert secrets == {"database": {}, "public": {}, "workers": {}, "admin": {"ADMIN_TOKEN": "t"}, "migration": {}}
    assert environment["DEFERRED_QUEUE_URL"] == aws.queue_url("DeferredQueue")
    assert environment["MAUTIC_BATCH_SIZE"] == "200"
    assert "MAUTIC_URL" not in environment


def test_two_stacks_in_one_process_do_not_meet(aws: LocalAws) -> None:
    other = LocalAws.start(TEMPLATE)
    try:
        send(other, "DeferredQueue", "1")
        time.sleep(0.05)
        assert waiting(aws, "DeferredQueue") == 0
    finally:
        other.stop()
