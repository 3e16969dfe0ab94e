"""Reads the recorded exchanges with a real Mautic 5.1.1 and says where an answer differs from the recorded one."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

DIRECTORY = Path(__file__).parents[3] / "samples" / "mautic"
HOOK_SECRET = "lab-webhook-secret"
MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\+00:00)?")
# Values that depend on when or where the recording was made; their JSON type is still compared.
VOLATILE = {
    "dateAdded",
    "dateModified",
    "dateIdentified",
    "lastActive",
    "access_token",
    "timestamp",
    "order",
    "secret",
    "contentHash",
    "idHash",
    "trackingHash",
    "trackingId",
    "customHtml",
    "content",
    "tokens",
    "userAgent",
    "last_active",
}
NUMBERED_BY_HISTORY = {"doNotContact", "tags", "ipAddresses", "stat", "hit"}


@cache
def recording(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DIRECTORY / f"{name}.json").read_text())
    return found


def names() -> list[str]:
    return sorted(path.stem for path in DIRECTORY.glob("*.json"))


def differences(recorded: Any, answered: Any, *, values: bool = True, path: str = "") -> list[str]:
    """Where keys, JSON types or (with `values`) values differ; the order inside objects does not count."""
    if type(recorded) is not type(answered):
        return [f"{path}: recorded {_brief(recorded)}, answered {_brief(answered)}"]
    if isinstance(recorded, dict):
        return _object_differences(recorded, answered, values=values, path=path)
    if isinstance(recorded, list):
        if len(recorded) != len(answered):
            return [f"{path}: recorded {len(recorded)} items, answered {len(answered)}"]
        pairs = enumerate(zip(recorded, answered, strict=True))
        return [d for i, (r, a) in pairs for d in differences(r, a, values=values, path=f"{path}[{i}]")]
    if values and recorded != answered and not _volatile(recorded, path):
        return [f"{path}: recorded {_brief(recorded)}, answered {_brief(answered)}"]
    return []


def _object_differences(recorded: Any, answered: Any, *, values: bool, path: str) -> list[str]:
    found = [f"{path}.{key}: not answered" for key in recorded.keys() - answered.keys()]
    found += [f"{path}.{key}: not recorded" for key in answered.keys() - recorded.keys()]
    for key in recorded.keys() & answered.keys():
        if key != "tokens":
            found += differences(recorded[key], answered[key], values=values, path=f"{path}.{key}")
    return found


def _volatile(recorded: Any, path: str) -> bool:
    parts = re.split(r"[.\[\]]+", path)
    if parts[-1] in VOLATILE or VOLATILE & set(parts[-3:]):
        return True
    if parts[-1] == "id" and NUMBERED_BY_HISTORY & set(parts):
        return True
    return isinstance(recorded, str) and bool(MOMENT.fullmatch(recorded)) and "fields" not in parts


def _brief(value: Any) -> str:
    text = json.dumps(value)
    return f"{type(value).__name__} {text if len(text) < 80 else text[:77] + '...'}"
