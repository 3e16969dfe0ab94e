"""Reads records of the CRM with what hangs on them, many in one statement."""

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Final
from uuid import UUID

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import queries_beside
from crm_relay.rules.record_conditions import RecordFacts
from crm_relay.workflows.models import EntityType

_SQL = queries_beside(__file__, "records.sql")

RecordKey = tuple[str, UUID]
"""Entity type and id."""

GONE = RecordFacts(None)

_BY_NUMBER: Final = attrgetter("int")


def read_records(db: Queryable, keys: Iterable[RecordKey]) -> Mapping[RecordKey, RecordFacts]:
    """As JSON has their values; a record that is gone is missing. One statement, none without keys."""
    wanted = set(keys)
    if not wanted:
        return {}
    ids: dict[str, list[UUID]] = {each.value: [] for each in EntityType}
    for kind, id_ in wanted:
        if kind in ids:
            ids[kind].append(id_)
    for each in ids.values():
        each.sort(key=_BY_NUMBER)
    return {(row["entity_type"], row["id"]): _facts(row) for row in db.run(_SQL["read_records"], **ids)}


def next_records(db: Queryable, org_id: UUID, entity_type: str, after: UUID | None, *, limit: int) -> list[UUID]:
    """Ids behind `after`, in their order."""
    rows = db.run(_SQL["next_records"], org_id=org_id, entity_type=entity_type, after=after, limit=limit)
    return [row["id"] for row in rows]


def _facts(row: Row) -> RecordFacts:
    return RecordFacts(row["record"], row["contact"], row["account"], row["owner"])
