"""A delivery of EmailBison with all that makes it count, and without the person that it is about; pure."""

from collections.abc import Mapping
from typing import Any

from crm_relay.providers.bison.wire_webhook import open_envelope

_IDENTITY: Mapping[str, frozenset[str] | None] = {
    "campaign_event": None,
    "campaign": None,
    "sender_email": None,
    "scheduled_email": frozenset({"id", "sent_at"}),
    "reply": frozenset({"id", "uuid", "date_received"}),
}
"""Part of `data` -> what of it names the event, its time or whose account it was; None: all of it."""


def without_person(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """The same event in the plain envelope: counted again it has the same identity. None where it is no delivery."""
    opened = open_envelope(dict(content))
    if opened is None:
        return None
    event, data = opened
    parts = data if isinstance(data, dict) else {}
    return {
        "event": event,
        "data": {name: _kept(parts[name], fields) for name, fields in _IDENTITY.items() if name in parts},
    }


def _kept(part: Any, fields: frozenset[str] | None) -> Any:
    if fields is None or not isinstance(part, dict):
        return part if fields is None else None
    return {name: value for name, value in part.items() if name in fields}
