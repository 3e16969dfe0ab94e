"""What of workflows lacks its effect, or is moved by nothing any more."""

from datetime import datetime

from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import queries_beside
from crm_relay.workflows.entities import ENTITIES

_SQL = queries_beside(__file__, "unmoved.sql")


def contradicting_workflows(db: Queryable, *, settled_before: datetime, limit: int) -> list[Row]:
    """entity, id, what, state, other, total; of what has not changed since `settled_before`."""
    tables = {kind.value: each.table for kind, each in ENTITIES.items()}
    known = {"entity_types": list(tables), "tables": list(tables.values())}
    return db.run(_SQL["contradicting_workflows"], settled_before=settled_before, limit=limit, **known)
