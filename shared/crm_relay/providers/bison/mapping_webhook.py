"""From a delivery's data to an event in our words: its identity, its time, and who and what it is about."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from crm_relay.providers.bison.bounces import is_permanent_bounce
from crm_relay.providers.bison.events import BisonEvent, BisonLead, LeadReply, SenderAccount
from crm_relay.providers.bison.mapping import sender_account
from crm_relay.providers.bison.vocabulary import HANDLED_EVENTS, REPLIES, EventKind
from crm_relay.providers.bison.wire import SenderEmail
from crm_relay.providers.bison.wire_webhook import Data, LeadPart, ReplyPart
from crm_relay.rules.replies.judge_reply import judge_reply

_ABOUT_AN_ACCOUNT: frozenset[EventKind] = frozenset(
    {"account_added", "account_removed", "account_disconnected", "account_reconnected"}
)
_ONCE_A_MAIL: frozenset[EventKind] = frozenset({"email_sent", "lead_unsubscribed"})
_CLOCKS_MAY_DIFFER = timedelta(days=1)
_BEFORE_THE_SERVICE = datetime(2015, 1, 1, tzinfo=UTC)


def read_event(event_type: str, data: Mapping[str, Any], *, now: datetime) -> BisonEvent:
    """The event of a handled type. Never refuses: what cannot be read is None, and the event counts."""
    kind, parts = HANDLED_EVENTS[event_type], Data.model_validate(data)
    reply = parts.reply
    own, shared = _identities(event_type, kind, parts)
    return BisonEvent(
        key=next(iter((*own, *shared)), None) or f"{event_type}:data:{_fingerprint(data)}",
        kind=kind,
        occurred_at=_occurred(kind, parts, now),
        lead=_lead(parts.lead),
        lead_email=parts.lead.email,
        reply=_reply(kind, reply),
        account=_account(kind, parts.sender_email),
        campaign_id=parts.campaign.id,
        campaign_name=parts.campaign.name,
        email_subject=parts.scheduled_email.subject or reply.subject,
        is_permanent_bounce=kind == "email_bounced" and is_permanent_bounce(reply.subject, reply.text or reply.html),
        own_keys=own,
        shared_key=next(iter(shared), None),
    )


def _identities(event_type: str, kind: EventKind, parts: Data) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What names this event and no other in its workspace, and what others may have too; the word says whose id it is.

    A redelivery may leave out any of them. A mail is sent once and left once, but answered more than once. An account
    has no log, so its last change stands for the event. Without that time, and for a mail without any id, the whole
    data is the identity (none here): an event that says nothing of itself, such as `"data": {}`, cannot be told from
    its own redelivery and counts once. The accounts that this may miss are put right by the poll.
    """
    if kind in _ABOUT_AN_ACCOUNT:
        account = parts.sender_email
        is_known = account.id is not None and account.updated_at is not None
        return ((f"{event_type}:sender_email:{account.id}:{_stamp(account.updated_at)}",) if is_known else ()), ()
    own = _named(
        event_type,
        ("campaign_event", parts.campaign_event.id),
        ("reply", parts.reply.uuid),
        ("reply", parts.reply.id),
    )
    mail = _named(event_type, ("scheduled_email", parts.scheduled_email.id))
    return ((*own, *mail), ()) if kind in _ONCE_A_MAIL else (own, mail)


def _named(event_type: str, *ids: tuple[str, str | int | None]) -> tuple[str, ...]:
    named = (f"{word}:{value}".lower() for word, value in ids if value is not None)
    return tuple(dict.fromkeys(f"{event_type}:{each}" for each in named))


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


def _reply(kind: EventKind, part: ReplyPart) -> LeadReply | None:
    if part.uuid is None and part.id is None:
        return None
    return LeadReply(
        external_id=part.uuid or str(part.id),
        subject=part.subject,
        from_address=part.from_address,
        from_name=part.from_name,
        received_at=part.date_received,
        is_automated=bool(part.automated) or (kind in REPLIES and _is_automatic(part)),
        thread_id=part.raw_message_id if part.parent_id is None else str(part.parent_id),
    )


def _is_automatic(part: ReplyPart) -> bool:
    """By the signs that EmailBison shows; it hands no headers over."""
    return not judge_reply({}, sender=part.from_address, subject=part.subject).is_person


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
