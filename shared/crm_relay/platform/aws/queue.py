"""Messages between functions (SQS), and bodies too large for a message (S3)."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from crm_relay.platform.errors import FatalError, TransientError


@cache
def aws_client(service: str, connections: int = 10) -> Any:
    """A boto3 client with short time-outs, made on first use: importing boto3 costs 140 ms of a cold start.

    Threads may share it; `connections` of them call at a time without waiting for each other.
    """
    import boto3
    from botocore.config import Config

    retries = {"max_attempts": 3, "mode": "standard"}
    patience = Config(connect_timeout=3, read_timeout=5, retries=retries, max_pool_connections=connections)
    return boto3.client(service, config=patience)


def send_message(queue_url: str, message: Mapping[str, Any], *, delay_seconds: int = 0) -> None:
    """Put one JSON message into the queue. Raises TransientError, FatalError where it may not or cannot ever."""
    send_text(queue_url, json.dumps(message), delay_seconds=delay_seconds)


def send_text(queue_url: str, text: str, *, delay_seconds: int = 0) -> None:
    """As send_message, for a message that is text already."""
    aws_call("sqs", "send_message", QueueUrl=queue_url, MessageBody=text, DelaySeconds=delay_seconds)


def put_object(bucket: str, key: str, body: bytes) -> None:
    """Store a body under `key`. Errors as in send_message."""
    aws_call("s3", "put_object", Bucket=bucket, Key=key, Body=body, ContentType="application/octet-stream")


def get_object(bucket: str, key: str) -> bytes:
    """The body under `key`. Errors as in send_message."""
    return bytes(aws_call("s3", "get_object", Bucket=bucket, Key=key)["Body"].read())


def list_keys(bucket: str, prefix: str) -> Iterator[str]:
    """All keys under `prefix`, page by page. Errors as in send_message."""
    token: dict[str, str] = {}
    while True:
        page = aws_call("s3", "list_objects_v2", Bucket=bucket, Prefix=prefix, **token)
        yield from (each["Key"] for each in page.get("Contents", ()))
        if not page.get("IsTruncated"):
            return
        token = {"ContinuationToken": page["NextContinuationToken"]}


def delete_objects(bucket: str, keys: Sequence[str]) -> None:
    """At most 1,000 at once; keys that do not exist are fine. Errors as in send_message."""
    if keys:
        objects = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        refused = aws_call("s3", "delete_objects", Bucket=bucket, Delete=objects).get("Errors")
        if refused:
            raise TransientError(f"s3 delete_objects: {refused[0].get('Code')} for {len(refused)} objects")


@dataclass(frozen=True)
class QueueMessage:
    """A message that was received and is invisible to others for a while. `attributes` are those of text."""

    id: str
    text: str
    handle: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    sent_at: datetime | None = None


@dataclass(frozen=True)
class QueueState:
    """Roughly how many messages wait and are in somebody's hands; `dead_letters` is the URL of the queue behind it."""

    waiting: int
    in_flight: int
    dead_letters: str | None


def queue_state(queue_url: str) -> QueueState:
    """Errors as in send_message."""
    answer = aws_call("sqs", "get_queue_attributes", QueueUrl=queue_url, AttributeNames=["All"])
    found = answer["Attributes"]
    redrive = json.loads(found.get("RedrivePolicy", "{}")).get("deadLetterTargetArn")
    return QueueState(
        int(found["ApproximateNumberOfMessages"]),
        int(found["ApproximateNumberOfMessagesNotVisible"]) + int(found["ApproximateNumberOfMessagesDelayed"]),
        aws_call("sqs", "get_queue_url", QueueName=redrive.rpartition(":")[2])["QueueUrl"] if redrive else None,
    )


def receive_messages(queue_url: str, *, invisible_seconds: int) -> list[QueueMessage]:
    """Up to ten, none where nothing waits; each look counts as one of a message's tries. Errors as in send_message."""
    found = aws_call(
        "sqs",
        "receive_message",
        QueueUrl=queue_url,
        MaxNumberOfMessages=10,
        VisibilityTimeout=invisible_seconds,
        WaitTimeSeconds=_LOOK_SECONDS,
        MessageAttributeNames=["All"],
        AttributeNames=["SentTimestamp"],
    )
    return [_received(each) for each in found.get("Messages", ())]


def _received(message: Mapping[str, Any]) -> QueueMessage:
    sent = message.get("Attributes", {}).get("SentTimestamp")
    return QueueMessage(
        id=message["MessageId"],
        text=message["Body"],
        handle=message["ReceiptHandle"],
        attributes={
            name: each["StringValue"]
            for name, each in message.get("MessageAttributes", {}).items()
            if "StringValue" in each
        },
        sent_at=None if sent is None else datetime.fromtimestamp(int(sent) / 1000, UTC),
    )


def delete_message(queue_url: str, message: QueueMessage) -> None:
    """It is done with. Errors as in send_message."""
    aws_call("sqs", "delete_message", QueueUrl=queue_url, ReceiptHandle=message.handle)


def release_message(queue_url: str, message: QueueMessage) -> None:
    """Visible to others again at once. Errors as in send_message."""
    aws_call("sqs", "change_message_visibility", QueueUrl=queue_url, ReceiptHandle=message.handle, VisibilityTimeout=0)


def publish_alert(topic_arn: str, subject: str, message: str) -> None:
    """Tell the operator through SNS; `subject` at most 100 ASCII characters. Errors as in send_message."""
    aws_call("sns", "publish", TopicArn=topic_arn, Subject=subject[:100], Message=message)


# Any wait at all asks every server of a queue instead of a few.
_LOOK_SECONDS = 1

_NEVER = {
    "AccessDenied",
    "AccessDeniedException",
    "NoSuchBucket",
    "NoSuchKey",
    "AWS.SimpleQueueService.NonExistentQueue",
    "NotFound",
    "NotFoundException",
    "DisabledException",
    "InvalidCiphertextException",
    "KMSInvalidStateException",
}


def aws_call(service: str, operation: str, **arguments: Any) -> Any:
    """One request to AWS in the errors of this package: what may never succeed is a FatalError."""
    return _called(service, operation, None, arguments)


def aws_find(service: str, operation: str, absent: str, **arguments: Any) -> Any | None:
    """As aws_call; None where the service answers with the code `absent`: there is no such thing."""
    return _called(service, operation, absent, arguments)


def _called(service: str, operation: str, absent: str | None, arguments: Mapping[str, Any]) -> Any | None:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return getattr(aws_client(service), operation)(**arguments)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        if code == absent:
            return None
        raise (FatalError if code in _NEVER else TransientError)(f"{service} {operation}: {code}") from None
    except BotoCoreError as error:
        raise TransientError(f"{service} {operation}: {type(error).__name__}") from None
    except ValueError:
        raise FatalError(f"{service} {operation}: the address or name is malformed") from None
