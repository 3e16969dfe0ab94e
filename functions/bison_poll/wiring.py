"""The outside world of bison_poll, built once per execution environment."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from bison_poll.settings import Settings
from crm_relay.incidents.channels import channels
from crm_relay.incidents.send_alerts import send_alerts
from crm_relay.outreach.polling.poll_workspaces import Round
from crm_relay.outreach.store import workspace_ids
from crm_relay.platform.aws.lease import Lease
from crm_relay.platform.clock import Deadline, LambdaContext, utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.platform.logging import logger
from crm_relay.platform.settings import read_settings
from crm_relay.providers.bison.client import Bison
from crm_relay.providers.bison.instance import instance_host

_RESERVE_SECONDS = 15.0
_LEASE_SECONDS = 120.0
"""Longer than one request with its time-out: a run that died leaves the accounts to the next one after this."""


@dataclass(frozen=True)
class BisonPoll:
    """What outlives one invocation."""

    settings: Settings

    @cached_property
    def database(self) -> Database:
        """Opened on first use."""
        return Database(self.settings.database_url, ca_file=self.settings.database_ca_file, timeout=65.0)

    def bisons(self, wanted: str | None) -> dict[str, Bison]:
        """One client a workspace, each with its own token and number. RejectedInput for a name without a token."""
        names = list(self.settings.bison_api_tokens) if wanted is None else [wanted]
        if wanted is not None and wanted not in self.settings.bison_api_tokens:
            raise RejectedInput("a workspace without a token in BISON_API_TOKENS")
        ids = workspace_ids(self.database, names)
        http = HttpClient(self.settings.bison_instance_url, timeout=(5.0, 30.0))
        return {name: Bison(http, self.settings.bison_api_tokens[name], ids.get(name)) for name in names}

    def poll(self, wanted: str | None, deadline: Deadline) -> dict[str, Any]:
        """One round under the lease: two of them would only ask everything twice."""
        lease = Lease(self.settings.coordination_table, "bison", _LEASE_SECONDS)
        with lease.held() as ours:
            if not ours:
                return {"success": True, "stepped_aside": True}
            found = self._round(wanted, deadline, lease)
        told = send_alerts(self.database, self.channels, utc_now(), deadline=deadline)
        return found | {"incidents_told": told.sent, "incidents_waiting": told.failed}

    def _round(self, wanted: str | None, deadline: Deadline, lease: Lease) -> dict[str, Any]:
        settings, now = self.settings, utc_now()
        alive = {
            name: [each.token for each in some if each.is_alive(now)]
            for name, some in settings.bison_webhook_tokens.items()
        }
        instance = instance_host(settings.bison_instance_url)
        work = Round(self.database, self.bisons(wanted), alive, instance, utc_now, deadline, lease.keep)
        polled = work.run()
        return {
            "success": not work.failed,
            "workspaces": [asdict(each) for each in polled],
            "failed": sorted(work.failed),
        }

    @cached_property
    def channels(self) -> list[Any]:
        """Where incidents are told."""
        return channels(self.settings.alert_slack_webhook_url, self.settings.alert_topic_arn)


world = PerEnvironment(lambda: BisonPoll(read_settings(Settings)))


def poll(event: Mapping[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """A round over all workspaces, or over the one that the event names."""
    wanted = event.get("workspace")
    if wanted is not None and not isinstance(wanted, str):
        raise RejectedInput("workspace must be a name")
    done = world().poll(wanted, Deadline.of_invocation(context, reserve=_RESERVE_SECONDS))
    logger().info("bison poll", extra={key: value for key, value in done.items() if key != "workspaces"})
    return done
