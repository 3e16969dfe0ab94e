"""The inbox's SQL."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any

from crm_relay.consent.person import Person
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Json, Rows, SqlValue, Statement, queries_beside
from crm_relay.webhooks.models import Delivered
from crm_relay.webhooks.people.redact import NOTHING_LEFT, marks_in_json
from crm_relay.webhooks.source import KeptDelivery, Parsed, Received, Redact

_SQL = queries_beside(__file__)


def keep_deliveries(deliveries: Sequence[Delivered], addresses: AbstractSet[str] = frozenset()) -> Statement:
    """One row for each that was not applied before; each key once, however often it is among them.

    Their bodies are JSON, as their sources have read it. Each row says which of `addresses`, and of the addresses in
    all bodies, belong to erased persons.
    """
    different = {delivered.dedupe_key: delivered for delivered in reversed(deliveries)}
    bodies = {key: delivered.body.decode() for key, delivered in different.items()}
    marks = sorted(frozenset(addresses).union(*(marks_in_json(body) for body in bodies.values())))
    rows: list[dict[str, SqlValue]] = [
        {
            "source": delivered.source,
            "workspace_name": delivered.workspace_name,
            "dedupe_key": key,
            "headers": Json(delivered.kept_headers),
            "body": bodies[key],
            "received_at": delivered.received_at,
        }
        for key, delivered in sorted(different.items())
    ]
    if len(rows) == 1:
        return _SQL["keep_delivery"].bind(**rows[0], marks=marks)
    # PostgreSQL's word for the time of the transaction.
    applied: dict[str, SqlValue] = {"applied_at": "now", "attempts": 1}
    return _SQL["keep_deliveries"].bind(deliveries=Rows([row | applied for row in rows]), marks=marks)


def as_kept(
    received: Sequence[Received[Parsed]],
    rows: Sequence[Row],
    addresses: Callable[[Parsed], AbstractSet[str]] = lambda _parsed: frozenset(),
) -> list[KeptDelivery[Parsed]]:
    """The deliveries with what `keep_deliveries` returned of them; the first of each key is the new one."""
    ids = {row["dedupe_key"]: row["id"] for row in rows}
    erased = frozenset(rows[0]["erased"]) if rows else frozenset()
    kept = []
    for each in received:
        inbox_id = ids.pop(each.delivered.dedupe_key, None)
        own: frozenset[str] = frozenset()
        if erased and inbox_id is not None:
            own = erased & (marks_in_json(each.delivered.body.decode()) | addresses(each.parsed))
        kept.append(KeptDelivery(each.delivered, each.parsed, inbox_id, own))
    return kept


def cut_out_erased(kept: Sequence[KeptDelivery[Any]], redact: Redact) -> Iterator[Statement]:
    """Nothing is kept of a person who was erased: `redact`, of the delivery's source, cuts it out."""
    changes = [
        {"id": each.inbox_id, "body": redact(body, Person(addresses=each.erased)) or NOTHING_LEFT, "is_empty": False}
        for each in kept
        if each.erased
        for body in [each.delivered.body.decode()]
    ]
    if changes:
        yield _SQL["redact_deliveries"].bind(changes=Json(changes))


def set_aside(reasons: Mapping[int, str]) -> Statement:
    """By inbox id. They wait, as if they had not been applied: `crm-relay deferred replay` tries them again."""
    return _SQL["set_aside"].bind(refused=Rows([{"id": each, "reason": reason} for each, reason in reasons.items()]))


def suspect_deliveries(
    db: Queryable, needles: list[str], *, after: int, window: int, limit: int
) -> tuple[list[Row], int | None]:
    """Of the next `window` rows behind id `after` those that may hold a needle; and where to go on, None at the end."""
    rows = db.run(_SQL["suspect_deliveries"], needles=needles, after=after, window=window, limit=limit)
    return [row for row in rows if row["id"] is not None], rows[0]["last_id"]


def latest_suspects(db: Queryable, needles: list[str], *, window: int, limit: int) -> list[Row]:
    """Of the newest `window` rows those in which a needle (a text in lower case) stands, newest first.

    Each with looked_at (so many rows were looked through), since (when the oldest of them came) and has_older; where
    there is none, one row with these alone.
    """
    return db.run(_SQL["latest_suspects"], needles=needles, window=window, limit=limit)


def latest_failed_tasks(db: Queryable, *, limit: int) -> list[Row]:
    """The newest that were given up, each with `kept`: how many there are."""
    return db.run(_SQL["latest_failed_tasks"], limit=limit)


def redact_deliveries(db: Queryable, changes: Sequence[Mapping[str, object]]) -> None:
    """`id`, `body`, and for one that is not applied yet `dedupe_key` and `is_empty`. Safe to call twice."""
    db.run(_SQL["redact_deliveries"], changes=Json(list(changes)))


def failed_tasks(db: Queryable, *, after: int, limit: int) -> list[Row]:
    """A page of everything that was ever given up, by id."""
    return db.run(_SQL["failed_tasks"], after=after, limit=limit)


def redact_failed_tasks(db: Queryable, changes: Sequence[Mapping[str, object]]) -> None:
    """`id` and `payload`. Safe to call twice."""
    db.run(_SQL["redact_failed_tasks"], changes=Json(list(changes)))


def erased_among(db: Queryable, marks: Sequence[str]) -> frozenset[str]:
    """Those of these addresses and ids that belong to somebody who was erased."""
    return frozenset(db.run(_SQL["erased_among"], marks=list(marks))[0]["erased"])


def old_deliveries(db: Queryable, *, before: datetime, limit: int, larger_than: int) -> list[Row]:
    """The oldest that were applied and came before that moment: id, and source and dedupe_key of large ones."""
    return db.run(_SQL["old_deliveries"], before=before, limit=limit, larger_than=larger_than)


def last_received(db: Queryable, source: str) -> datetime | None:
    """When a delivery of `source` last arrived; None where none is kept."""
    moment: datetime | None = db.run(_SQL["last_received"], source=source)[0]["last_received"]
    return moment


def delete_deliveries(db: Queryable, ids: Sequence[int]) -> None:
    """Only what was applied. Safe to call twice."""
    db.run(_SQL["delete_deliveries"], ids=list(ids))


def keep_failed_task(db: Queryable, *, source: str, task_key: str, payload: str, error: str) -> None:
    """Safe to call twice."""
    db.run(_SQL["keep_failed_task"], source=source, task_key=task_key, payload=payload, error=error)


def list_deferred(db: Queryable, *, limit: int = 100) -> list[Row]:
    """kept_in, id, source, since, attempts and error of what waits; never its content."""
    return db.run(_SQL["list_deferred"], limit=limit)


def unapplied_deliveries(db: Queryable, *, after: int, limit: int) -> list[Row]:
    """A page of the inbox, by id."""
    return db.run(_SQL["unapplied_deliveries"], after=after, limit=limit)


def open_failed_tasks(db: Queryable, *, after: int, limit: int) -> list[Row]:
    """A page of what was given up, by id: id, payload and failed_at."""
    return db.run(_SQL["open_failed_tasks"], after=after, limit=limit)


def mark_replayed(db: Queryable, tasks: Sequence[Row]) -> None:
    """These rows of open_failed_tasks are in the queue again, unless they have failed since they were read."""
    if tasks:
        values = [{"id": task["id"], "failed_at": task["failed_at"]} for task in tasks]
        db.run(_SQL["mark_replayed"], tasks=Json(values))


def delivery_mentioning(db: Queryable, *, source: str, text: str, since: datetime) -> datetime | None:
    """When the first delivery since then with this text came in; None where none has."""
    rows = db.run(_SQL["delivery_mentioning"], source=source, text=text, since=since)
    return rows[0]["received_at"] if rows else None
