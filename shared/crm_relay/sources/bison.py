"""EmailBison: what cold outreach sent and got back, let in by a token in the path.

A delivery is one event about one lead. Redacted it keeps what makes it count.
"""

import json
import time
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from crm_relay.consent.person import Person
from crm_relay.outreach.deliveries.decide import decide_batch
from crm_relay.outreach.deliveries.note_unreadable import note_unreadable
from crm_relay.outreach.deliveries.reads import addresses_of, reads_of
from crm_relay.outreach.refuse_call import RefusedCalls
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import RejectedInput
from crm_relay.providers.bison import webhook
from crm_relay.providers.bison.events import BisonDelivery
from crm_relay.providers.bison.redaction import without_person
from crm_relay.webhooks.models import Delivered
from crm_relay.webhooks.people.redact import emptied, read_json, speaks_of
from crm_relay.webhooks.source import Received, Source, WebhookRequest

NAME = "bison"


@dataclass(frozen=True)
class BisonKeys:
    """The tokens that let a call in, and where one that is refused or cannot be read is counted."""

    tokens: webhook.Tokens
    db: Queryable
    refused: RefusedCalls = field(default_factory=RefusedCalls)


def receive(request: WebhookRequest, keys: BisonKeys, now: datetime) -> Received[BisonDelivery]:
    """RejectedInput: 401 without a valid token or where none is configured, 400 for a body without meaning.

    A refused call is counted by its token alone: its body is never looked at.
    """
    started = time.monotonic()
    owner = webhook.owner_of(request.path_parameters.get("token", ""), keys.tokens, now)
    if owner is None or not owner.is_alive:
        keys.refused.note(keys.db, None if owner is None else owner.workspace, now)
        raise RejectedInput("unknown token", status=401)
    delivered = Delivered(NAME, request.body, now, request.headers, workspace_name=owner.workspace, started=started)
    return Received(delivered, _read(delivered, keys.db))


def _read(delivered: Delivered, db: Queryable) -> BisonDelivery:
    """What cannot be read is noted as the workspace's failure."""
    try:
        return parse(delivered)
    except RejectedInput as error:
        note_unreadable(
            db,
            workspace_name=delivered.workspace_name or "",
            problem="; ".join((error.message, *error.details)),
            received_at=delivered.received_at,
            elapsed_ms=_elapsed_ms(delivered),
        )
        raise


def parse(delivered: Delivered) -> BisonDelivery:
    """RejectedInput for a body without meaning."""
    return webhook.parse(delivered.body, now=delivered.received_at)


def redact(body: str, person: Person) -> str | None:
    """The same event of nobody. A contact's id is Mautic's: the same number is another person here."""
    known = replace(person, contact_ids=frozenset())
    content = read_json(body)
    event = without_person(content) if isinstance(content, dict) else None
    if event is None:
        return emptied(body, known)
    if not speaks_of(content, known):
        return None
    data = {name: part for name, part in event["data"].items() if not speaks_of(part, known)}
    return json.dumps(event | {"data": data})


def bison_source(instance: str) -> Source[BisonKeys, BisonDelivery]:
    """`instance` is the host of our EmailBison: a delivery of another one is refused. Empty: any instance will do."""
    reads = partial(reads_of, instance=instance)
    decide = partial(decide_batch, instance=instance, elapsed_ms=_elapsed_ms)
    return Source(NAME, receive, parse, reads, decide, redact, addresses_of)


def _elapsed_ms(delivered: Delivered) -> int:
    """Since the request arrived; 0 for a stored delivery."""
    return 0 if delivered.started is None else round(1000 * (time.monotonic() - delivered.started))
