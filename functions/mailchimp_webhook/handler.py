"""POST /webhooks/mailchimp/{token}, and the GET by which Mailchimp looks whether it is there."""

from typing import Any

from crm_relay.platform.http.http_edge import HttpResponse, respond
from mailchimp_webhook.wiring import ACCEPTS, receive_delivery


def handler(event: dict[str, Any], _context: object) -> HttpResponse:
    """Answers 200 once the delivery and its effects are committed, 202 once it is in the queue."""
    return respond(event, ACCEPTS, receive_delivery)
