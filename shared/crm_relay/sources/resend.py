"""Resend: the fate of mail, opens and clicks, replies and opt-outs, signed over the body by Svix.

A delivery is one event about one mail or one contact, so it is redacted as a whole.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from crm_relay.campaigns.engine.follow_mail import follow_mail
from crm_relay.consent.person import Person
from crm_relay.mail.feedback.apply_event import apply_event
from crm_relay.platform.database import Queryable
from crm_relay.providers.email_events import Event
from crm_relay.providers.resend import webhook
from crm_relay.webhooks.models import Delivered, DeliveryOutcome
from crm_relay.webhooks.redact import emptied
from crm_relay.webhooks.source import Received, StepwiseSource, WebhookRequest, nothing_new

NAME = "resend"


def receive(request: WebhookRequest, secrets: Sequence[str], now: datetime) -> Received[Event]:
    """RejectedInput: 401 without a valid signature or where no secret is configured, 400 for a body without meaning."""
    svix_id, event = webhook.receive(request.body, request.headers, secrets=secrets, now=now)
    return Received(Delivered(NAME, request.body, now, request.headers, delivery_id=svix_id), event)


def parse(delivered: Delivered) -> Event:
    """RejectedInput for a body without meaning."""
    return webhook.parse(delivered.body, now=delivered.received_at)


def apply(transaction: Queryable, delivered: Delivered, event: Event) -> DeliveryOutcome:
    """To the ledger, the consent and the replies, and to the campaign that sent the mail."""
    key = delivered.delivery_id or delivered.dedupe_key
    return apply_event(
        transaction, event, provider=NAME, key=key, received_at=delivered.received_at, follow=follow_mail
    )


def redact(body: str, person: Person) -> str | None:
    """All or nothing. A contact's id is Mautic's: the same number is another person here."""
    return emptied(body, replace(person, contact_ids=frozenset()))


RESEND = StepwiseSource(NAME, receive, parse, apply, nothing_new, redact)
