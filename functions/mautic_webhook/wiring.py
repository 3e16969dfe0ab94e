"""What mautic_webhook is connected to, and its one use case."""

from collections.abc import Mapping
from typing import Any

from crm_relay.installation.installation import install
from crm_relay.platform.clock import utc_now
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.http.http_edge import Accepts, HttpRequest
from crm_relay.sources.mautic import MAUTIC
from crm_relay.webhooks.inbox_settings import DATABASE_SECONDS
from mautic_webhook.settings import Settings

ACCEPTS = Accepts()

installation = PerEnvironment(lambda: install(Settings, database_seconds=DATABASE_SECONDS))


def receive_delivery(request: HttpRequest) -> tuple[int, Mapping[str, Any]]:
    """Verify, read, keep and apply; status and answer for Mautic."""
    secrets = installation().settings.mautic_webhook_secret
    return installation().inbox.receive(MAUTIC, MAUTIC.receive(request, secrets, utc_now()))
