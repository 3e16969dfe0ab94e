"""The inbox's SQL."""

from collections.abc import Sequence

from crm_relay.inbox.models import Delivered
from crm_relay.platform.database import Row, Runs
from crm_relay.platform.sql import Json, queries_beside

_SQL = queries_beside(__file__)


def keep_delivery(db: Runs, delivered: Delivered) -> bool:
    """Whether its effects are still to be applied; False where they were before."""
    rows = db.run(
        _SQL["keep_delivery"],
        source=delivered.source,
        workspace_name=delivered.workspace_name,
        dedupe_key=delivered.dedupe_key,
        headers=Json(delivered.kept_headers),
        body=delivered.body.decode(),
        received_at=delivered.received_at,
    )
    return bool(rows)


def keep_failed_task(db: Runs, *, source: str, task_key: str, payload: str, error: str) -> None:
    """Safe to call twice."""
    db.run(_SQL["keep_failed_task"], source=source, task_key=task_key, payload=payload, error=error)


def list_deferred(db: Runs, *, at_most: int = 100) -> list[Row]:
    """kept_in, id, source, since, attempts and error of what waits; never its content."""
    return db.run(_SQL["list_deferred"], at_most=at_most)


def unapplied_deliveries(db: Runs, *, after: int, at_most: int) -> list[Row]:
    """A page of the inbox, by id."""
    return db.run(_SQL["unapplied_deliveries"], after=after, at_most=at_most)


def open_failed_tasks(db: Runs, *, after: int, at_most: int) -> list[Row]:
    """A page of what was given up, by id."""
    return db.run(_SQL["open_failed_tasks"], after=after, at_most=at_most)


def mark_replayed(db: Runs, ids: Sequence[int]) -> None:
    """These are in the queue again."""
    if ids:
        db.run(_SQL["mark_replayed"], ids=list(ids))
