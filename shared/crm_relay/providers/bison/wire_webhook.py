"""EmailBison's webhook payloads as they are on the wire, as far as we read them.

After the vendor's sample payloads (GET /api/webhook-events/sample-payload) and public receivers; nothing here was
recorded. The envelope is strict, because it says whose event it is; what stands in `data` is read field by field.
"""

from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field, StringConstraints

from crm_relay.platform.http.wire import Wire
from crm_relay.providers.bison.instance import instance_host
from crm_relay.providers.bison.wire import (
    Address,
    Flag,
    Identity,
    Moment,
    Number,
    SenderEmail,
    Text,
    number_or_none,
)

T = TypeVar("T")


def _claimed_id(value: object) -> object:
    if value is None or value == "":
        return None
    number = number_or_none(value)
    if number is None:
        raise ValueError("not a number")
    return number


def _host(value: object) -> object:
    if value is None or value == "":
        return None
    host = instance_host(value) if isinstance(value, str) else ""
    if not host:
        raise ValueError("not an address")
    return host


class Head(Wire):
    """`event`: what happened and whose it is. There is no delivery id, no time and no signature.

    `type` is in upper case in deliveries and in lower case where webhooks are registered.
    """

    type: Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, min_length=1, max_length=100)]
    workspace_id: Annotated[int | None, BeforeValidator(_claimed_id)] = None
    workspace_name: Text = None
    instance_host: Annotated[str | None, BeforeValidator(_host)] = Field(default=None, validation_alias="instance_url")


def _what_is_said(value: object) -> object:
    return value if isinstance(value, dict) else {}


Said = Annotated[T, BeforeValidator(_what_is_said)]


class LeadPart(Wire):
    """`lead`, which the vendor's pages call a contact."""

    id: Number = None
    email: Address = None
    first_name: Text = None
    last_name: Text = None
    company: Text = None
    title: Text = None


class ReplyPart(Wire):
    """`reply`: a mail that came in, for a bounce its report. `parent_id` is the id of the reply that it follows."""

    id: Number = None
    uuid: Identity = None
    subject: Text = Field(default=None, validation_alias="email_subject")
    from_address: Address = Field(default=None, validation_alias="from_email_address")
    from_name: Text = None
    date_received: Moment = None
    automated: Flag = Field(default=None, validation_alias="automated_reply")
    parent_id: Number = None
    raw_message_id: Identity = None
    text: Text = Field(default=None, validation_alias="text_body", repr=False)
    html: Text = Field(default=None, validation_alias="html_body", repr=False)


class CampaignEventPart(Wire):
    """`campaign_event`: the entry in the campaign's own log; `created_at` is UTC, `created_at_local` is not read."""

    id: Number = None
    created_at: Moment = None


class ScheduledEmailPart(Wire):
    """`scheduled_email`: the campaign's mail that was sent, or that was answered."""

    id: Number = None
    subject: Text = Field(default=None, validation_alias="email_subject")
    sent_at: Moment = None


class CampaignPart(Wire):
    """`campaign`"""

    id: Number = None
    name: Text = None


class Data(Wire):
    """`data`: which parts are there depends on the event. One that is missing, null or no object says nothing."""

    lead: Said[LeadPart] = LeadPart()
    reply: Said[ReplyPart] = ReplyPart()
    campaign_event: Said[CampaignEventPart] = CampaignEventPart()
    scheduled_email: Said[ScheduledEmailPart] = ScheduledEmailPart()
    campaign: Said[CampaignPart] = CampaignPart()
    sender_email: Said[SenderEmail] = SenderEmail()


_CLAIMS = ("workspace_id", "workspace_name", "instance_url")
_WRAPPERS: tuple[tuple[str, ...], ...] = ((), ("payload",), ("data",), ("data", "payload"), ("payload", "data"))


def open_envelope(content: dict[str, Any]) -> tuple[dict[str, Any], Any] | None:
    """What `event` says, as a Head reads it, and `data`, whatever that is. None where there is no event.

    Relays wrap a delivery in `payload`, in `data` or in both; an older form has the event's name as `event` and the
    workspace beside it.
    """
    for path in _WRAPPERS:
        nodes = [content]
        for word in path:
            inner = nodes[-1].get(word)
            nodes.append(inner if isinstance(inner, dict) else {})
        event = nodes[-1].get("event")
        if isinstance(event, dict | str):
            said = event if isinstance(event, dict) else {"type": event}
            claims = {word: each[word] for each in (*nodes, said) for word in _CLAIMS if each.get(word) is not None}
            return {"type": said.get("type"), **claims}, _data_of(nodes[-1])
    return None


def _data_of(node: dict[str, Any]) -> Any:
    """Beside `event`, or its parts there one by one."""
    if "data" in node:
        return node["data"]
    return {name: node[name] for name in Data.model_fields if name in node}
