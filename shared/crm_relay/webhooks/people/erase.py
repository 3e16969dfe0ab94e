"""Takes one person's events out of all that waits or is kept (inbox, failed tasks, bucket, queues), and looks again."""

import base64
import binascii
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from crm_relay.consent.person import Person
from crm_relay.consent.traces import Traces
from crm_relay.platform.aws.queue import (
    QueueMessage,
    delete_message,
    get_object,
    list_keys,
    put_object,
    queue_state,
    receive_messages,
    release_message,
    send_text,
)
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.errors import TransientError
from crm_relay.webhooks import store
from crm_relay.webhooks.defer import OVERSIZE_PREFIX, Deferred, source_of_object
from crm_relay.webhooks.models import identity_of
from crm_relay.webhooks.people.needles import suspicious
from crm_relay.webhooks.people.redact import NOTHING_LEFT, decoded_message, message_without, redact_stored
from crm_relay.webhooks.source import Redactors

_WINDOW = 5000
_PAGE = 50
# Long enough for the whole look: a message that came back meanwhile would be seen a second time.
_INVISIBLE_SECONDS = 300
_QUEUE_SECONDS = 240.0


@dataclass(frozen=True)
class SearchCounts:
    """How many things were looked at, and out of how many something of the person was cut."""

    looked_at: int
    redacted: int


def erase_deliveries(db: Queryable, redactors: Redactors, person: Person, *, dry_run: bool = False) -> SearchCounts:
    """The inbox. The database names the suspects, what is cut is decided here. Safe to call twice."""
    after: int | None = 0
    suspects = redacted = 0
    while after is not None:
        rows, after = store.suspect_deliveries(db, suspicious(person), after=after, window=_WINDOW, limit=_PAGE)
        changed = [change for row in rows if (change := _delivery_without(row, redactors, person)) is not None]
        if changed and not dry_run:
            store.redact_deliveries(db, changed)
        suspects, redacted = suspects + len(rows), redacted + len(changed)
    return SearchCounts(suspects, redacted)


def erase_failed_tasks(db: Queryable, redactors: Redactors, person: Person, *, dry_run: bool = False) -> SearchCounts:
    """What the deferred queue gave up, replayed or not. Safe to call twice."""
    after = looked_at = redacted = 0
    while page := store.failed_tasks(db, after=after, limit=_PAGE):
        changed = [change for row in page if (change := _task_without(row, redactors, person)) is not None]
        if changed and not dry_run:
            store.redact_failed_tasks(db, changed)
        looked_at, redacted, after = looked_at + len(page), redacted + len(changed), page[-1]["id"]
    return SearchCounts(looked_at, redacted)


def erase_objects(deferred: Deferred, redactors: Redactors, person: Person) -> SearchCounts:
    """Bodies in the bucket, one in memory at a time. They stay under their keys: a message may still name them."""
    looked_at = redacted = 0
    for key in list_keys(deferred.bucket, OVERSIZE_PREFIX):
        stored = get_object(deferred.bucket, key).decode(errors="replace")
        body = redact_stored(redactors, source_of_object(key), stored, person)
        if body is not None:
            put_object(deferred.bucket, key, body.encode())
        looked_at, redacted = looked_at + 1, redacted + (body is not None)
    return SearchCounts(looked_at, redacted)


def erase_messages(deferred: Deferred, redactors: Redactors, person: Person) -> SearchCounts:
    """The deferred queue and its dead letters, as far as SQS shows them; safe to call twice.

    A message with the person in it is sent again without, then deleted: a crash in between leaves it twice, which is
    harmless. Raises TransientError where messages were in somebody's hands; applied by those, they are kept redacted.
    """
    queues = [deferred.queue_url]
    if behind := queue_state(deferred.queue_url).dead_letters:
        queues.append(behind)
    searched = [_erase_from_queue(queue_url, redactors, person) for queue_url in queues]
    return SearchCounts(sum(each.looked_at for each in searched), sum(each.redacted for each in searched))


def objects_with(deferred: Deferred, redactors: Redactors, person: Person) -> int:
    """How many objects of the whole bucket mention the person, no matter who stored them. Errors as in get_object."""
    traces = Traces(person)
    return sum(_object_has(deferred, key, redactors, person, traces) for key in list_keys(deferred.bucket, ""))


def queues_with(deferred: Deferred, redactors: Redactors, person: Person) -> dict[str, int]:
    """How many messages of the deferred queue and of its dead letters do. TransientError where some were in use."""
    traces = Traces(person)
    dead = queue_state(deferred.queue_url).dead_letters
    queues = {"deferred queue": deferred.queue_url} | ({"dead letters": dead} if dead else {})
    return {name: _messages_with(url, redactors, person, traces) for name, url in queues.items()}


def _object_has(deferred: Deferred, key: str, redactors: Redactors, person: Person, traces: Traces) -> bool:
    body = get_object(deferred.bucket, key).decode(errors="replace")
    if traces.found_in(key) or traces.found_in(body):
        return True
    return redact_stored(redactors, source_of_object(key), body, person) is not None


def _messages_with(queue_url: str, redactors: Redactors, person: Person, traces: Traces) -> int:
    in_flight = queue_state(queue_url).in_flight
    with _held_messages(queue_url) as messages:
        found = sum(_message_has(each.text, redactors, person, traces) for each in messages)
    if in_flight:
        raise TransientError(f"{in_flight} messages were being worked on or delayed, and could not be looked at")
    return found


def _message_has(text: str, redactors: Redactors, person: Person, traces: Traces) -> bool:
    if traces.found_in(text) or traces.found_in(decoded_message(text)):
        return True
    return message_without(text, person, redactors) is not None


def _delivery_without(row: Row, redactors: Redactors, person: Person) -> dict[str, object] | None:
    body = redact_stored(redactors, row["source"], row["body"], person)
    if body is None:
        return None
    # Anyone who replays it knows it by the hash of its body.
    dedupe_key = identity_of(body.encode(), row["workspace_name"])
    return {"id": row["id"], "body": body, "dedupe_key": dedupe_key, "is_empty": body == NOTHING_LEFT}


def _task_without(row: Row, redactors: Redactors, person: Person) -> dict[str, object] | None:
    try:
        text = base64.b64decode(row["payload"]).decode()
    except (binascii.Error, ValueError):
        return None
    message = message_without(text, person, redactors)
    return None if message is None else {"id": row["id"], "payload": base64.b64encode(message.encode()).decode()}


def _erase_from_queue(queue_url: str, redactors: Redactors, person: Person) -> SearchCounts:
    looked_at, gone = 0, set[str]()
    in_flight = queue_state(queue_url).in_flight
    with _held_messages(queue_url, gone) as messages:
        for message in messages:
            looked_at += 1
            text = message_without(message.text, person, redactors)
            if text is not None:
                send_text(queue_url, text)
                delete_message(queue_url, message)
                gone.add(message.id)
    if in_flight:
        raise TransientError(f"{in_flight} messages were being worked on or delayed, and could not be looked at")
    return SearchCounts(looked_at, len(gone))


@contextmanager
def _held_messages(queue_url: str, gone: Container[str] = ()) -> Iterator[Iterator[QueueMessage]]:
    """Each message of a queue once, invisible to others meanwhile; those whose id is not in `gone` come back after."""
    held: list[QueueMessage] = []

    def each() -> Iterator[QueueMessage]:
        for message in _every_message(queue_url):
            held.append(message)
            yield message

    try:
        yield each()
    finally:
        for message in held:
            if message.id not in gone:
                release_message(queue_url, message)


def _every_message(queue_url: str) -> Iterator[QueueMessage]:
    """Each message once, until nothing comes any more. Raises TransientError where the time does not suffice."""
    deadline = Deadline.after(_QUEUE_SECONDS)
    seen: set[str] = set()
    while found := receive_messages(queue_url, invisible_seconds=_INVISIBLE_SECONDS):
        yield from (each for each in found if each.id not in seen)
        seen.update(each.id for each in found)
        if not deadline.seconds_left:
            raise TransientError("the queue is too long to be looked through at once")
