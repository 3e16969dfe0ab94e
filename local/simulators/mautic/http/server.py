"""Mautic's side of the shared HTTP server: its headers, and its way of breaking."""

from __future__ import annotations

from collections.abc import Callable

from local.simulators.http_server import Incoming, NoAnswerError, Outgoing
from local.simulators.mautic.wire import MauticApiError, MauticRequest, MauticResponse, generic_error


def served(incoming: Incoming, answer: Callable[[MauticRequest], MauticResponse]) -> Outgoing:
    try:
        response = answer(MauticRequest(**vars(incoming)))
    except (MauticApiError, NoAnswerError):
        raise
    except Exception:  # noqa: BLE001 - like PHP: whatever breaks inside is a JSON 500
        response = MauticResponse(500, {"errors": [generic_error(500)]})
    headers = {"Cache-Control": "no-cache, private", **response.headers, "Content-Type": response.content_type}
    return Outgoing(response.status, headers, response.encoded())
