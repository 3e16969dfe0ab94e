"""Listeners of events that runs of former versions waited for go with the last of these runs."""

from collections import defaultdict
from collections.abc import Iterable
from uuid import UUID

from crm_relay.platform.database import Database, Row, Transaction
from crm_relay.platform.sql import Rows, SqlValue, queries_beside
from crm_relay.workflows.definition.listeners import waits_of
from crm_relay.workflows.definition.prove_drafts import readable
from crm_relay.workflows.entities import topics_of

_SQL = queries_beside(__file__, "waits.sql")

MOST_LOOKED_AT = 5_000


def forget_waits(db: Database) -> int:
    """How many listeners went; one statement where none has to. What a version that cannot be read listens to stays."""
    stale = _stale(db.run(_SQL["waits_listened_to"], limit=MOST_LOOKED_AT))
    return db.transact(lambda tx: _forget(tx, {key[0] for key in stale})) if stale else 0


def _forget(tx: Transaction, workflows: Iterable[UUID]) -> int:
    """Asked again behind the locks of the workflows."""
    ids = sorted(workflows)
    tx.run(_SQL["lock_definitions"], ids=ids)
    stale = _stale(tx.run(_SQL["waits_listened_to"], limit=MOST_LOOKED_AT))
    rows: list[dict[str, SqlValue]] = [
        {"workflow_id": workflow, "entity_type": entity, "topic": topic}
        for workflow, entity, topic in sorted(stale)
        if workflow in ids
    ]
    return len(tx.run(_SQL["forget_waits"], stale=Rows(rows))) if rows else 0


def _stale(rows: Iterable[Row]) -> set[tuple[UUID, str, str]]:
    listened: set[tuple[UUID, str, str]] = set()
    wanted: set[tuple[UUID, str, str]] = set()
    unreadable: set[UUID] = set()
    programs: defaultdict[UUID, list[Row]] = defaultdict(list)
    for row in rows:
        listened.add((row["workflow_id"], row["entity_type"], row["topic"]))
        if row["is_first"] and row["program"] is not None:
            programs[row["workflow_id"]].append(row)
    for workflow, versions in programs.items():
        for row in versions:
            program = readable(row["program"], workflow)
            if program is None:
                unreadable.add(workflow)
                continue
            wanted |= {(workflow, each.entity_type.value, each.topic) for each in waits_of(program)}
            if row["is_active"]:
                topics = {topic for trigger in program.triggers for topic in topics_of(program.entity_type, trigger)}
                wanted |= {(workflow, program.entity_type.value, topic) for topic in topics}
    return {each for each in listened - wanted if each[0] not in unreadable}
