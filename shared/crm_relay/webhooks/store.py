"""The inbox's SQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from crm_relay.consent.person import Person
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Json, queries_beside
from crm_relay.webhooks.models import Delivered
from crm_relay.webhooks.redact import NOTHING_LEFT, marks_in
from crm_relay.webhooks.source import Redact

_SQL = queries_beside(__file__)


def keep_delivery(db: Queryable, delivered: Delivered, redact: Redact) -> bool:
    """Whether its effects are still to be applied; False where they were before.

    Of a person who was erased nothing is kept: `redact`, of the delivery's source, cuts it out. That costs a second
    statement only where one of them is in it.
    """
    body = delivered.body.decode()
    rows = db.run(
        _SQL["keep_delivery"],
        source=delivered.source,
        workspace_name=delivered.workspace_name,
        dedupe_key=delivered.dedupe_key,
        headers=Json(delivered.kept_headers),
        body=body,
        received_at=delivered.received_at,
        marks=sorted(marks_in(body)),
    )
    if rows and rows[0]["erased"]:
        redacted = redact(body, Person(addresses=frozenset(rows[0]["erased"]))) or NOTHING_LEFT
        redact_deliveries(db, [{"id": rows[0]["id"], "body": redacted, "is_empty": False}])
    return bool(rows)


def set_aside(db: Queryable, delivered: Delivered, reason: str) -> None:
    """It waits, as if it had not been applied: `crm-relay deferred replay` tries it again."""
    db.run(_SQL["set_aside"], source=delivered.source, dedupe_key=delivered.dedupe_key, reason=reason)


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
    """A page of what was given up, by id."""
    return db.run(_SQL["open_failed_tasks"], after=after, limit=limit)


def mark_replayed(db: Queryable, ids: Sequence[int]) -> None:
    """These are in the queue again."""
    if ids:
        db.run(_SQL["mark_replayed"], ids=list(ids))


def delivery_mentioning(db: Queryable, *, source: str, text: str, since: datetime) -> datetime | None:
    """When the first delivery since then with this text came in; None where none has."""
    rows = db.run(_SQL["delivery_mentioning"], source=source, text=text, since=since)
    return rows[0]["received_at"] if rows else None
