"""POST /webhooks/bison/{token}."""

from typing import Any

from bison_webhook.wiring import ACCEPTS, receive_delivery
from crm_relay.platform.http.http_edge import HttpResponse, respond


def handler(event: dict[str, Any], _context: object) -> HttpResponse:
    """Answers 200 once the delivery and its effects are committed, 202 once it is in the queue."""
    return respond(event, ACCEPTS, receive_delivery)
