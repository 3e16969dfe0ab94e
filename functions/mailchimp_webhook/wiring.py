"""What mailchimp_webhook is connected to, and its one use case."""

from collections.abc import Mapping
from typing import Any

from crm_relay.installation.installation import install
from crm_relay.platform.clock import utc_now
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.http.http_edge import Accepts, HttpRequest
from crm_relay.sources.mailchimp import MAILCHIMP, MailchimpKeys, ensure_known
from crm_relay.webhooks.inbox_settings import DATABASE_SECONDS
from mailchimp_webhook.settings import Settings

ACCEPTS = Accepts(methods=("POST", "GET", "HEAD"), content_types=("application/x-www-form-urlencoded",))

installation = PerEnvironment(lambda: install(Settings, database_seconds=DATABASE_SECONDS))


def receive_delivery(request: HttpRequest) -> tuple[int, Mapping[str, Any]]:
    """Let in by its token, read, keep and apply; status and answer for Mailchimp."""
    settings = installation().settings
    keys = MailchimpKeys(settings.mailchimp_webhook_key, settings.mailchimp_signing_secrets)
    if request.method != "POST":
        ensure_known(request, keys)
        return 200, {"success": True}
    return installation().inbox.receive(MAILCHIMP, MAILCHIMP.receive(request, keys, utc_now()))
