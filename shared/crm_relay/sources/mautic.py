"""Mautic: opens, clicks, unsubscribes and bounces, signed over the body.

A delivery is a JSON object of event names, each with one event or several, of as many persons. What an event names as
`lead` or `contact` is the person that it is about (recorded: tests/samples/mautic/9*_hook_*.json).
"""

import json
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from crm_relay.consent.person import Person
from crm_relay.customers.contacts.directory import CONTACTS
from crm_relay.engagement.deliveries.decide import decide_batch, marks_in_delivery, reads_of_batch, report_surprises
from crm_relay.providers.mautic import webhook
from crm_relay.providers.mautic.events import MauticDelivery
from crm_relay.webhooks.models import Delivered
from crm_relay.webhooks.people.redact import NOTHING_LEFT, contact_ids, emptied, read_json, speaks_of
from crm_relay.webhooks.source import Received, Source, WebhookRequest

NAME = "mautic"
_DELETION = "lead_post_delete"


def receive(request: WebhookRequest, secrets: Sequence[str], now: datetime) -> Received[MauticDelivery]:
    """RejectedInput: 401 without a valid signature or where no secret is configured, 400 for a body without meaning."""
    webhook.ensure_signed(request.headers, secrets)
    delivery = webhook.receive(request.body, request.headers, secrets=secrets, now=now)
    report_surprises(delivery)
    return Received(Delivered(NAME, request.body, now, request.headers), delivery)


def parse(delivered: Delivered) -> MauticDelivery:
    """RejectedInput for a body without meaning."""
    return webhook.parse(delivered.body, now=delivered.received_at)


def redact(body: str, person: Person) -> str | None:
    """The events of everybody else, under their names."""
    content = read_json(body)
    if not isinstance(content, dict):
        return emptied(body, person)
    kept = {name: _kept(name, value, person) for name, value in content.items()}
    if all(kept[name] is content[name] for name in content):
        return None
    left = {name: value for name, value in kept.items() if value or value is content[name]}
    return json.dumps(left) if left.keys() - {"timestamp"} else NOTHING_LEFT


def _kept(name: str, value: Any, person: Person) -> Any:
    """What stays of all that is under one name: the very same object where everything does; None: nothing."""
    if isinstance(value, list):
        events = [each for each in value if not _is_about(name, each, person)]
        return value if len(events) == len(value) else events
    if isinstance(value, dict) and value and all(key.isdigit() for key in value):
        keyed = {key: each for key, each in value.items() if not _is_about(name, each, person)}
        return value if len(keyed) == len(value) else keyed
    return None if _is_about(name, value, person) else value


def _is_about(name: str, event: Any, person: Person) -> bool:
    # A deletion has the contact's id as its own, and none in the contact.
    own = event.get("id") if isinstance(event, dict) and name.endswith(_DELETION) else None
    return bool({own, *contact_ids(event)} & person.contact_ids) or speaks_of(event, person)


MAUTIC = Source(
    NAME,
    receive,
    parse,
    partial(reads_of_batch, contacts=CONTACTS),
    partial(decide_batch, contacts=CONTACTS),
    redact,
    marks_in_delivery,
)
