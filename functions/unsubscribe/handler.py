"""GET, HEAD and POST /unsubscribe/{token}: the page shows, and only POST acts."""

from typing import Any

from crm_relay.platform.http.http_edge import HttpResponse, respond
from unsubscribe.wiring import ACCEPTS, answer


def handler(event: dict[str, Any], _context: object) -> HttpResponse:
    """A page for the reader; 202 where a request was kept because the database is away."""
    return respond(event, ACCEPTS, answer)
