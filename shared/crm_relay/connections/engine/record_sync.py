"""A connection whose connector has streams of records: both ways by the engine."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from crm_relay.connections import store
from crm_relay.connections.base import BaseIntegrationSync
from crm_relay.connections.config import failed_result
from crm_relay.connections.decisions import (
    Failure,
    after_run,
    complete_pass_is_due,
    pace_of,
    worst,
)
from crm_relay.connections.engine.connection_access import ConnectionAccess
from crm_relay.connections.engine.report_troubles import report_troubles
from crm_relay.connections.engine.sync_settings import read_sync_settings
from crm_relay.connections.engine.sync_stream import StreamOrder, StreamReport, sync_stream
from crm_relay.connections.limits import store as limit_store
from crm_relay.connections.limits.limiter import Limiter
from crm_relay.connections.limits.of_connection import limits_of
from crm_relay.connections.models import Direction, SyncResult
from crm_relay.connections.records import store as record_store
from crm_relay.connections.records.store import Checkpoint, StreamKey
from crm_relay.connections.records.stream_run import StreamRun
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.errors import OF_ONE_ROW, FatalError, RejectedInput, TransientError
from crm_relay.providers.connectors.contract import Account, Limit
from crm_relay.providers.connectors.failures import ReconnectNeeded

_OF_ACCOUNT = {"billing", "reconnect"}
"""What the first stream finds out about the account is true of the others."""

_LEASE_SLACK = 120.0
_WITHOUT_DEADLINE = 840.0


class SyncBusy(TransientError):
    """Another worker is syncing this connection."""


@dataclass
class SyncProgress:
    """What a sync found out, stream by stream."""

    reports: list[StreamReport] = field(default_factory=list)
    requests: int = 0

    @property
    def failure(self) -> Failure:
        return worst([each.failure for each in self.reports])

    def count(self, side: str, *words: str) -> int:
        return sum(getattr(each, side)[word] for each in self.reports for word in words)


class RecordSync(BaseIntegrationSync):
    """By the connector of this name in the context; see `providers/connectors/contract.py` for the order of calls."""

    integration_name = ""

    def __init__(
        self,
        workspace_id: UUID | str,
        db: Database,
        label: str | None = None,
        *,
        deadline: Deadline | None = None,
        clock: Clock | None = None,
        **more: Any,
    ) -> None:
        super().__init__(workspace_id, db, label, clock=clock, **more)
        self.deadline = deadline
        self._limiter: Limiter | None = None

    def get_integration_name(self) -> str:
        """Of the class, or of who made it."""
        return self.integration_name

    def validate_credentials(self) -> bool:
        """By one light request. Raises TransientError where the vendor cannot be asked now."""
        self.ensure_initialized()
        try:
            with self.opened() as account:
                account.info()
        except ReconnectNeeded:
            return False
        return True

    def sync_to_external(self, records: Sequence[Mapping[str, Any]] | None = None) -> SyncResult:
        """Send what changed; `records`: of these contacts alone. Their changes are read first, so that none is lost."""
        chosen = None if records is None else frozenset(UUID(str(each["id"])) for each in records)
        return self._sync("to_external", StreamOrder(writes=True, chosen=chosen))

    def sync_from_external(self) -> SyncResult:
        """Take over what changed there."""
        return self._sync("from_external", StreamOrder(writes=False))

    def sync(self, *, complete: bool = False, may_shrink: bool = False) -> SyncResult:
        """Both ways. `complete`: read all of it and compare, though it is not due."""
        return self._sync("bidirectional", StreamOrder(complete=complete, may_shrink=may_shrink))

    def take_departures(self) -> SyncResult:
        """Who left either side of an audience; the rest waits for somebody's look."""
        return self._sync("bidirectional", StreamOrder(departures_alone=True))

    def preview(self) -> SyncResult:
        """What `sync` would do now, with what would be removed; nothing is written on either side."""
        return self._sync("bidirectional", StreamOrder(complete=True, is_dry=True))

    def record_failed_preview(self, result: SyncResult) -> None:
        """A preview that failed counts as the sync that it stands for."""
        failure = result.metadata.get("outcome", "failure")
        now, row = self.now(), self._current()
        state = after_run(row.state, failure, now)
        reason = result.errors[-1] if result.errors else failure
        store.run(
            self.db,
            store.recording_state(
                row.id, state, error_message=reason, has_synced=False, began_at=result.started_at, now=now
            ),
        )
        self.log_activity({"action": "sync_failed", "success": False, "error_message": reason})

    @contextmanager
    def opened(self) -> Iterator[Account]:
        """The account, with permits and tokens; what is left of the permits is given back."""
        setup = self.context.setup(self.get_integration_name())
        limiter = Limiter(
            self.db,
            self.limits(),
            self.deadline or Deadline.after(_WITHOUT_DEADLINE),
            sleep=self.context.sleep or time.sleep,
        )
        self._limiter = limiter
        try:
            yield setup.open_account(ConnectionAccess(limiter, self.tokens.keeper), self.connection.settings)
        finally:
            limiter.finish()

    def limits(self) -> list[Limit]:
        """The vendor's, and the month's requests that the settings allow."""
        row = self.connection
        return limits_of(self.context.setup(self.get_integration_name()).connector, row.settings, row.id)

    def _sync(self, direction: Direction, order: StreamOrder) -> SyncResult:
        began = self.now()
        try:
            self.ensure_initialized()
            with self._lease():
                run = SyncProgress()
                self._run_streams(run, order)
        except SyncBusy as error:
            return failed_result(direction, error, began, self.now())
        except (TransientError, FatalError, *OF_ONE_ROW) as error:
            # The document: a failed sync is a result, and no exception.
            if not order.is_dry and self.config is not None:
                self.handle_sync_error(error)
            return self.create_failed_result(direction, error, began)
        result = self._result(direction, run, began)
        if not order.is_dry:
            self._record(result, run, has_synced=not order.departures_alone)
        return result

    @contextmanager
    def _lease(self) -> Iterator[None]:
        lease = uuid4()
        seconds = (self.deadline.seconds_left if self.deadline else _WITHOUT_DEADLINE) + _LEASE_SLACK
        if not store.take_sync_lease(self.db, self.connection.id, lease, seconds):
            raise SyncBusy("another sync of this connection is running")
        try:
            yield
        finally:
            store.release_sync_lease(self.db, self.connection.id, lease)

    def _run_streams(self, run: SyncProgress, order: StreamOrder) -> None:
        row = self.connection
        if row.org_id is None:
            raise RejectedInput("the workspace belongs to no organization")
        rules = read_sync_settings(row.settings).rules
        with self.opened() as account:
            for stream in account.streams():
                key = StreamKey(row.id, stream.name, row.org_id)
                deadline = self.run_deadline()
                one = StreamRun(self.db, stream, key, rules, self.now, deadline, order.is_dry, order.may_shrink)
                before = record_store.read_checkpoint(self.db, key)
                due = order.complete or self._is_complete_due(before)
                run.reports.append(sync_stream(one, order, before, complete=due))
                if run.failure in _OF_ACCOUNT:
                    break
            run.requests = self._limiter.requests if self._limiter else 0

    def run_deadline(self) -> Deadline:
        """Of the run, or a long one where nobody set any."""
        return self.deadline or Deadline.after(_WITHOUT_DEADLINE)

    def _is_complete_due(self, checkpoint: Checkpoint) -> bool:
        monthly = min((each.monthly for each in self.limits() if each.monthly is not None), default=None)
        return complete_pass_is_due(
            checkpoint.completed_at, self.now(), requests=checkpoint.known // 100 + 1, monthly=monthly
        )

    def _result(self, direction: Direction, run: SyncProgress, began: datetime) -> SyncResult:
        sides = {"to_external": ("outgoing",), "from_external": ("incoming",)}.get(direction, ("outgoing", "incoming"))
        created = sum(run.count(side, "created") for side in sides)
        updated = sum(run.count(side, "updated") for side in sides)
        failed = sum(run.count(side, "failed") for side in sides)
        errors = tuple(reason for each in run.reports for reason in each.errors)
        now = self.now()
        return SyncResult(
            success=run.failure in {"none", "partial"},
            direction=direction,
            records_synced=created + updated,
            records_created=created,
            records_updated=updated,
            records_failed=failed,
            errors=errors,
            duration_ms=max(0, (now - began) // timedelta(milliseconds=1)),
            started_at=began,
            completed_at=now,
            metadata={
                "requests": run.requests,
                "outcome": run.failure,
                "streams": {each.stream: each.as_json() for each in run.reports},
            },
        )

    def _record(self, result: SyncResult, run: SyncProgress, *, has_synced: bool = True) -> None:
        """State, log and incidents; a stream that stopped alone does not stop the connection."""
        row, now, failure = self._current(), self.now(), run.failure
        state = after_run(row.state, failure, now, pace=self._pace(run, now))
        worked = failure in {"none", "partial", "stream"}
        reason = None if worked else next((each.errors[-1] for each in run.reports if each.errors), failure)
        statements = [
            store.recording_state(
                row.id,
                state,
                error_message=reason,
                has_synced=worked and has_synced,
                began_at=result.started_at,
                now=now,
            ),
            store.logging_sync(row.id, result),
        ]
        self.db.transact(lambda tx: tx.finish(statements))
        report_troubles(self.db, row, run.reports, state.status, reason, now)
        if not worked:
            self.log_activity(
                {"action": "sync_failed", "success": False, "error_message": reason, "metadata": {"class": failure}}
            )

    def _pace(self, run: SyncProgress, now: datetime) -> timedelta | None:
        limits = [each for each in self.limits() if each.monthly is not None]
        if not limits:
            return None
        used = limit_store.used_this_month(self.db, [each.scope for each in limits])
        paces = [pace_of(each.monthly, used.get(each.scope, 0), run.requests, now) for each in limits]
        return max((each for each in paces if each is not None), default=None)
