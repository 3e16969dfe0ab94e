"""Resend's webhook payloads as they are on the wire, as far as we read them.

https://resend.com/docs/webhooks/event-types and the types of resend-python 2.51; nothing here was recorded. The
envelope is strict, because it says what happened; what stands in `data` is read field by field.
"""

from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field, StringConstraints

from crm_relay.platform.http.wire import Wire, moment_or_none
from crm_relay.providers.resend.wire import Address, Addresses, Id, Text, Texts, one_or_many, text_or_none

T = TypeVar("T")


def _said(value: object) -> object:
    return value if isinstance(value, dict) else {}


def _tags(value: object) -> object:
    """An object in webhooks; the list of `{"name", "value"}` in which they are sent is read as well."""
    items = value.items() if isinstance(value, dict) else [_tag(each) for each in one_or_many(value)]
    return {str(name): text for name, each in items if name is not None and (text := text_or_none(each)) is not None}


def _tag(each: object) -> tuple[object, object]:
    return (each.get("name"), each.get("value")) if isinstance(each, dict) else (None, None)


def _flag(value: object) -> object:
    # An opt-out is not lost on a spelling.
    return {"true": True, "1": True, "false": False, "0": False}.get(str(value).strip().lower())


Moment = Annotated[datetime | None, BeforeValidator(moment_or_none)]
Said = Annotated[T, BeforeValidator(_said)]
Tags = Annotated[dict[str, str], BeforeValidator(_tags)]
Flag = Annotated[bool | None, BeforeValidator(_flag)]


class ResendEnvelope(Wire):
    """Every payload. `created_at` is when the event happened; the one in `data` is when the mail was made."""

    type: Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, min_length=1, max_length=100)]
    created_at: Moment = None
    data: Said[dict[str, Any]] = Field(default_factory=dict)


class BouncePart(Wire):
    """`bounce`: `type` is Permanent, Transient or Undetermined (Temporary in examples); more words may come.

    `diagnosticCode` is a list of SMTP answers by the documentation, one text by the SDK.
    """

    type: Text = None
    message: Text = None
    diagnostic: Texts = Field(default=(), validation_alias="diagnosticCode")


class EngagementPart(Wire):
    """`click`, and `open` of older documentation. Its `ipAddress` is not read."""

    link: Text = None
    user_agent: Text = Field(default=None, validation_alias="userAgent")


class FailedPart(Wire):
    """`failed`"""

    reason: Text = None


class SuppressedPart(Wire):
    """`suppressed`: `reason` is previous_bounce, previous_complaint or missing."""

    message: Text = None
    type: Text = None
    reason: Text = None


class MailData(Wire):
    """`data` of an event about a mail of ours; which parts are there depends on the event."""

    email_id: Id = None
    message_id: Id = None
    to: Addresses = ()
    tags: Tags = Field(default_factory=dict)
    bounce: Said[BouncePart] = BouncePart()
    click: Said[EngagementPart] = EngagementPart()
    open: Said[EngagementPart] = EngagementPart()
    failed: Said[FailedPart] = FailedPart()
    suppressed: Said[SuppressedPart] = SuppressedPart()


class InboundData(Wire):
    """`data` of email.received: no text and no headers. `created_at` is when it came in."""

    email_id: Id = None
    created_at: Moment = None
    message_id: Id = None
    from_address: Address = Field(default=None, validation_alias="from")
    to: Addresses = ()
    cc: Addresses = ()
    bcc: Addresses = ()
    received_for: Addresses = ()
    subject: Text = None


class TopicPart(Wire):
    """An item of `topics`; `subscription` is opt_in or opt_out."""

    id: Id = None
    subscription: Text = None


def _parts(value: object) -> object:
    return tuple(each for each in one_or_many(value) if isinstance(each, dict))


class ContactData(Wire):
    """`data` of contact.updated, and of contact.topics.updated, which has only the address and the topics."""

    email: Address = None
    unsubscribed: Flag = None
    topics: Annotated[tuple[TopicPart, ...], BeforeValidator(_parts)] = ()


class SuppressionData(Wire):
    """`data` of suppression.added: `origin` is bounce, complaint or manual; `source_id` the mail that caused it."""

    email: Address = None
    origin: Text = None
    source_id: Id = None
