"""From rows of Mautic's tables to the events that its webhook would have brought, under the same keys."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from crm_relay.providers.mautic.events import MauticEvent
from crm_relay.providers.mautic.mapping_webhook import click_key, open_key
from crm_relay.providers.mautic.statistics.wire import HitRow, SendingRow
from crm_relay.providers.mautic.wire_webhook import MauticEmail


def opens(row: SendingRow, mail: MauticEmail, since: datetime) -> list[MauticEvent]:
    """Opens from `since` on whose time is known: the first and the last one, and mostly those between."""
    return [_open(row, mail, count, at) for count, at in sorted(_moments(row).items()) if at >= since]


def clicks(row: HitRow, mail: MauticEmail, since: datetime) -> list[MauticEvent]:
    """None where no mail led there, or where the contact was deleted: nothing says any more who it was."""
    if row.email_id is None or row.lead_id is None or row.date_hit is None or row.date_hit < since:
        return []
    payload = _payload("page_hits", row.model_dump(mode="json"))
    return [
        MauticEvent(
            key=click_key(row.id, row.date_hit),
            kind="click",
            occurred_at=row.date_hit,
            payload=payload,
            contact_id=row.lead_id,
            link_url=row.url,
            user_agent=row.user_agent,
            **_about(row.email_id, mail),
        )
    ]


def _moments(row: SendingRow) -> dict[int, datetime]:
    """Which open, counted from 1 as the webhook counts -> when."""
    # A user agent is text from outside and stands among the details: only where the numbers agree they are believed.
    known = dict(enumerate(row.open_details, 1)) if len(row.open_details) == row.open_count else {}
    ends = {1: row.date_read, row.open_count: row.last_opened} if row.open_count > 0 else {}
    return known | {count: at for count, at in ends.items() if at is not None}


def _open(row: SendingRow, mail: MauticEmail, count: int, at: datetime) -> MauticEvent:
    return MauticEvent(
        key=open_key(row.tracking_hash, row.id, count),
        kind="open",
        occurred_at=at,
        payload=_payload("email_stats", row.model_dump(mode="json", exclude={"open_details"}) | {"open": count}),
        contact_id=row.lead_id,
        address=row.email_address,
        sent_at=row.date_sent,
        # Said of the mail and not of one open, as in the webhook.
        in_browser=row.viewed_in_browser and count == row.open_count,
        **_about(row.email_id, mail),
    )


def _about(email_id: int | None, mail: MauticEmail) -> dict[str, Any]:
    return {
        "email_id": None if email_id is None else str(email_id),
        "campaign_name": mail.name,
        "email_subject": mail.subject,
    }


def _payload(table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Tells a reader of the engagement that no webhook brought it."""
    return {"table": table, "row": dict(row)}
