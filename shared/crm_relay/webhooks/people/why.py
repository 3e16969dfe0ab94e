"""Which kept deliveries and given up messages speak of a person, for `crm-relay why`; never what they say."""

import base64
from dataclasses import dataclass
from datetime import datetime

from crm_relay.consent.person import Person
from crm_relay.platform.database import Queryable, Row
from crm_relay.webhooks import store
from crm_relay.webhooks.people.needles import likely
from crm_relay.webhooks.people.redact import message_without, redact_stored
from crm_relay.webhooks.source import Redactors

NEWEST_DELIVERIES = 5000
"""So many deliveries are looked through, however many are kept."""

NEWEST_TASKS = 100
"""So many failed tasks are looked into."""

_LIMIT = 50


@dataclass(frozen=True)
class SearchReach:
    """How far back a place was looked through; `has_older`: there is more, of which nothing is known."""

    looked_at: int
    since: datetime | None
    has_older: bool


@dataclass(frozen=True)
class Mentions:
    """What speaks of the person, newest first and without content; applied_at None: it had no effect yet."""

    deliveries: list[Row]
    deliveries_searched: SearchReach
    failed_tasks: list[Row]
    failed_tasks_searched: SearchReach


def mentions_of(db: Queryable, redactors: Redactors, person: Person) -> Mentions:
    """Two statements, whatever there is. What waits in queues and in the bucket is not looked into."""
    rows = store.latest_suspects(db, likely(person), window=NEWEST_DELIVERIES, limit=_LIMIT)
    tasks = store.latest_failed_tasks(db, limit=NEWEST_TASKS)
    return Mentions(
        [_without_content(row) for row in rows if _is_about(row, redactors, person)],
        SearchReach(rows[0]["looked_at"], rows[0]["since"], rows[0]["has_older"]),
        [_without_content(row) for row in tasks if _is_task_about(row, redactors, person)],
        SearchReach(
            len(tasks), tasks[-1]["failed_at"] if tasks else None, bool(tasks) and tasks[0]["kept"] > len(tasks)
        ),
    )


_CONTENT = {"body", "payload"}
_OF_THE_SEARCH = {"looked_at", "since", "has_older", "kept"}


def _without_content(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in _CONTENT | _OF_THE_SEARCH}


def _is_about(delivery: Row, redactors: Redactors, person: Person) -> bool:
    body = delivery["body"]
    return body is not None and redact_stored(redactors, delivery["source"], body, person) is not None


def _is_task_about(task: Row, redactors: Redactors, person: Person) -> bool:
    try:
        message = base64.b64decode(task["payload"]).decode()
    except ValueError:
        return False
    return message_without(message, person, redactors) is not None
