"""What a delivery of EmailBison says, in our words."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from crm_relay.providers.bison.vocabulary import AccountStatus, EventKind

Verdict = Literal["handled", "ignored", "unknown"]


@dataclass(frozen=True)
class BisonLead:
    """Somebody who is written to. `email` as it came, not normalised; every text None where it is missing or empty."""

    lead_id: int
    email: str | None
    first_name: str | None
    last_name: str | None
    company: str | None
    title: str | None


@dataclass(frozen=True)
class LeadReply:
    """One mail that came in, bounces included.

    `external_id` is the uuid, else the id as text. `thread_id` is the message that it answers, else the message itself;
    None where neither is known. `is_automated` is EmailBison's own guess, such as for an out-of-office note.
    """

    external_id: str
    subject: str | None
    from_address: str | None
    from_name: str | None
    received_at: datetime | None
    is_automated: bool
    thread_id: str | None


@dataclass(frozen=True)
class SenderAccount:
    """A mailbox that sends. The counters run since the account was added; None where nothing was said of one.

    `provider` and `reseller` are read from the tags, `provider` also from the type of the account (mapping.py). Tags
    are wiped when an account reconnects, so no tags says nothing about a provider that was known.
    """

    account_id: int
    email: str
    name: str | None
    status: AccountStatus
    account_type: str | None
    daily_limit: int | None
    warmup_enabled: bool | None
    emails_sent: int | None
    replied: int | None
    unique_replied: int | None
    opened: int | None
    unique_opened: int | None
    bounced: int | None
    unsubscribed: int | None
    interested: int | None
    leads_contacted: int | None
    tags: tuple[str, ...]
    provider: str | None
    reseller: str | None
    created_at: datetime | None
    updated_at: datetime | None


@dataclass(frozen=True)
class BisonEvent:
    """One thing that happened in a workspace.

    `key` is what the event is counted by within its workspace. `own_keys` are all ids that name it and no other, `key`
    among them: it may come again with any of them left out. `shared_key` is an id that other events of its kind may
    have too, such as the mail that two replies answer.
    `occurred_at` is the time of receipt where the delivery names no time that can be. What a delivery leaves out or
    garbles is None; the event counts all the same.
    """

    key: str
    kind: EventKind
    occurred_at: datetime
    lead: BisonLead | None = None
    reply: LeadReply | None = None
    account: SenderAccount | None = None
    campaign_id: int | None = None
    campaign_name: str | None = None
    email_subject: str | None = None
    is_permanent_bounce: bool = False
    lead_email: str | None = None
    own_keys: tuple[str, ...] = ()
    shared_key: str | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """All by which it may have come before."""
        shared = () if self.shared_key is None else (self.shared_key,)
        return tuple(dict.fromkeys((self.key, *self.own_keys, *shared)))

    @property
    def address(self) -> str | None:
        """The lead's, as it came; also of a lead without a number, who is no lead of anybody's (`lead` None)."""
        return self.lead_email if self.lead is None else self.lead.email


@dataclass(frozen=True)
class BisonDelivery:
    """One request of EmailBison, which carries one event.

    `event_type` is EmailBison's name in lower case. `workspace_id`, `workspace_name` and `instance_host` are what the
    body claims, None where it says nothing. `event` is None unless the verdict is "handled".
    """

    event_type: str
    workspace_id: int | None
    workspace_name: str | None
    instance_host: str | None
    event: BisonEvent | None
    verdict: Verdict
