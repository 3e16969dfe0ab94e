"""From Resend's payloads to events in our words; pure."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from crm_relay.platform.errors import RejectedInput
from crm_relay.providers.email_events import (
    BounceType,
    ContactChanged,
    Event,
    InboundMail,
    MailEvent,
    MailEventKind,
    ReceivedMail,
    SuppressionAdded,
    TopicChange,
    Unknown,
)
from crm_relay.providers.resend.redaction import LONGEST, without_addresses
from crm_relay.providers.resend.vocabulary import (
    BOUNCES,
    CONTACT_EVENTS,
    INBOUND,
    MAIL_EVENTS,
    PREVIOUS_BOUNCE,
    PREVIOUS_COMPLAINT,
    SUPPRESSION,
    TOPIC_SUBSCRIPTIONS,
)
from crm_relay.providers.resend.wire import ReceivedEmail
from crm_relay.providers.resend.wire_webhook import (
    ContactData,
    InboundData,
    MailData,
    ResendEnvelope,
    SuppressionData,
)
from crm_relay.rules.replies.vocabulary import KEPT_HEADERS

_MESSAGE_ID = re.compile(r"<[^<>\s]{1,990}>")
_MOST_REFERENCES = 100
_LONGEST_LINK = 2000
_LONGEST_SUBJECT = 1000
_CLOCKS_MAY_DIFFER = timedelta(days=1)
_BEFORE_THE_SERVICE = datetime(2022, 1, 1, tzinfo=UTC)


def read_event(envelope: ResendEnvelope, *, now: datetime) -> Event:
    """Raises RejectedInput with 400 where an event of a known type does not say which person or mail it is about."""
    at = _possible(envelope.created_at, now)
    if (kind := MAIL_EVENTS.get(envelope.type)) is not None:
        return _mail_event(kind, MailData.model_validate(envelope.data), at)
    if envelope.type == INBOUND:
        return _inbound(InboundData.model_validate(envelope.data), at, now)
    if envelope.type in CONTACT_EVENTS:
        return _contact(ContactData.model_validate(envelope.data), at)
    if envelope.type == SUPPRESSION:
        return _suppression(SuppressionData.model_validate(envelope.data), at)
    return Unknown(envelope.type)


def received_mail(email_id: str, found: ReceivedEmail) -> ReceivedMail:
    """The mail by its API answer, of which the text was not read."""
    headers = found.headers
    return ReceivedMail(
        email_id=email_id,
        message_id=_first_id(found.message_id) or _first_id(headers.get("message-id")) or found.message_id,
        in_reply_to=_first_id(headers.get("in-reply-to")),
        references=_ids(headers.get("references"))[-_MOST_REFERENCES:],
        headers={name: headers[name][:LONGEST] for name in KEPT_HEADERS if name in headers},
        from_address=found.from_address,
        to=found.to,
        subject=_cut(found.subject, _LONGEST_SUBJECT),
    )


def _mail_event(kind: MailEventKind, data: MailData, at: datetime) -> MailEvent:
    seen = data.click if kind == "clicked" else data.open
    return MailEvent(
        kind=kind,
        email_id=_said(data.email_id, "email_id"),
        occurred_at=at,
        message_id=data.message_id,
        recipients=data.to,
        tags=data.tags,
        bounce_type=_bounce_type(kind, data),
        suppressed_after_complaint=kind == "suppressed" and data.suppressed.reason == PREVIOUS_COMPLAINT,
        reason=_reason(kind, data),
        link=_cut(data.click.link, _LONGEST_LINK) if kind == "clicked" else None,
        user_agent=_cut(seen.user_agent, LONGEST) if kind in {"clicked", "opened"} else None,
    )


def _bounce_type(kind: MailEventKind, data: MailData) -> BounceType | None:
    if kind == "bounced":
        return BOUNCES.get((data.bounce.type or "").lower(), "undetermined")
    return "permanent" if kind == "suppressed" and data.suppressed.reason == PREVIOUS_BOUNCE else None


def _reason(kind: MailEventKind, data: MailData) -> str | None:
    """The other side's sentence, and after it its SMTP answers, which say more."""
    reasons: Mapping[MailEventKind, tuple[str | None, ...]] = {
        "bounced": (data.bounce.message, *data.bounce.diagnostic),
        "failed": (data.failed.reason,),
        "suppressed": (data.suppressed.message or data.suppressed.reason or data.suppressed.type,),
    }
    return without_addresses(" | ".join(text for text in reasons.get(kind, ()) if text)) or None


def _inbound(data: InboundData, at: datetime, now: datetime) -> InboundMail:
    return InboundMail(
        email_id=_said(data.email_id, "email_id"),
        from_address=data.from_address,
        to=data.to,
        subject=_cut(data.subject, _LONGEST_SUBJECT),
        message_id=data.message_id,
        received_at=at if data.created_at is None else _possible(data.created_at, now),
        also_to=tuple(dict.fromkeys((*data.cc, *data.bcc, *data.received_for))),
    )


def _contact(data: ContactData, at: datetime) -> ContactChanged:
    topics = tuple(TopicChange(each.id, TOPIC_SUBSCRIPTIONS.get(each.subscription)) for each in data.topics if each.id)
    return ContactChanged(_said(data.email, "email"), data.unsubscribed, at, topics)


def _suppression(data: SuppressionData, at: datetime) -> SuppressionAdded:
    return SuppressionAdded(_said(data.email, "email"), data.origin, at, data.source_id)


def _said(value: str | None, name: str) -> str:
    if value is None:
        raise RejectedInput("the delivery cannot be read", details=[f"data.{name}: missing"])
    return value


def _possible(claimed: datetime | None, now: datetime) -> datetime:
    """Receipt where nothing is told, or what cannot be true."""
    return claimed if claimed is not None and _BEFORE_THE_SERVICE <= claimed <= now + _CLOCKS_MAY_DIFFER else now


def _ids(text: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_MESSAGE_ID.findall(text))) if isinstance(text, str) else ()


def _first_id(text: str | None) -> str | None:
    return next(iter(_ids(text)), None)


def _cut(text: str | None, longest: int) -> str | None:
    return None if text is None else text[:longest]
