"""Settings of a function that sends the webhooks of workflows."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainValidator

from crm_relay.platform.aws.secret_groups import IN_WORKERS_SECRET
from crm_relay.platform.http.guarded.targets import GuardRules
from crm_relay.platform.settings import CommaSeparated, SettingsModel
from crm_relay.workflows.webhooks_out.references import WorkflowSecrets

_HOST = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\]):\d{1,5}")
_NO_SECRETS = WorkflowSecrets()


def _read(value: Any) -> WorkflowSecrets:
    if isinstance(value, WorkflowSecrets):
        return value
    if not isinstance(value, str):
        raise ValueError("must be a JSON object of secrets by name")  # noqa: TRY004 - what pydantic reports
    return WorkflowSecrets.parse(value)


def _are_hosts(hosts: tuple[str, ...]) -> tuple[str, ...]:
    if any(_HOST.fullmatch(each) is None for each in hosts):
        raise ValueError("must be host:port in lower case, separated by commas")
    return hosts


SecretsByName = Annotated[
    WorkflowSecrets,
    PlainValidator(_read),
    IN_WORKERS_SECRET,
    Field(
        description="JSON object: name to the secret that a webhook of a workflow names as `secret:name`, "
        '`{"crm": "whsec_…"}`. While one is replaced it is a list, the newest first: both sign. '
        '`{"crm": {"secret": "whsec_…", "hosts": ["hooks.example.com"], "organizations": ["<id>"]}}` bounds where it '
        "may go, and whose workflows may name it. Unset: a webhook that names a secret fails, and can be retried once "
        "it is set."
    ),
]
"""WORKFLOW_SECRETS as a setting."""

PrivateHosts = Annotated[
    CommaSeparated,
    AfterValidator(_are_hosts),
    Field(
        description="Hosts at private or loopback addresses, as `host:port` separated by commas, that webhooks of "
        "workflows may be sent to, by plain HTTP too. Unset: public hosts alone."
    ),
]
"""WEBHOOK_PRIVATE_HOSTS as a setting."""

PlainHttp = Annotated[
    bool, Field(description="Whether webhooks of workflows may be sent to public hosts without TLS. Unset: no.")
]
"""WEBHOOK_PLAIN_HTTP as a setting."""


class OutboxSettings(SettingsModel):
    """What sending webhooks needs."""

    workflow_secrets: SecretsByName = _NO_SECRETS
    webhook_private_hosts: PrivateHosts = ()
    webhook_plain_http: PlainHttp = False

    @property
    def guard_rules(self) -> GuardRules:
        """For the client that sends."""
        return GuardRules(frozenset(self.webhook_private_hosts), self.webhook_plain_http)
