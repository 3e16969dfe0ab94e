"""Erases a person from workflows: runs about them end, and runs, events and requests say nothing of them any more."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from crm_relay.consent.person import Person
from crm_relay.consent.traces import Traces
from crm_relay.platform.database import Database, Queryable, Row, Transaction
from crm_relay.platform.sql import queries_beside
from crm_relay.workflows.events.erase import lock_events, redact_events
from crm_relay.workflows.operations.steer import RunChange, change_locked_runs

_SQL = queries_beside(__file__, "erase.sql")
_WHO = "erasure"

SEARCHED: Final = (
    "entity_events",
    "workflow_actions",
    "workflow_approvals",
    "workflow_execution_logs",
    "workflow_executions",
    "workflow_start_decisions",
    "workflow_steps",
    "workflow_versions",
    "workflow_webhooks",
    "workflows",
)
"""Tables in which anybody may be mentioned: what a definition says, or what a request to the API brought along."""


@dataclass(frozen=True)
class _Contacts:
    ids: list[UUID]
    names: list[str]


def erase_workflows(db: Database, person: Person, now: datetime) -> Row:
    """Table -> rows that lost the person. One transaction; safe to call twice.

    Before the contact loses its address: by that the runs are found. Mails are erased with their ledger.
    """
    return db.transact(lambda tx: erase_in_workflows(tx, person, now))


def erase_in_workflows(tx: Transaction, person: Person, now: datetime) -> Row:
    """The same, at the beginning of a transaction that takes away what is left; its changes become no events.

    Runs about the contact, their enrollments and their activities are cancelled. Those of a deal, submission or
    placement go on; a request of theirs that has not left is cancelled, and its step fails as `erased`. Decisions of a
    colleague stay, without their name.
    """
    tx.run(_SQL["note_nothing"])
    decided = tx.run(_SQL["redact_deciders"], addresses=sorted(person.addresses), now=now)
    contacts = _contacts_of(tx, person)
    if not contacts.ids:
        return {"workflow_approvals": len(decided)} if decided else {}
    lock_events(tx, contacts.ids)
    runs = tx.run(_SQL["lock_runs"], contacts=contacts.ids)
    events = redact_events(tx, contacts.ids)
    tx.run(_SQL["handle_events"], contacts=contacts.ids, now=now)
    reached = {name: events[name] for name in ("entity_events", "workflow_start_decisions")}
    erased = _erase_runs(tx, contacts, runs, now) | reached
    return erased | {"workflow_approvals": erased["workflow_approvals"] + len(decided)}


def count_in_workflows(db: Queryable, person: Person) -> Row:
    """Table -> rows that erase_workflows would change."""
    return db.run(_SQL["count_runs"], contacts=_contacts_of(db, person).ids)[0]


def redact_mentions(db: Queryable, traces: Traces, tables: Sequence[str]) -> Row:
    """Table -> rows in which a mention was replaced, of those of `tables` that are in SEARCHED. Safe to call twice.

    A definition that names the person, such as the address of a step, fails its check from then on, or skips that step.
    """
    relations = sorted(set(tables) & set(SEARCHED))
    rows = db.run(_SQL["redact_mentions"], relations=relations, needles=traces.needles, pattern=traces.pattern)
    return {row["relation"]: row["rows"] for row in rows}


def _erase_runs(tx: Transaction, contacts: _Contacts, rows: Sequence[Row], now: datetime) -> Row:
    every = [row["id"] for row in rows]
    own = [row["id"] for row in rows if row["is_own"]]
    ended = [row["id"] for row in rows if row["is_open"]]
    tx.run(_SQL["redact_decisions"], contacts=contacts.ids, names=contacts.names)
    (reached,) = tx.run(_SQL["redact_runs"], own=own, all=every, now=now)
    if ended:
        change_locked_runs(tx, RunChange.CANCEL, ended, now, who=_WHO)
        tx.run(_SQL["say_why"], runs=ended)
    known = {"own": own, "all": every, "names": contacts.names}
    reached["workflow_approvals"] = len(tx.run(_SQL["redact_approvals"], **known, now=now))
    reached["activities"] = len(tx.run(_SQL["redact_activities"], **known, now=now))
    reached["notifications"] = len(tx.run(_SQL["remove_notifications"], **known))
    return reached | {"cancelled runs": len(ended)}


def _contacts_of(db: Queryable, person: Person) -> _Contacts:
    rows = db.run(_SQL["find_contacts"], addresses=sorted(person.addresses))
    names = {name for row in rows for name in row["names"]}
    return _Contacts(sorted({row["id"] for row in rows}), sorted(names))
