"""What mautic_webhook depends on, built once per execution environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crm_relay.platform.clock import utc_now
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.http.http_edge import Accepts, HttpRequest
from crm_relay.platform.settings import read_settings
from crm_relay.sources.mautic import MAUTIC
from crm_relay.webhooks.open import open_inbox
from crm_relay.webhooks.receive import Inbox
from mautic_webhook.settings import Settings

ACCEPTS = Accepts()


@dataclass(frozen=True)
class MauticWebhook:
    """What a delivery meets."""

    secrets: tuple[str, ...]
    inbox: Inbox


def _build() -> MauticWebhook:
    settings = read_settings(Settings)
    return MauticWebhook(settings.mautic_webhook_secret, open_inbox(settings))


dependencies = PerEnvironment(_build)


def receive_delivery(request: HttpRequest) -> tuple[int, Mapping[str, Any]]:
    """Verify, read, keep and apply; status and answer for Mautic."""
    wired = dependencies()
    return wired.inbox.receive(MAUTIC, MAUTIC.receive(request, wired.secrets, utc_now()))
