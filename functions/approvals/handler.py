"""GET, HEAD and POST /approvals/{token}: the page shows, and only POST decides."""

from typing import Any

from approvals.wiring import ACCEPTS, answer
from crm_relay.platform.http.http_edge import HttpResponse, respond


def handler(event: dict[str, Any], _context: object) -> HttpResponse:
    """A page for the approver."""
    return respond(event, ACCEPTS, answer)
