"""A stored event as its row."""

import json
from collections.abc import Mapping
from typing import Any

from crm_relay.engagement.decisions import EngagementVerdict
from crm_relay.engagement.models import FiledEvent, Owner
from crm_relay.platform.sql import Json, SqlValue
from crm_relay.providers.mautic.events import MauticEvent

Values = dict[str, SqlValue]

# Parts of an event that are the mail itself, the same for everybody who got it. The inbox has them for its 30 days; the
# long ones, kept with every open for ever, would outweigh everything else in the database.
_THE_MAIL_ITSELF = {"customHtml", "plainText", "dynamicContent"}
_SHORT = 4096


def row_of(event: MauticEvent, filed: FiledEvent, verdict: EngagementVerdict, owner: Owner | None) -> Values:
    """Of `customer_email_engagement`."""
    return {
        "event_key": event.key,
        "customer_id": None if owner is None else owner.customer_id,
        "event_type": event.kind,
        "campaign_name": event.campaign_name,
        "email_subject": event.email_subject,
        "link_url": None if filed.is_erased else event.link_url,
        "occurred_at": event.occurred_at,
        "mautic_email_id": event.email_id,
        "mautic_contact_id": filed.contact_id,
        "address": filed.address,
        "is_machine": verdict.is_machine,
        "verdict": verdict.reason,
        "raw_payload": None if filed.is_erased else Json(_without_the_mail(event.payload)),
    }


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
