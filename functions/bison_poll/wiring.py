"""What bison_poll is connected to, and its one use case."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from bison_poll.settings import Settings
from crm_relay.installation.installation import Installation, install
from crm_relay.outreach.polling.poll_workspaces import Round
from crm_relay.platform.aws.lease import Lease
from crm_relay.platform.clock import Deadline, LambdaContext, utc_now
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.logging import logger
from crm_relay.providers.bison.instance import instance_host

_RESERVE_SECONDS = 15.0
_LEASE_SECONDS = 120.0
"""Longer than one request with its time-out: a run that died leaves the accounts to the next one after this."""

installation = PerEnvironment(lambda: install(Settings))


def poll(event: Mapping[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """A round over all workspaces, or over the one that the event names."""
    wanted = event.get("workspace")
    if wanted is not None and not isinstance(wanted, str):
        raise RejectedInput("workspace must be a name")
    done = poll_accounts(installation(), wanted, Deadline.of_invocation(context, reserve=_RESERVE_SECONDS))
    logger().info("bison poll", extra={key: value for key, value in done.items() if key != "workspaces"})
    return done


def poll_accounts(installation: Installation[Settings], wanted: str | None, deadline: Deadline) -> dict[str, Any]:
    """One round under the lease: two of them would only ask everything twice."""
    lease = installation.lease("bison", _LEASE_SECONDS)
    with lease.held() as ours:
        if not ours:
            return {"success": True, "stepped_aside": True}
        found = _round(installation, wanted, deadline, lease)
    return found | installation.send_alerts(deadline).as_json()


def _round(
    installation: Installation[Settings], wanted: str | None, deadline: Deadline, lease: Lease
) -> dict[str, Any]:
    settings, now = installation.settings, utc_now()
    alive = {
        name: [each.token for each in some if each.is_alive(now)]
        for name, some in settings.bison_webhook_tokens.items()
    }
    instance, bisons = instance_host(settings.bison_instance_url), installation.bisons(wanted)
    work = Round(installation.database, bisons, alive, instance, utc_now, deadline, lease.keep)
    polled = work.run()
    done = {
        "success": not work.failed,
        "workspaces": [asdict(each) for each in polled],
        "failed": sorted(work.failed),
    }
    return done if polled or not work.failed else {**done, "stopped": "no workspace could be read"}
