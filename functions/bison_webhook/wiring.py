"""What bison_webhook depends on, built once per execution environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bison_webhook.settings import Settings
from crm_relay.installation.installation import install
from crm_relay.platform.clock import utc_now
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.http.http_edge import Accepts, HttpRequest
from crm_relay.providers.bison.events import BisonDelivery
from crm_relay.providers.bison.instance import instance_host
from crm_relay.sources.bison import BisonKeys, bison_source
from crm_relay.webhooks.inbox_settings import DATABASE_SECONDS
from crm_relay.webhooks.receive import Inbox
from crm_relay.webhooks.source import Source

ACCEPTS = Accepts()


@dataclass(frozen=True)
class BisonWebhook:
    """What a delivery meets."""

    keys: BisonKeys
    source: Source[BisonKeys, BisonDelivery]
    inbox: Inbox


def _build() -> BisonWebhook:
    installation = install(Settings, database_seconds=DATABASE_SECONDS)
    settings, inbox = installation.settings, installation.inbox
    keys = BisonKeys(settings.bison_webhook_tokens, inbox.database)
    return BisonWebhook(keys, bison_source(instance_host(settings.bison_instance_url)), inbox)


dependencies = PerEnvironment(_build)


def receive_delivery(request: HttpRequest) -> tuple[int, Mapping[str, Any]]:
    """Let in by its token, read, keep and apply; status and answer for EmailBison."""
    wired = dependencies()
    return wired.inbox.receive(wired.source, wired.source.receive(request, wired.keys, utc_now()))
