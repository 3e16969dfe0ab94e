"""From a delivery's data to an event in our words: its identity, its time, and who and what it is about."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from crm_relay.providers.bison.bounces import is_permanent_bounce
from crm_relay.providers.bison.events import BisonEvent, BisonLead, LeadReply, SenderAccount
from crm_relay.providers.bison.mapping import sender_account
from crm_relay.providers.bison.vocabulary import HANDLED_EVENTS, EventKind
from crm_relay.providers.bison.wire import SenderEmail
from crm_relay.providers.bison.wire_webhook import Data, LeadPart, ReplyPart
from crm_relay.rules.replies.judge_reply import judge_reply

_ABOUT_AN_ACCOUNT: frozenset[EventKind] = frozenset(
    {"account_added", "account_removed", "account_disconnected", "account_reconnected"}
)
_CLOCKS_MAY_DIFFER = timedelta(days=1)
_BEFORE_THE_SERVICE = datetime(2015, 1, 1, tzinfo=UTC)


def read_event(event_type: str, data: Mapping[str, Any], *, now: datetime) -> BisonEvent:
    """The event of a handled type. Never refuses: what cannot be read is None, and the event counts."""
    kind, parts = HANDLED_EVENTS[event_type], Data.model_validate(data)
    reply = parts.reply
    return BisonEvent(
        key=f"{event_type}:{_identity(kind, parts) or f'data:{_fingerprint(data)}'}",
        kind=kind,
        occurred_at=_occurred(kind, parts, now),
        lead=_lead(parts.lead),
        lead_email=parts.lead.email,
        reply=_reply(reply),
        account=_account(kind, parts.sender_email),
        campaign_id=parts.campaign.id,
        campaign_name=parts.campaign.name,
        email_subject=parts.scheduled_email.subject or reply.subject,
        is_permanent_bounce=kind == "email_bounced" and is_permanent_bounce(reply.subject, reply.text or reply.html),
    )


def _identity(kind: EventKind, parts: Data) -> str | None:
    """What names this event and no other in its workspace; the word tells apart the ids of different things.

    An account has no log, so its last change stands for the event. Without that time, and for a mail without any id,
    the whole data is the identity (None here): an event that says nothing of itself, such as `"data": {}`, cannot be
    told from its own redelivery and counts once. The accounts that this may miss are put right by the poll.
    """
    if kind in _ABOUT_AN_ACCOUNT:
        account = parts.sender_email
        if account.id is None or account.updated_at is None:
            return None
        return f"sender_email:{account.id}:{_stamp(account.updated_at)}"
    candidates = {
        "campaign_event": parts.campaign_event.id,
        "reply": parts.reply.uuid or parts.reply.id,
        "scheduled_email": parts.scheduled_email.id,
    }
    return next((f"{word}:{value}".lower() for word, value in candidates.items() if value is not None), None)


def _occurred(kind: EventKind, parts: Data, now: datetime) -> datetime:
    """When it happened; receipt where nothing tells, or where the first time that does cannot be true."""
    candidates = (
        parts.campaign_event.created_at,
        # The Date header of a mail, so as wrong as the sender's clock.
        parts.reply.date_received,
        parts.scheduled_email.sent_at,
        parts.sender_email.updated_at if kind in _ABOUT_AN_ACCOUNT else None,
    )
    claimed = next((moment for moment in candidates if moment is not None), now)
    return claimed if _BEFORE_THE_SERVICE <= claimed <= now + _CLOCKS_MAY_DIFFER else now


def _lead(part: LeadPart) -> BisonLead | None:
    if part.id is None:
        return None
    return BisonLead(part.id, part.email, part.first_name, part.last_name, part.company, part.title)


def _reply(part: ReplyPart) -> LeadReply | None:
    if part.uuid is None and part.id is None:
        return None
    return LeadReply(
        external_id=part.uuid or str(part.id),
        subject=part.subject,
        from_address=part.from_address,
        from_name=part.from_name,
        received_at=part.date_received,
        is_automated=bool(part.automated)
        or not judge_reply({}, sender=part.from_address, subject=part.subject).is_person,
        thread_id=part.raw_message_id if part.parent_id is None else str(part.parent_id),
    )


def _account(kind: EventKind, part: SenderEmail) -> SenderAccount | None:
    # What has just sent, received or been added works, unless its status says otherwise.
    silent = kind in {"account_disconnected", "account_removed"}
    return sender_account(part, without_status="Disconnected" if silent else "Connected")


def _stamp(moment: datetime | None) -> str:
    """One spelling of a time, whatever the provider's."""
    return "" if moment is None else moment.strftime("%Y%m%dT%H%M%S.%fZ")


def _fingerprint(data: Mapping[str, Any]) -> str:
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
