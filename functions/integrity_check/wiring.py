"""What integrity_check is connected to, its use case, and the way back."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from crm_relay.edge_cache.replication.run import SyncRun
from crm_relay.installation.installation import Installation, install
from crm_relay.integrity.models import CheckOrder, CheckReport, Inspection
from crm_relay.integrity.revert import Reverted, revert
from crm_relay.integrity.run_checks import run_checks
from crm_relay.platform.aws.queue import send_message
from crm_relay.platform.clock import Deadline, LambdaContext, utc_now
from crm_relay.platform.errors import TransientError
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.logging import count_metric, logger
from integrity_check.order import SCHEDULE, ordered, read_order
from integrity_check.settings import Settings

_RESERVE_SECONDS = 15.0
_STEP_ASIDE_SECONDS = 30
_LEASE_SECONDS = 930.0
"""Longer than the function may run: a run that died leaves the checks to the next one after this."""

installation = PerEnvironment(lambda: install(Settings))


def check(event: Mapping[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """Carry out what the event orders: a schedule's, or a message's of the queue of orders."""
    settings, wanted = installation().settings, ordered(event)
    order = read_order(wanted, settings.integrity_fix_cap)
    report = check_installation(installation(), order, Deadline.of_invocation(context, reserve=_RESERVE_SECONDS))
    if report is None:
        _put_back(settings.integrity_orders_queue_url, wanted, order)
        return {"success": True, "stepped_aside": True}
    done = report.as_json()
    count_metric("IntegrityFindings", done["found"])
    if order.full and order.fix and not order.dry_run:
        done |= repeat_unfinished_erasures(installation(), Deadline.of_invocation(context, reserve=_RESERVE_SECONDS))
    logger().info("integrity check", extra=done)
    return done


def check_installation(
    installation: Installation[Settings], order: CheckOrder, deadline: Deadline
) -> CheckReport | None:
    """One run at a time; None where another one is under way. A dry run disturbs nobody and waits for nobody.

    Raises NotArmed for any other run: it writes to the edge, and its findings are those of another installation.
    """
    if order.dry_run:
        return run_checks(_inspection(installation, deadline), order)
    installation.ensure_armed()
    with installation.lease("integrity", _LEASE_SECONDS).held() as ours:
        if not ours:
            return None
        report = run_checks(_inspection(installation, deadline), order)
    installation.send_alerts(deadline)
    return report


def repeat_unfinished_erasures(installation: Installation[Settings], deadline: Deadline) -> dict[str, Any]:
    """Repeat the erasures that did not reach every place; nothing happens without the deferred queue."""
    from crm_relay.customers.models import SyncOptions, SyncReport
    from crm_relay.customers.run import SyncContext
    from crm_relay.operations.erase import ErasureScope
    from crm_relay.operations.repeat_erasures import repeat_erasures
    from crm_relay.webhooks.defer import Deferred

    settings = installation.settings
    if settings.deferred_queue_url is None or settings.oversize_bucket is None:
        return {}
    lease = installation.lease(f"mautic:{settings.mautic_url}", settings.mautic_lease_seconds)
    report = SyncReport(utc_now())
    run = SyncContext(installation.database, installation.mautic, lease, SyncOptions(), utc_now, deadline, report)
    deferred = Deferred(settings.deferred_queue_url, settings.oversize_bucket)
    edge = None if settings.edge_cache_table is None else installation.edge_table
    scope = ErasureScope(run, deferred, edge, has_mautic=bool(settings.mautic_url), look=deadline)
    return {"erasures": asdict(repeat_erasures(scope))}


def revert_fixes(installation: Installation[Settings], wanted: str, who: str) -> Reverted:
    """Errors as in integrity.revert; NotArmed; TransientError while a check runs."""
    installation.ensure_armed()
    with installation.lease("integrity", _LEASE_SECONDS).held() as ours:
        if not ours:
            raise TransientError("a check is running")
        return revert(installation.database, installation.edge_table, wanted, who=who, now=utc_now())


def _inspection(installation: Installation[Settings], deadline: Deadline) -> Inspection:
    return Inspection(
        installation.database,
        installation.edge_table,
        utc_now,
        deadline,
        lambda: _push_now(installation, deadline),
        left_out=frozenset(installation.settings.left_out_rooms),
    )


def _push_now(installation: Installation[Settings], deadline: Deadline) -> bool:
    """As cache_sync does it; False where that is doing it at this moment."""
    with installation.lease("edge:to_postgres", _LEASE_SECONDS).held() as ours:
        if not ours:
            return False
        run = SyncRun(installation.database, installation.edge_table, utc_now, deadline, "integrity")
        return bool(run.to_postgres()["finished"])


def _put_back(queue: str | None, wanted: Mapping[str, Any], order: CheckOrder) -> None:
    """What somebody ordered while a run was at work, by message; the next schedule is never far away."""
    if queue is not None and order.ordered_by != SCHEDULE:
        send_message(queue, wanted, delay_seconds=_STEP_ASIDE_SECONDS)
