"""Engagement's SQL: one statement for a whole delivery."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crm_relay.consent.address import normalise_phone
from crm_relay.engagement.decisions import MAX_BOUNCES, EngagementVerdict
from crm_relay.platform.database import Queryable
from crm_relay.platform.sql import Json, queries_beside
from crm_relay.providers.mautic.events import MauticEvent

_SQL = queries_beside(__file__)

# Parts of an event that are the mail itself, the same for everybody who got it. The inbox has them for its 30 days; the
# long ones, kept with every open for ever, would outweigh everything else in the database.
_THE_MAIL_ITSELF = {"customHtml", "plainText", "dynamicContent"}
_SHORT = 4096


@dataclass(frozen=True)
class StorableEvent:
    """An event with what was decided about it."""

    event: MauticEvent
    verdict: EngagementVerdict

    @property
    def row(self) -> dict[str, Any]:
        """As `read_mautic_events` in the database reads it."""
        event = self.event
        return {
            "key": event.key,
            "kind": event.kind,
            "occurred_at": event.occurred_at,
            "contact_id": event.contact_id,
            "supabase_id": event.customer_id,
            "address": _phone(event) if event.kind == "sms_opt_out" else event.address,
            "campaign_name": event.campaign_name,
            "email_subject": event.email_subject,
            "link_url": event.link_url,
            "email_id": event.email_id,
            "is_machine": self.verdict.is_machine,
            "verdict": self.verdict.reason,
            "payload": _without_the_mail(event.payload),
        }


@dataclass(frozen=True)
class Applied:
    """What became of the events given: each is in exactly one of the four."""

    processed: int = 0
    duplicates: int = 0
    unmatched: int = 0
    ignored: int = 0


def apply_events(db: Queryable, events: Sequence[StorableEvent]) -> Applied:
    """Store `events` with their effects. Safe to call twice."""
    rows = db.run(_SQL["apply_events"], events=Json([event.row for event in events]), max_bounces=MAX_BOUNCES)
    return Applied(**rows[0])


def match_waiting_events(db: Queryable, limit: int) -> int:
    """Give up to `limit` of the events that wait to customers who are known by now; returns how many there were."""
    return int(db.run(_SQL["match_waiting"], limit=limit, max_bounces=MAX_BOUNCES)[0]["matched"])


def _phone(event: MauticEvent) -> str | None:
    return normalise_phone(event.address) if event.address else None


def _without_the_mail(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The payload as it came, less the content of a long mail; two levels down is where Mautic puts it."""
    return {
        key: {inner: _stripped(part) if inner == "email" else part for inner, part in value.items()}
        if isinstance(value, dict)
        else value
        for key, value in payload.items()
    }


def _stripped(email: Any) -> Any:
    if not isinstance(email, dict):
        return email
    return {
        key: value for key, value in email.items() if key not in _THE_MAIL_ITSELF or len(json.dumps(value)) <= _SHORT
    }
