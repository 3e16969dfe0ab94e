"""The SQL of events."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from crm_relay.platform.database import Queryable, Row, Transaction
from crm_relay.platform.sql import Rows, SqlValue, queries_beside
from crm_relay.workflows.entities import ENTITIES

_SQL = queries_beside(__file__)


def listen_to_changes(db: Queryable) -> list[Row]:
    """`relation` and `failure` (an SQLSTATE, or None) of each table whose triggers differed."""
    return db.run(_SQL["listen_to_changes"])


def recovered(db: Queryable) -> list[str]:
    """Tables with an open incident whose events come again."""
    tables = Rows([{"relation": each.table, "entity_type": kind.value} for kind, each in ENTITIES.items()])
    return [row["subject"] for row in db.run(_SQL["recovered"], tables=tables)]


def emit(db: Queryable, **event: SqlValue) -> Row:
    """`is_heard`, `new_id` and `known_id`."""
    return db.run(_SQL["emit"], **event)[0]


def remove_old(db: Queryable, *, before: datetime, limit: int) -> int:
    """How many went."""
    return int(db.run(_SQL["remove_old"], before=before, limit=limit)[0]["removed"])


def lock_traces(tx: Transaction, contacts: Sequence[UUID]) -> None:
    """Events of the contacts and of what is theirs."""
    tx.run(_SQL["lock_traces"], contacts=list(contacts))


def redact(tx: Transaction, contacts: Sequence[UUID]) -> Row:
    """Table -> rows that lost their values; the events are locked first."""
    ids = list(contacts)
    return tx.send_all([_SQL["lock_traces"].bind(contacts=ids), _SQL["redact"].bind(contacts=ids)])[1][0]
