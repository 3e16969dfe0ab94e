"""Repairs what a crash, SQL or a colleague who left has done to approvals, and ends those of runs that end."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from crm_relay.incidents.record import close_incidents
from crm_relay.notifications.withdraw import withdrawing
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.sql import queries_beside
from crm_relay.workflows.approvals.models import ENTITY, UNDECIDABLE

_SQL = queries_beside(__file__, "sweeps.sql")


def repair_approvals(db: Database, now: datetime) -> int:
    """How many runs are due by it. Safe to call at any time, beside any number of workers."""
    woken = db.run(_SQL["wake_without_approver"], now=now)
    db.transact(lambda tx: _withdraw(tx, [row["id"] for row in tx.run(_SQL["end_orphaned"], now=now)], now))
    close_incidents(db, UNDECIDABLE, [row["subject"] for row in db.run(_SQL["decidable_again"])], now)
    return len(woken)


def end_approvals(tx: Transaction, runs: Sequence[UUID], reason: str, now: datetime) -> None:
    """In the transaction that ends the runs and has locked them; nobody is asked about them any more."""
    _withdraw(tx, [row["id"] for row in tx.run(_SQL["end_approvals"], runs=list(runs), reason=reason, now=now)], now)


def _withdraw(tx: Transaction, approvals: Sequence[UUID], now: datetime) -> None:
    if approvals:
        tx.send_all([withdrawing(ENTITY, approvals, now)])
