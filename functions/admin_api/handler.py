"""/api/…, /dashboard and /health."""

from typing import Any

from admin_api.wiring import ROUTES
from crm_relay.platform.http.http_edge import HttpResponse, respond


def handler(event: dict[str, Any], _context: object) -> HttpResponse:
    """Answers from the table of routes; long work is only ordered here, and answered 202."""
    return respond(event, ROUTES.accepts(event), ROUTES.answer)
