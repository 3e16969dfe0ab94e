"""EmailBison's sample deliveries, and the envelopes in which one and the same event may come."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.source_tree import ROOT

SAMPLES = ROOT / "events" / "bison_webhook"
TOKEN = "sample-webhook-token-of-32-letters"
Content = dict[str, Any]


def body_of_sample(name: str) -> bytes:
    text: str = json.loads((SAMPLES / f"{name}.json").read_text())["body"]
    return text.encode()


def data_of_sample(name: str) -> Content:
    data: Content = json.loads(body_of_sample(name))["data"]
    return data


def plain(event_type: str, data: object, claims: Mapping[str, object]) -> Content:
    return {"event": {"type": event_type, "name": event_type.title(), **claims}, "data": data}


def flat(event_type: str, data: object, claims: Mapping[str, object]) -> Content:
    return {"event": event_type, **claims, "data": data}


def _beside(event_type: str, data: object, claims: Mapping[str, object]) -> Content:
    return {"event": {"type": event_type}, **claims, "data": data}


ENVELOPES: Mapping[str, Callable[[str, object, Mapping[str, object]], Content]] = {
    "plain": plain,
    "claims beside the event": _beside,
    "data.event": lambda *of: {"data": plain(*of)},
    "payload.event": lambda *of: {"payload": plain(*of)},
    "data.payload.event": lambda *of: {"data": {"payload": plain(*of)}},
    "payload.data.event": lambda *of: {"payload": {"data": plain(*of)}},
    "flat": flat,
    "flat in payload": lambda *of: {"payload": flat(*of)},
}


def backwards(value: Any) -> Any:
    """The same content with the keys of every object in the opposite order."""
    if isinstance(value, dict):
        return {key: backwards(item) for key, item in reversed(value.items())}
    return [backwards(item) for item in value] if isinstance(value, list) else value
