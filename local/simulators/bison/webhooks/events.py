"""The webhook events: their names, what each carries, and how a body is put together."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from local.simulators.bison.api import shapes
from local.simulators.bison.state import (
    BisonSending,
    SimulatedAccount,
    SimulatedCampaign,
    SimulatedLead,
    SimulatedReply,
    SimulatedWorkspace,
)
from local.simulators.bison.wire import Json, laravel_json

# What `data` holds, by event [C].
_MAIL = ("scheduled_email", "campaign_event", "lead", "campaign", "sender_email")
_REPLY = ("reply", "campaign_event", "lead", "campaign", "scheduled_email", "sender_email")
_TAG = ("tag_id", "tag_name", "taggable_id", "taggable_type")
_ACCOUNT = ("sender_email",)
# The seventeen names of the vendor's list [V]; bodies carry them in upper case [C].
EVENTS: dict[str, tuple[str, ...]] = {
    "email_sent": _MAIL,
    "lead_first_contacted": _MAIL,
    "lead_replied": _REPLY,
    "lead_interested": _REPLY,
    "email_opened": _MAIL,
    "email_bounced": _REPLY,
    "lead_unsubscribed": _MAIL,
    "email_account_added": _ACCOUNT,
    "email_account_removed": _ACCOUNT,
    "email_account_disconnected": _ACCOUNT,
    "email_account_reconnected": _ACCOUNT,
    "manual_email_sent": ("reply", "lead", "campaign", "scheduled_email", "sender_email"),
    "untracked_reply_received": ("reply", "sender_email"),
    "tag_attached": _TAG,
    "tag_removed": _TAG,
    "warmup_disabled_receiving_bounces": _ACCOUNT,
    "warmup_disabled_causing_bounces": _ACCOUNT,
}
Envelope = Literal["plain", "data", "payload", "data_payload", "flat"]
Case = Literal["upper", "lower", "mixed"]
_CASES: dict[str, Callable[[str], str]] = {"upper": str.upper, "lower": str.lower, "mixed": str.title}


@dataclass(frozen=True)
class EventOptions:
    """How one event is delivered.

    `envelope`: plain as the vendor shows it; nested as data.event, payload.event or data.payload.event, as relays do;
    flat with `event` as a string [C]. `times`: so many deliveries of the same event, byte for byte the same, or with
    `reserialised` in another order of keys and with white space. `silent`: it happens, but no webhook arrives.
    """

    envelope: Envelope = "plain"
    case: Case = "upper"
    instance_url: bool = True
    times: int = 1
    reserialised: bool = False
    silent: bool = False


@dataclass
class EventSubject:
    """What an event is about; the shapes are taken when it happens."""

    account: SimulatedAccount | None = None
    lead: SimulatedLead | None = None
    campaign: SimulatedCampaign | None = None
    sending: BisonSending | None = None
    reply: SimulatedReply | None = None
    campaign_event: Json | None = None
    status: str | None = None  # of the account, where the webhook tells another one
    tag: Json = field(default_factory=dict)

    def data(self, event: str) -> Json:
        found: Json = {
            "sender_email": self.account and shapes.account_in_webhook(self.account, self.status),
            "lead": self.lead and shapes.lead_in_webhook(self.lead),
            "campaign": self.campaign and shapes.campaign_in_webhook(self.campaign),
            "scheduled_email": self.sending and shapes.sending(self.sending),
            "reply": self.reply and shapes.reply(self.reply),
            "campaign_event": self.campaign_event,
            **self.tag,
        }
        return {part: found[part] for part in EVENTS[event]}


def title(event: str) -> str:
    return event.replace("_", " ").title()


def envelope(workspace: SimulatedWorkspace, instance_url: str, event: str, data: Json, options: EventOptions) -> Json:
    """No delivery id, no time and no signature stand in it [C]."""
    origin = {"instance_url": instance_url} if options.instance_url else {}
    whose = {**origin, "workspace_id": workspace.id, "workspace_name": workspace.name}
    kind = _CASES[options.case](event)
    plain: Json = {"event": {"type": kind, "name": title(event), **whose}, "data": data}
    if options.envelope == "flat":
        return {"event": kind, **whose, "data": data}
    if options.envelope == "data_payload":
        return {"data": {"payload": plain}}
    return plain if options.envelope == "plain" else {options.envelope: plain}


def bodies(content: Json, options: EventOptions) -> list[bytes]:
    first = laravel_json(content)
    again = reserialised(first) if options.reserialised else first
    return [first, *[again] * (options.times - 1)]


def reserialised(body: bytes) -> bytes:
    """The same values in other bytes: keys backwards, indented, nothing escaped."""
    return json.dumps(_backwards(json.loads(body)), indent=2, ensure_ascii=False).encode()


def _backwards(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _backwards(item) for key, item in reversed(value.items())}
    return [_backwards(item) for item in value] if isinstance(value, list) else value


def sample(event: str) -> Json:
    """`data` of the sample that the instance gives and sends as a test: fixed ids, as in the vendor's examples."""
    moment = datetime(2024, 8, 2, 6, 8, 38, tzinfo=UTC)
    account = SimulatedAccount(3, 1, "Sam Sample", "sam.sample@example.com", moment, moment)
    campaign = SimulatedCampaign(2, 1, "test", moment)
    lead = SimulatedLead(1, 1, "lead@example.org", "Lea", "Leadsample", "Example Ltd", "Engineer", moment, moment)
    sent = BisonSending(4, 1, account, lead, campaign, "test subject", moment)
    people = (f"{lead.first_name} {lead.last_name}", lead.email), (account.name, account.email)
    received = SimulatedReply(5, 1, account, "Re: test subject", "A sample reply.", *people, moment, sending=sent)
    received.uuid = "00000000-0000-4000-8000-000000000005"
    occurred = shapes.campaign_event(6, event.rpartition("_")[2], moment)
    tag = {"tag_id": 1, "tag_name": "Sample", "taggable_id": lead.id, "taggable_type": "App\\Models\\Lead"}
    return EventSubject(account, lead, campaign, sent, received, occurred, tag=tag).data(event)
