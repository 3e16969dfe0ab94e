"""Named events, such as a form that was filled: by the API, or by a room of ours."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.sql import Json
from crm_relay.workflows.entities import event_topic, is_event_name
from crm_relay.workflows.events import store
from crm_relay.workflows.models import EntityType

LARGEST_PAYLOAD: Final = 16_384
"""In bytes of JSON."""

_LONGEST_KEY = 200


@dataclass(frozen=True)
class Emitted:
    """`id` None: no workflow of the organization listens to such an event, so nothing was kept."""

    id: int | None
    is_new: bool


def emit_event(
    db: Queryable,
    org_id: UUID,
    entity: tuple[EntityType, UUID],
    name: str,
    payload: Mapping[str, object] | None = None,
    key: str | None = None,
    *,
    actor: UUID | None = None,
    origin: str | None = None,
    depth: int = 0,
    cause: UUID | None = None,
) -> Emitted:
    """Keep the event for the workflows that listen to it; one statement, in the caller's transaction where `db` is one.

    Safe to call twice with a `key`: the second call finds the first one's event. RejectedInput for a name, key or
    payload that cannot be kept.
    """
    problems = problems_of_event(name, payload or {}, key)
    if problems:
        raise RejectedInput(f"event: {'; '.join(problems)}", status=422, details=problems)
    row = store.emit(
        db,
        org_id=org_id,
        entity_type=entity[0].value,
        entity_id=entity[1],
        topic=event_topic(name),
        payload=Json(dict(payload or {})),
        actor=actor,
        origin=origin,
        depth=depth,
        cause=cause,
        # Apart from the keys of replies and of the ledger of consent.
        event_key=None if key is None else f"given:{name}:{key}",
    )
    return Emitted(row["new_id"] or row["known_id"], is_new=row["new_id"] is not None)


def problems_of_event(name: str, payload: Mapping[str, object], key: str | None) -> list[str]:
    """What is wrong, each with the name of its part; empty: nothing."""
    problems = []
    if not is_event_name(name):
        problems.append("name: lower-case letters, digits, _ . and -, at most 64, a letter or digit first")
    if key is not None and not 0 < len(key) <= _LONGEST_KEY:
        problems.append(f"key: 1 to {_LONGEST_KEY} characters")
    try:
        size = len(json.dumps(payload, allow_nan=False, default=str).encode())
    except (TypeError, ValueError, RecursionError):
        return [*problems, "payload: no JSON"]
    if size > LARGEST_PAYLOAD:
        problems.append(f"payload: more than {LARGEST_PAYLOAD} bytes")
    return problems
