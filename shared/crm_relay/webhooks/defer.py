"""Keeps a verified delivery while the database is away, and reads it again."""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crm_relay.platform.aws.queue import get_object, put_object, send_message
from crm_relay.platform.errors import RejectedInput
from crm_relay.webhooks.models import DELIVERY_ID, Delivered

# A message may hold 1 MiB; base64 makes four bytes of three.
LARGEST_BODY = 675_000
OVERSIZE_PREFIX = "oversize/"
_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, binascii.Error)


def object_key(source: str, dedupe_key: str) -> str:
    """Where a body lies that is too large for a message."""
    return f"{OVERSIZE_PREFIX}{source}/{dedupe_key}"


def source_of_object(key: str) -> str:
    """The source that stands in a key of `object_key`."""
    return key.removeprefix(OVERSIZE_PREFIX).partition("/")[0]


@dataclass(frozen=True)
class Deferred:
    """The queue of deliveries that wait for the database, and the bucket for bodies too large for a message."""

    queue_url: str
    bucket: str

    def keep(self, delivered: Delivered) -> None:
        """Safe to call twice. Raises TransientError or FatalError where the queue is away as well."""
        if len(delivered.body) <= LARGEST_BODY:
            send_message(self.queue_url, delivered.message)
            return
        key = object_key(delivered.source, delivered.dedupe_key)
        put_object(self.bucket, key, delivered.body)
        send_message(self.queue_url, delivered.message_head | {"object_key": key})

    def read(self, text: str) -> Delivered:
        """The delivery of one message. Raises RejectedInput for what is none."""
        try:
            message = json.loads(text)
            return _delivered(message, self._body(message))
        except _UNREADABLE:
            raise RejectedInput("not a message of the deferred queue") from None

    def _body(self, message: dict[str, Any]) -> bytes:
        if "object_key" in message:
            return get_object(self.bucket, message["object_key"])
        return _body_within(message)


def is_message(message: dict[str, Any]) -> bool:
    """Whether `Deferred.read` can make a delivery of it; a body that lies in the bucket is not fetched."""
    try:
        _delivered(message, b"" if "object_key" in message else _body_within(message))
    except _UNREADABLE:
        return False
    return True


def _body_within(message: dict[str, Any]) -> bytes:
    return base64.b64decode(message["body_base64"], validate=True)


def _delivered(message: dict[str, Any], body: bytes) -> Delivered:
    return Delivered(
        source=message["source"],
        workspace_name=message.get("workspace_name"),
        body=body,
        headers=message["headers"],
        received_at=datetime.fromisoformat(message["received_at"]),
        delivery_id=message["headers"].get(DELIVERY_ID),
        origin="deferred",
    )
