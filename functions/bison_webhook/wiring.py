"""The outside world of bison_webhook, built once per execution environment."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bison_webhook.settings import Settings
from crm_relay.outreach.apply_delivery import apply_delivery, note_unreadable
from crm_relay.outreach.models import Arrival
from crm_relay.outreach.refuse_call import RefusedCalls
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.http.http_edge import Accepts, HttpRequest
from crm_relay.platform.settings import read_settings
from crm_relay.providers.bison import webhook
from crm_relay.providers.bison.events import BisonDelivery
from crm_relay.providers.bison.instance import instance_host
from crm_relay.webhooks.models import Delivered, DeliveryOutcome
from crm_relay.webhooks.open import open_inbox
from crm_relay.webhooks.receive import Inbox

ACCEPTS = Accepts()


@dataclass(frozen=True)
class BisonWebhook:
    """What a delivery meets."""

    tokens: webhook.Tokens
    instance: str
    inbox: Inbox
    refused: RefusedCalls = field(default_factory=RefusedCalls)

    def read(self, workspace: str, body: bytes, now: datetime, started: float) -> BisonDelivery:
        """What was delivered; what cannot be read is noted as the workspace's failure."""
        try:
            return webhook.parse(body, now=now)
        except RejectedInput as error:
            note_unreadable(
                self.inbox.database,
                workspace_name=workspace,
                problem="; ".join((error.message, *error.details)),
                received_at=now,
                elapsed_ms=_milliseconds(started),
            )
            raise

    def take(self, delivered: Delivered, delivery: BisonDelivery, started: float) -> tuple[int, Mapping[str, Any]]:
        """Keep and apply; a delivery that comes again leaves its line in the log all the same."""

        def apply(transaction: Queryable) -> DeliveryOutcome:
            arrival = Arrival(
                delivered.workspace_name or "",
                delivered.dedupe_key,
                delivered.received_at,
                self.instance,
                elapsed_ms=_milliseconds(started),
            )
            return apply_delivery(transaction, arrival, delivery)

        return self.inbox.receive(delivered, apply, again=apply)


def _build() -> BisonWebhook:
    settings = read_settings(Settings)
    inbox = open_inbox(settings)
    return BisonWebhook(settings.bison_webhook_tokens, instance_host(settings.bison_instance_url), inbox)


world = PerEnvironment(_build)


def receive_delivery(request: HttpRequest) -> tuple[int, Mapping[str, Any]]:
    """Let in by its token, read, keep and apply; status and answer for EmailBison."""
    started, now, here = time.monotonic(), utc_now(), world()
    workspace = webhook.workspace_of(request.path_parameters.get("token", ""), here.tokens, now)
    if workspace is None:
        here.refused.note(here.inbox.database, _claimed_id(request.body, now), now)
        raise RejectedInput("unknown token", status=401)
    delivery = here.read(workspace, request.body, now, started)
    delivered = Delivered("bison", request.body, now, request.headers, workspace_name=workspace)
    return here.take(delivered, delivery, started)


def _claimed_id(body: bytes, now: datetime) -> int | None:
    """The workspace that somebody says who could not prove it."""
    try:
        return webhook.parse(body, now=now).workspace_id
    except RejectedInput:
        return None


def _milliseconds(started: float) -> int:
    return round(1000 * (time.monotonic() - started))
