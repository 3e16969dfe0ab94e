"""Forgets deliveries that were applied long ago; what was never applied is kept for ever."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from crm_relay.platform.aws.queue import delete_objects
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Queryable, Row
from crm_relay.webhooks import store
from crm_relay.webhooks.defer import LARGEST_BODY, Deferred, object_key

_BATCH = 1000
"""As many objects as S3 deletes in one request."""

_BATCH_SECONDS = 10.0


@dataclass(frozen=True)
class Forgotten:
    """`unfinished`: more is past its time than this run had time for."""

    deliveries: int
    objects: int
    unfinished: bool


def forget_old_deliveries(
    db: Queryable, deferred: Deferred, *, now: datetime, days: int, deadline: Deadline
) -> Forgotten:
    """Delete what was received more than `days` ago, with its body in the bucket; safe to interrupt and to repeat.

    Two statements and at most one request to S3 a batch, whatever its size. Events on the customers stay.
    """
    deliveries = objects = 0
    while deadline.allows(_BATCH_SECONDS):
        rows = store.old_deliveries(db, before=now - timedelta(days=days), limit=_BATCH, larger_than=LARGEST_BODY)
        keys = [key for row in rows if (key := _key(row)) is not None]
        # Before their rows: after a crash in between nothing lies in the bucket that nobody knows of.
        delete_objects(deferred.bucket, keys)
        if rows:
            store.delete_deliveries(db, [row["id"] for row in rows])
        deliveries, objects = deliveries + len(rows), objects + len(keys)
        if len(rows) < _BATCH:
            return Forgotten(deliveries, objects, unfinished=False)
    return Forgotten(deliveries, objects, unfinished=True)


def _key(row: Row) -> str | None:
    if row["object_key"] is not None:
        return str(row["object_key"])
    return None if row["dedupe_key"] is None else object_key(row["source"], row["dedupe_key"])
