"""Removes what workflows have kept long enough; nothing that still waits goes, however old it is."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.parts import Parts
from crm_relay.platform.sql import Query, queries_beside
from crm_relay.workflows.events.tidy_up import KEPT_DAYS, remove_old_events

_SQL = queries_beside(__file__, "retention.sql")
_SECONDS = 15.0
_BATCH = 5_000
_RUNS = 500
"""A run takes its steps, actions and lines with it."""


@dataclass(frozen=True)
class WorkflowRetention:
    """Days. Events and the reasons of starts stay `KEPT_DAYS` of the events, in which a draft can be rehearsed."""

    logs: int = 90
    runs: int = 365


def remove_old(db: Database, now: datetime, deadline: Deadline, kept: WorkflowRetention, parts: Parts) -> Counter[str]:
    """Rows that went, by kind; in batches, as long as time allows. What one kind raises stops no other."""
    old = _OldRows(db, now, deadline, parts)
    removed = Counter(
        entity_events=parts.run("old entity_events", lambda: remove_old_events(db, now, deadline)) or 0,
        workflow_execution_logs=old.remove("remove_logs", kept.logs, _BATCH),
        workflow_start_decisions=old.remove("remove_decisions", KEPT_DAYS, _BATCH),
        workflow_executions=old.remove("remove_runs", kept.runs, _RUNS),
        workflow_backfills=old.remove("remove_backfills", kept.runs, _BATCH),
        workflow_effects=old.remove("remove_spent", KEPT_DAYS, _BATCH),
    )
    return +removed


@dataclass(frozen=True)
class _OldRows:
    db: Database
    now: datetime
    deadline: Deadline
    parts: Parts

    def remove(self, query: str, days: int, limit: int) -> int:
        return self.parts.run(query, lambda: self._in_batches(_SQL[query], days, limit)) or 0

    def _in_batches(self, query: Query, days: int, limit: int) -> int:
        removed, before = 0, self.now - timedelta(days=days)
        while self.deadline.allows(_SECONDS):
            done = int(self.db.run(query, before=before, limit=limit)[0]["removed"])
            removed += done
            if done < limit:
                break
        return removed
