"""The outside world of integrity_check, built once per execution environment."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from crm_relay.edge_cache.dynamo.dynamo_table import DynamoTable
from crm_relay.edge_cache.replication.run import SyncRun
from crm_relay.edge_cache.table import EdgeTable
from crm_relay.incidents.channels import channels
from crm_relay.incidents.send_alerts import AlertChannel, send_alerts
from crm_relay.integrity.models import CHECKS, CheckOrder, CheckReport, Inspection
from crm_relay.integrity.revert import Reverted, revert
from crm_relay.integrity.run_checks import run_checks
from crm_relay.platform.aws.lease import Lease
from crm_relay.platform.aws.queue import send_message
from crm_relay.platform.clock import Deadline, LambdaContext, utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput, TransientError
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.logging import count_metric, logger
from crm_relay.platform.settings import read_settings
from integrity_check.settings import Settings

_RESERVE_SECONDS = 15.0
_STEP_ASIDE_SECONDS = 30
_SCHEDULE = "schedule"
_LEASE_SECONDS = 930.0
"""Longer than the function may run: a run that died leaves the checks to the next one after this."""


def read_order(event: Mapping[str, Any], cap: int) -> CheckOrder:
    """Raises RejectedInput, which names what is allowed."""
    wishes = {name: event.get(name, False) for name in ("full", "fix", "dry_run")}
    approved, who = event.get("approve", []), event.get("ordered_by", _SCHEDULE)
    if not all(isinstance(each, bool) for each in wishes.values()):
        raise RejectedInput("full, fix and dry_run are true or false", status=422)
    if not isinstance(approved, list) or not set(map(str, approved)) <= set(CHECKS):
        raise RejectedInput(f"approve must be a list of {', '.join(CHECKS)}", status=422)
    return CheckOrder(**wishes, approved=frozenset(approved), cap=cap, ordered_by=str(who))


@dataclass(frozen=True)
class IntegrityCheck:
    """What outlives one invocation."""

    settings: Settings

    @cached_property
    def database(self) -> Database:
        """Opened on first use."""
        return Database(self.settings.database_url, ca_file=self.settings.database_ca_file, timeout=65.0)

    @cached_property
    def table(self) -> EdgeTable:
        """The cache."""
        return DynamoTable(self.settings.edge_cache_table)

    @cached_property
    def channels(self) -> Sequence[AlertChannel]:
        """Where incidents are told."""
        return channels(self.settings.alert_slack_webhook_url, self.settings.alert_topic_arn)

    def check(self, order: CheckOrder, deadline: Deadline) -> CheckReport | None:
        """One run at a time; None where another one is under way. A dry run disturbs nobody and waits for nobody."""
        if order.dry_run:
            return run_checks(self._inspection(deadline), order)
        with self._lease("integrity").held() as ours:
            if not ours:
                return None
            report = run_checks(self._inspection(deadline), order)
        send_alerts(self.database, self.channels, utc_now(), deadline=deadline)
        return report

    def put_back(self, event: Mapping[str, Any], order: CheckOrder) -> None:
        """What somebody ordered while a run was at work, by message; the next schedule is never far away."""
        queue = self.settings.integrity_orders_queue_url
        if queue is not None and order.ordered_by != _SCHEDULE:
            send_message(queue, event, delay_seconds=_STEP_ASIDE_SECONDS)

    def revert(self, wanted: str, who: str) -> Reverted:
        """Errors as in integrity.revert; TransientError while a check runs."""
        with self._lease("integrity").held() as ours:
            if not ours:
                raise TransientError("a check is running")
            return revert(self.database, self.table, wanted, who=who, now=utc_now())

    def _inspection(self, deadline: Deadline) -> Inspection:
        return Inspection(self.database, self.table, utc_now, deadline, lambda: self._push_now(deadline))

    def _push_now(self, deadline: Deadline) -> bool:
        """As cache_sync does it; False where that is doing it at this moment."""
        with self._lease("edge:to_postgres").held() as ours:
            if not ours:
                return False
            run = SyncRun(self.database, self.table, utc_now, deadline, "integrity")
            return bool(run.to_postgres()["finished"])

    def _lease(self, name: str) -> Lease:
        return Lease(self.settings.coordination_table, name, _LEASE_SECONDS)


world = PerEnvironment(lambda: IntegrityCheck(read_settings(Settings)))


def check(event: Mapping[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """Carry out what the event orders: a schedule's, or a message's of the queue of orders."""
    records = event.get("Records")
    told = json.loads(records[0]["body"]) if records else event
    order = read_order(told, world().settings.integrity_fix_cap)
    report = world().check(order, Deadline.of_invocation(context, reserve=_RESERVE_SECONDS))
    if report is None:
        world().put_back(told, order)
        return {"success": True, "stepped_aside": True}
    done = report.as_json()
    count_metric("IntegrityFindings", done["found"])
    logger().info("integrity check", extra=done)
    return done
