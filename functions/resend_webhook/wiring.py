"""What resend_webhook depends on, built once per execution environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crm_relay.platform.clock import utc_now
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.http.http_edge import Accepts, HttpRequest
from crm_relay.platform.settings import read_settings
from crm_relay.sources.resend import RESEND
from crm_relay.webhooks.open import open_inbox
from crm_relay.webhooks.receive import Inbox
from resend_webhook.settings import Settings

ACCEPTS = Accepts()


@dataclass(frozen=True)
class ResendWebhook:
    """What a delivery meets."""

    secrets: tuple[str, ...]
    inbox: Inbox


def _build() -> ResendWebhook:
    settings = read_settings(Settings)
    return ResendWebhook(settings.resend_webhook_secret, open_inbox(settings))


dependencies = PerEnvironment(_build)


def receive_delivery(request: HttpRequest) -> tuple[int, Mapping[str, Any]]:
    """Verify, read, keep and apply; status and answer for Resend."""
    wired = dependencies()
    return wired.inbox.receive(RESEND, RESEND.receive(request, wired.secrets, utc_now()))
