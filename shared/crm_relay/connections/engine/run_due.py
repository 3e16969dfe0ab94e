"""Syncs every connection whose time has come, and keeps grants alive that expire; no connection stops another."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from crm_relay.connections import store, trouble
from crm_relay.connections.engine.open_sync import find_sync, open_sync
from crm_relay.connections.engine.record_sync import RecordSync
from crm_relay.connections.installed.context import ConnectionContext
from crm_relay.connections.models import SyncResult
from crm_relay.connections.tokens import store as token_store
from crm_relay.connections.tokens.models import REFRESH_AFTER
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.errors import OF_ONE_ROW, FatalError, TransientError, describe_error
from crm_relay.platform.logging import logger
from crm_relay.providers.connectors.contract import AudienceConnector

_LEAST_SECONDS = 20.0
_BATCH = 20
_PUT_OFF = timedelta(minutes=15)
_KEEP_ALIVE = 50
_HELD_FOR_A_LOOK = {"preview", "confirmation"}


@dataclass
class ConnectionsReport:
    """What one run did. `is_finished`: nothing that is due was left for want of time."""

    outcomes: Counter[str] = field(default_factory=Counter)
    records: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    refreshed: int = 0
    is_finished: bool = True

    def as_json(self) -> Mapping[str, Any]:
        """Counts alone."""
        return {
            "connections": dict(self.outcomes),
            "records": dict(self.records),
            "requests": self.requests,
            "refreshed": self.refreshed,
            "finished": self.is_finished,
        }


def run_due(db: Database, context: ConnectionContext, clock: Clock, deadline: Deadline) -> ConnectionsReport:
    """One statement where nothing is due. Any number may run side by side: a lease keeps two off one connection.

    Raises what is wrong with the database; whatever one connection's vendor or settings do is recorded with it.
    """
    report, tried = ConnectionsReport(), list[UUID]()
    kinds = sorted(context.setups)
    audiences = [each for each in kinds if isinstance(context.setup(each).connector, AudienceConnector)]
    while due := store.due_connections(db, kinds, audiences, tried, clock(), _BATCH):
        for connection_id in due:
            if not deadline.allows(_LEAST_SECONDS):
                report.is_finished = False
                return report
            tried.append(connection_id)
            _sync_one(db, context, clock, deadline, connection_id, report)
    return report


def _sync_one(
    db: Database,
    context: ConnectionContext,
    clock: Clock,
    deadline: Deadline,
    connection_id: UUID,
    report: ConnectionsReport,
) -> None:
    try:
        result = _result_of(db, context, clock, deadline, connection_id)
    except (TransientError, FatalError, *OF_ONE_ROW) as error:
        # Where it is the database that is away, this raises as well, and the run ends.
        reason = describe_error(error)
        store.put_off(db, connection_id, clock() + _PUT_OFF, reason, clock())
        logger().warning("a connection could not be synced", connection=str(connection_id), reason=reason)
        report.outcomes["failed"] += 1
        return
    report.outcomes[str(result.metadata.get("outcome", "failed"))] += 1
    report.requests += int(result.metadata.get("requests", 0))
    report.records.update(created=result.records_created, updated=result.records_updated, failed=result.records_failed)


def _result_of(
    db: Database, context: ConnectionContext, clock: Clock, deadline: Deadline, connection_id: UUID
) -> SyncResult:
    sync, row = find_sync(db, context, connection_id, clock=clock, deadline=deadline)
    began = clock()
    try:
        sync.initialize_as(row)
    except (TransientError, FatalError, *OF_ONE_ROW) as error:
        sync.handle_sync_error(error)
        return sync.create_failed_result("bidirectional", error, began)
    if sync.connection.held_for in _HELD_FOR_A_LOOK:
        return sync.take_departures()
    return _first_look(sync, clock()) or sync.sync(may_shrink=row.may_shrink)


def _first_look(sync: RecordSync, now: datetime) -> SyncResult | None:
    """Before anybody has confirmed it a connection is only previewed, and waits; None: it was confirmed."""
    row = sync.connection
    if row.confirmed_at is not None:
        return None
    result = sync.preview()
    if not result.success:
        sync.record_failed_preview(result)
        return result
    consequences = {name: each["consequences"] for name, each in dict(result.metadata.get("streams", {})).items()}
    reason = "the first sync waits for a look at what it would do"
    trouble.hold(sync.db, row, "preview", {"consequences": consequences}, reason, now)
    return result


def keep_grants_alive(db: Database, context: ConnectionContext, clock: Clock, deadline: Deadline) -> int:
    """Refresh grants that expire and were not refreshed for a day, also of connections that are paused; how many."""
    refreshed = 0
    for connection_id in token_store.grants_to_refresh(db, clock(), REFRESH_AFTER, _KEEP_ALIVE):
        if not deadline.allows(_LEAST_SECONDS):
            break
        try:
            sync = open_sync(db, context, connection_id, clock=clock, deadline=deadline)
            sync.refresh_oauth_token()
            refreshed += 1
        except (TransientError, FatalError, *OF_ONE_ROW) as error:
            logger().warning(
                "a grant could not be kept alive", connection=str(connection_id), reason=describe_error(error)
            )
    return refreshed
