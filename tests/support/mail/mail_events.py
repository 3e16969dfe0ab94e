"""Histories of a mail: the same events for the pure fold and for the database."""

import json
from collections.abc import Sequence
from dataclasses import fields
from datetime import timedelta
from typing import Any
from uuid import UUID

from crm_relay.mail.decisions import EmailEvent, MailState
from crm_relay.platform.database import Database
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
    """Each as a webhook's delivery would bring it; the words that the database answers."""
    return [
        one(
            database,
            "select result from apply_mail_event(cast(:event as jsonb))",
            event=json.dumps(
                {
                    "key": event.key,
                    "kind": event.kind,
                    "occurred_at": event.occurred_at.isoformat(),
                    "email_id": email_id,
                    "send": str(send) if tagged else None,
                    "link": event.link,
                    "user_agent": event.user_agent,
                    "bounce_type": event.bounce_type,
                    "reason": event.reason,
                }
            ),
        )["result"]
        for event in events
    ]


def state_of(database: Database, send: UUID) -> MailState:
    """What the database made of the mail, as the pure fold would say it."""
    row = one(database, "select * from email_sends where id = :id", id=send)
    logs = rows_of(
        database, "select event_key, verdict from email_logs where email_send_id = :id and verdict is not null", id=send
    )
    known = {each.name: row[each.name] for each in fields(MailState) if each.name in row}
    return MailState(**known, verdicts={log["event_key"]: log["verdict"] for log in logs})
