"""The engine's SQL: claims, what decides about runs, and what is recorded of them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from crm_relay.platform.database import Queryable, Row, Transaction
from crm_relay.platform.sql import Json, Rows, SqlValue, Statement, queries_beside

_SQL = queries_beside(__file__)
_LOCKS = queries_beside(__file__, "locks.sql")

_LOCK_OF = {
    "accounts": _LOCKS["lock_accounts"],
    "activities": _LOCKS["lock_activities"],
    "contacts": _LOCKS["lock_contacts"],
    "deals": _LOCKS["lock_deals"],
    "jobs": _LOCKS["lock_jobs"],
    "placements": _LOCKS["lock_placements"],
    "submissions": _LOCKS["lock_submissions"],
}

SqlRow = dict[str, SqlValue]


def claim_runs(
    db: Queryable, now: datetime, *, limit: int, only: Sequence[UUID] | None = None, without: Sequence[UUID] = ()
) -> list[Row]:
    """id, workflow_id, version, entity_type, entity_id and place; locked until the transaction ends.

    `only` these runs, None: all that are due; `without` the runs of these workflows.
    """
    given = None if only is None else list(only)
    return db.run(_SQL["claim_runs"], now=now, limit=limit, only=given, without=list(without))


def read_versions(db: Queryable, versions: Sequence[tuple[UUID, int]]) -> list[Row]:
    """workflow_id, version and program."""
    if not versions:
        return []
    rows: list[SqlRow] = [{"workflow_id": workflow, "version": version} for workflow, version in versions]
    return db.run(_SQL["read_versions"], versions=Rows(rows))


def lock_and_read(
    tx: Transaction, targets: Mapping[str, Sequence[UUID]], ids: Sequence[UUID], now: datetime
) -> tuple[frozenset[UUID], list[Row]]:
    """One message: the records (by table) that nobody else has locked, and behind those locks the runs of `ids`."""
    locks = [_LOCK_OF[table].bind(ids=list(wanted)) for table, wanted in sorted(targets.items())]
    *locked, rows = tx.send_all([*locks, _SQL["read_runs"].bind(ids=list(ids), now=now)])
    return frozenset(row["id"] for part in locked for row in part), rows


def senders(orgs: Sequence[UUID]) -> Statement:
    """org_id, postal_address, and the columns of an Identity; id is None where the organization has none."""
    return _SQL["read_senders"].bind(orgs=list(orgs))


def templates(orgs: Sequence[UUID], keys: Sequence[str]) -> Statement:
    """Rows of `email_templates`."""
    return _SQL["read_templates"].bind(orgs=list(orgs), keys=list(keys))


def people(orgs: Sequence[UUID]) -> Statement:
    """The columns of a Assignee."""
    return _SQL["read_people"].bind(orgs=list(orgs))


def turns(pools: Sequence[tuple[UUID, str]]) -> Statement:
    """workflow_id, pool and last_user_id; locked until the transaction ends."""
    return _SQL["take_turns"].bind(pools=Rows([{"workflow_id": workflow, "pool": pool} for workflow, pool in pools]))


def budgets(kinds: Sequence[tuple[UUID, str]], now: datetime) -> Statement:
    """workflow_id, kind and amount; locked until the transaction ends."""
    rows: list[SqlRow] = [{"workflow_id": workflow, "kind": kind} for workflow, kind in kinds]
    return _SQL["take_budgets"].bind(budgets=Rows(rows), day=_day(now))


def happened(asked: Sequence[SqlRow], now: datetime) -> Statement:
    """run_id, name and at; asked by run_id, org_id, since, address, contact_id, entity_type and entity_id."""
    return _SQL["read_happened"].bind(asked=Rows(asked), now=now)


def adding_activities(rows: Sequence[Mapping[str, Any]], now: datetime) -> Statement:
    """Those that steps made."""
    given: list[SqlRow] = [{**row, "metadata": Json(row["metadata"])} for row in rows]
    return _SQL["add_activities"].bind(activities=Rows(given), now=now)


def naming_causes(causes: Mapping[str, Any]) -> Statement:
    """`{"*": depth, record id: [run id, depth]}`, until the transaction ends."""
    return _SQL["name_causes"].bind(causes=Json(causes))


def writing_fields(table: str, changes: Sequence[Mapping[str, Any]], now: datetime) -> Statement:
    """Each with id, fields and by."""
    return _SQL["write_fields"].bind(target=table, changes=Json(list(changes)), now=now)


def entering(states: Sequence[tuple[UUID, UUID]], now: datetime) -> Statement:
    """Instance and state."""
    rows: list[SqlRow] = [{"instance_id": instance, "state_id": state} for instance, state in states]
    return _SQL["enter_states"].bind(states=Rows(rows), now=now)


def recording_turns(turns: Sequence[tuple[UUID, str, UUID]]) -> Statement:
    """Workflow, pool and who was taken."""
    rows: list[SqlRow] = [{"workflow_id": each[0], "pool": each[1], "user_id": each[2]} for each in turns]
    return _SQL["record_turns"].bind(turns=Rows(rows))


def counting(effects: Sequence[tuple[UUID, str, int]], now: datetime) -> Statement:
    """Workflow, kind and how many more."""
    rows: list[SqlRow] = [{"workflow_id": each[0], "kind": each[1], "amount": each[2]} for each in effects]
    return _SQL["count_effects"].bind(effects=Rows(rows), day=_day(now))


def adding_webhooks(rows: Sequence[Mapping[str, Any]], now: datetime) -> Statement:
    """Those that steps made."""
    given: list[SqlRow] = [{**row, "headers": Json(row["headers"])} for row in rows]
    return _SQL["add_webhooks"].bind(webhooks=Rows(given), now=now)


def pause_workflows(db: Queryable, workflows: Sequence[UUID], now: datetime) -> None:
    """Their budget is used up."""
    db.run(_SQL["pause_workflows"], ids=list(workflows), now=now)


def postponing(runs: Sequence[UUID], until: datetime) -> Statement:
    """Their record is busy."""
    return _SQL["postpone_runs"].bind(ids=list(runs), until=until)


def recording(rows: Mapping[str, Sequence[SqlRow]], now: datetime) -> Statement:
    """`rows` by the parameters of the statement: steps, actions, lines, waits, answers and runs."""
    return _SQL["record_runs"].bind(**{name: Rows(given) for name, given in rows.items()}, now=now)


def set_aside(db: Queryable, run_id: UUID, reason: str, now: datetime) -> None:
    """It says why; its incident keeps it from being claimed."""
    db.run(_SQL["set_aside"], id=run_id, reason=reason, now=now)


def _day(now: datetime) -> str:
    return now.astimezone(UTC).date().isoformat()
