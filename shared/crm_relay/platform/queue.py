"""Messages between functions (SQS), and bodies too large for a message (S3)."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from crm_relay.platform.errors import FatalError, TransientError


@cache
def aws_client(service: str) -> Any:
    """A boto3 client with short time-outs, made on first use: importing boto3 costs 140 ms of a cold start."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        service,
        config=Config(connect_timeout=3, read_timeout=5, retries={"max_attempts": 3, "mode": "standard"}),
    )


def send_message(queue_url: str, message: Mapping[str, Any], *, delay_seconds: int = 0) -> None:
    """Put one JSON message into the queue. Raises TransientError, FatalError where it may not or cannot ever."""
    _call("sqs", "send_message", QueueUrl=queue_url, MessageBody=json.dumps(message), DelaySeconds=delay_seconds)


def put_object(bucket: str, key: str, body: bytes) -> None:
    """Store a body under `key`. Errors as in send_message."""
    _call("s3", "put_object", Bucket=bucket, Key=key, Body=body, ContentType="application/octet-stream")


def get_object(bucket: str, key: str) -> bytes:
    """The body under `key`. Errors as in send_message."""
    return bytes(_call("s3", "get_object", Bucket=bucket, Key=key)["Body"].read())


def publish_alert(topic_arn: str, subject: str, message: str) -> None:
    """Tell the operator through SNS; `subject` at most 100 ASCII characters. Errors as in send_message."""
    _call("sns", "publish", TopicArn=topic_arn, Subject=subject[:100], Message=message)


_NEVER = {
    "AccessDenied",
    "AccessDeniedException",
    "NoSuchBucket",
    "NoSuchKey",
    "AWS.SimpleQueueService.NonExistentQueue",
    "NotFound",
}


def _call(service: str, operation: str, **arguments: Any) -> Any:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return getattr(aws_client(service), operation)(**arguments)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        raise (FatalError if code in _NEVER else TransientError)(f"{service} {operation}: {code}") from None
    except BotoCoreError as error:
        raise TransientError(f"{service} {operation}: {type(error).__name__}") from None
