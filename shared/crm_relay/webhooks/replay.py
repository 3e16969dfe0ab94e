"""Applies what was deferred, keeps what was given up, and sends both on their way again."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from crm_relay.consent.person import Person
from crm_relay.platform.aws.queue import send_message
from crm_relay.platform.database import Database, Row
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.logging import count_metric, logger
from crm_relay.webhooks import store
from crm_relay.webhooks.defer import Deferred, is_message
from crm_relay.webhooks.models import DELIVERY_ID, Delivered, DeliveryOutcome
from crm_relay.webhooks.people.redact import NOTHING_LEFT, marks_in_message, message_without
from crm_relay.webhooks.receive import apply_all_stored
from crm_relay.webhooks.source import Redactors, Sources

_PAGE = 100


def replay_all(
    database: Database, deferred: Deferred, sources: Sources, texts: Sequence[str]
) -> list[Exception | None]:
    """Apply messages of the deferred queue, those of one source together. Safe to call twice.

    What kept each of them from being applied, in their order; RejectedInput: it will never be understood.
    """
    failures: dict[int, Exception | None] = {}
    by_source: dict[str, dict[int, Delivered]] = {}
    for place, text in enumerate(texts):
        try:
            delivered = _read(deferred, sources, text)
            by_source.setdefault(delivered.source, {})[place] = delivered
        except Exception as error:  # noqa: BLE001 - the caller's to judge, message by message
            failures[place] = error
    for name, deliveries in by_source.items():
        outcomes = apply_all_stored(database, sources[name], list(deliveries.values()))
        failures |= {place: _note(name, outcome) for place, outcome in zip(deliveries, outcomes, strict=True)}
    return [failures[place] for place in range(len(texts))]


def _read(deferred: Deferred, sources: Sources, text: str) -> Delivered:
    delivered = deferred.read(text)
    if delivered.source not in sources:
        raise RejectedInput("a deferred delivery of an unknown source")
    return delivered


def _note(source: str, outcome: DeliveryOutcome | Exception) -> Exception | None:
    if isinstance(outcome, Exception):
        return outcome
    if outcome.refused is not None:
        logger().warning("deferred delivery set aside", source=source, reason=outcome.refused)
    else:
        logger().info("deferred delivery applied", source=source, **outcome.answer)
    return None


def give_up(database: Database, redactors: Redactors, text: str) -> None:
    """Keep a message of the dead-letter queue in failed_tasks. Safe to call twice."""
    source, task_key = _identity(text)
    if erased := store.erased_among(database, sorted(marks_in_message(text))):
        text = message_without(text, Person(addresses=erased), redactors) or NOTHING_LEFT
    payload = base64.b64encode(text.encode()).decode()
    store.keep_failed_task(database, source=source, task_key=task_key, payload=payload, error="given up by the queue")
    logger().error("delivery given up", source=source, task_key=task_key)
    count_metric("FailedTasks", source=source)
    count_metric("FailedTasks")  # over all sources: an alarm on one metric is free, a query over several is not


def list_deferred(database: Database, *, limit: int = 100) -> list[Row]:
    """What waits and since when, without its content."""
    return store.list_deferred(database, limit=limit)


@dataclass(frozen=True)
class Replayed:
    """`unreadable` tasks stay where they are: what they hold is no message."""

    sent: int
    unreadable: int


def replay_failed(database: Database, deferred: Deferred) -> Replayed:
    """Send everything that waits to the deferred queue again: unapplied deliveries, and what was given up.

    Safe to call twice and to interrupt: what was sent is marked page by page, and what is applied twice counts once. A
    task that fails again before it is marked stays open.
    """
    sent = _send_unapplied(database, deferred)
    unreadable = 0
    after = 0
    while page := store.open_failed_tasks(database, after=after, limit=_PAGE):
        accepted = [row for row in page if _send_task(deferred, row)]
        store.mark_replayed(database, accepted)
        sent, unreadable, after = sent + len(accepted), unreadable + len(page) - len(accepted), page[-1]["id"]
    return Replayed(sent, unreadable)


def replay_task(database: Database, deferred: Deferred, task_id: int) -> None:
    """Send one message that was given up to the deferred queue again. Safe to call twice: it is applied once.

    RejectedInput: 404 where no such task waits, 409 where what it holds is no message.
    """
    found = store.open_failed_tasks(database, after=task_id - 1, limit=1)
    if not found or found[0]["id"] != task_id:
        raise RejectedInput("no such task waits", status=404)
    if not _send_task(deferred, found[0]):
        raise RejectedInput("what this task holds is no message", status=409)
    store.mark_replayed(database, found)


def _send_unapplied(database: Database, deferred: Deferred) -> int:
    sent = after = 0
    while page := store.unapplied_deliveries(database, after=after, limit=_PAGE):
        for row in page:
            _send_delivery(deferred, row)
        sent, after = sent + len(page), page[-1]["id"]
    return sent


def _send_delivery(deferred: Deferred, row: Row) -> None:
    received_at: datetime = row["received_at"]
    delivered = Delivered(
        row["source"],
        (row["body"] or "").encode(),
        received_at,
        row["headers"],
        workspace_name=row["workspace_name"],
        delivery_id=row["headers"].get(DELIVERY_ID),
    )
    if row["object_key"] is None:
        deferred.keep(delivered)
    else:
        head = delivered.message_head | {"dedupe_key": row["dedupe_key"], "object_key": row["object_key"]}
        send_message(deferred.queue_url, head)


def _send_task(deferred: Deferred, row: Row) -> bool:
    """False for what the queue would only give up again, and under another key each time."""
    try:
        message = _object(base64.b64decode(row["payload"], validate=True).decode())
    except ValueError:
        return False
    if message is None or _named(message) is None or not is_message(message):
        return False
    send_message(deferred.queue_url, message)
    return True


def _identity(text: str) -> tuple[str, str]:
    """Source and key of a message, of whatever shape it is."""
    return _named(_object(text) or {}) or ("unknown", hashlib.sha256(text.encode()).hexdigest())


def _named(message: dict[str, object]) -> tuple[str, str] | None:
    source, key = message.get("source"), message.get("dedupe_key")
    if isinstance(source, str) and isinstance(key, str) and source.isalnum() and key.isalnum():
        return source, key
    return None


def _object(text: str) -> dict[str, object] | None:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None
