"""What a delivery of Mautic says, in our words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.providers.mautic.vocabulary import EventKind


@dataclass(frozen=True)
class MauticEvent:
    """One thing that happened to one contact.

    `key` is the event's identity: the same however often and in whatever company it is delivered. `customer_id` is what
    the contact's field supabase_id names, whether or not such a customer exists. `sent_at` and `user_agent` are there
    for the verdict on who opened or clicked; `payload` is the event as it came.
    """

    key: str
    kind: EventKind
    occurred_at: datetime
    payload: Mapping[str, Any]
    contact_id: int | None = None
    customer_id: UUID | None = None
    address: str | None = None
    campaign_name: str | None = None
    email_subject: str | None = None
    email_id: str | None = None
    link_url: str | None = None
    sent_at: datetime | None = None
    user_agent: str | None = None
    in_browser: bool = False


@dataclass(frozen=True)
class MauticDelivery:
    """The events of one request, each key once, and how many of the others there were."""

    events: tuple[MauticEvent, ...]
    repeated: int = 0
    ignored: int = 0
    unknown: int = 0
    unreadable: int = 0
