"""Histories of a mail: the same events for the pure fold and for the database."""

import json
from collections.abc import Sequence
from dataclasses import fields
from datetime import timedelta
from typing import Any
from uuid import UUID

from crm_relay.mail.decisions import EmailEvent, MailState
from crm_relay.platform.database import Database
from crm_relay.providers.email_events import Event, InboundMail, MailEvent
from crm_relay.sources.resend import RESEND
from crm_relay.webhooks.models import Delivered, DeliveryOutcome
from crm_relay.webhooks.receive import apply_once, apply_together
from crm_relay.webhooks.source import Received
from tests.support.mail.mail_harness import MONDAY
from tests.support.platform.rows import one, rows_of

GATEWAY = "Mozilla/5.0 (compatible; Barracuda Sentinel)"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"


def email_event(kind: str, seconds: float, key: str | None = None, **details: Any) -> EmailEvent:
    """`seconds` after the mail was sent."""
    at = MONDAY + timedelta(seconds=seconds)
    return EmailEvent(key or f"{kind}-{seconds}-{details.get('link', '')}", kind, at, **details)


def click(seconds: float, page: str = "a", agent: str = BROWSER) -> EmailEvent:
    return email_event("clicked", seconds, link=f"https://example.com/{page}", user_agent=agent)


def apply(
    database: Database, events: Sequence[EmailEvent], send: UUID, email_id: str, *, tagged: bool = True
) -> list[str]:
    """Each as a webhook's delivery would bring it; what became of each."""
    return [apply_delivered(database, delivered(event, send if tagged else None, email_id)) for event in events]


def apply_delivered(database: Database, received: Received[Event]) -> str:
    """In a transaction of its own."""
    return word_of(apply_once(database, RESEND, received))


def apply_all(database: Database, events: Sequence[EmailEvent], send: UUID, email_id: str) -> list[str]:
    """The same, in one transaction."""
    return [word_of(each) for each in apply_together(database, RESEND, [delivered(e, send, email_id) for e in events])]


def delivered(event: EmailEvent, send: object, email_id: str, *recipients: str) -> Received[Event]:
    """The delivery of one event; its key is the delivery's id."""
    kind: Any = event.kind
    said = {name: getattr(event, name) for name in ("link", "user_agent", "bounce_type", "reason", "message_id")}
    tags = {} if send is None else {"send": str(send)}
    reported = MailEvent(kind, email_id, event.occurred_at, tags=tags, recipients=recipients, **said)
    body = json.dumps({"to": recipients}).encode()
    return Received(Delivered(RESEND.name, body, event.occurred_at, delivery_id=event.key), reported)


def arrive(database: Database, event: InboundMail, *, again: str = "") -> bool:
    """A mail came in; whether it was kept. `again`: another delivery of the same one."""
    key = f"msg_{event.email_id}{again}"
    body = json.dumps({"from": event.from_address}).encode()
    received = Received[Event](Delivered(RESEND.name, body, event.received_at, delivery_id=key), event)
    return apply_delivered(database, received) == "processed"


def word_of(outcome: DeliveryOutcome) -> str:
    counts = {"processed": outcome.processed, "duplicate": outcome.duplicates, "unmatched": outcome.unmatched}
    return next((word for word, count in counts.items() if count), "ignored")


def state_of(database: Database, send: UUID) -> MailState:
    """What the database made of the mail, as the pure fold would say it."""
    row = one(database, "select * from email_sends where id = :id", id=send)
    judged = (
        "select event_key, verdict, verdict_reason from email_logs where email_send_id = :id and verdict is not null"
    )
    logs = rows_of(database, judged, id=send)
    known = {each.name: row[each.name] for each in fields(MailState) if each.name in row}
    reasons = {log["event_key"]: log["verdict_reason"] for log in logs}
    return MailState(**known, verdicts={log["event_key"]: log["verdict"] for log in logs}, reasons=reasons)
