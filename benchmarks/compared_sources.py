"""The deliveries by which both versions are compared: what they are about, and a new one of each kind."""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from benchmarks.customers import confirm_everybody, email_of, insert_customers
from benchmarks.servers import Login
from crm_relay.platform.sql import Query
from tests.support.customers.mautic_hooks import deleted, delivery, opened, subscription

Order = dict[str, str]
BEGIN = datetime(2026, 11, 18, 15, tzinfo=UTC)
AT = (BEGIN + timedelta(minutes=5)).isoformat()
_MAILS = 20_000
_CUSTOMERS = 12_000
_TOGETHER = 10
_INSTANCE = "https://send.example.com"
_LEADS, _SENDERS = 500, 40
_BISON_KINDS = {
    "sent": "EMAIL_SENT",
    "replied": "LEAD_REPLIED",
    "interested": "LEAD_INTERESTED",
    "bounced": "EMAIL_BOUNCED",
}

_FILL = """
    with owner as (
        insert into campaigns (name, status, source) values ('Spring', 'active', 'native') returning id
    ),
    step as (
        insert into campaign_sequences (campaign_id, step_number, channel)
        select id, number, 'email' from owner, generate_series(1, 2) number
        returning id, campaign_id, step_number
    ),
    person as (
        insert into contacts (email) select 'p' || n || '@example.com' from generate_series(1, :mails) n
        returning id, email
    ),
    place as (
        insert into campaign_enrollments (
            org_id, campaign_id, contact_id, address, current_step, next_step_at, emails_sent
        )
        select default_org_id(), owner.id, person.id, person.email, 1, now(), 1 from owner, person
        returning id, address, campaign_id
    ),
    line as (
        insert into campaign_sequence_logs (
            org_id, campaign_id, enrollment_id, sequence_id, step_number, channel, status
        )
        select default_org_id(), place.campaign_id, place.id, step.id, 1, 'email', 'sent'
        from place
        join step on step.step_number = 1
    )
    insert into email_sends (
        org_id, send_key, entity_type, entity_id, enrollment_id, campaign_id, sequence_id, recipient_email, address,
        status, unsubscribe_token, reply_token, queued_at, sent_at, resend_id, links
    )
    select
        default_org_id(), 'k' || place.id, 'campaign_enrollment', place.id, place.id, place.campaign_id, step.id,
        place.address, place.address, 'sent', 'u' || place.id, 'r' || place.id, :begin, :begin, 'em_' || place.id, 1
    from place
    join step on step.step_number = 1
    returning id, resend_id, address"""


@dataclass(frozen=True)
class ComparedSource:
    """`kinds` are measured each for itself, `together` in turn in one transaction.

    `fill` makes what the deliveries are about and returns what makes the next delivery of a kind, as an order to a
    worker. `hot`: the kind of which all deliveries move one counter.
    """

    name: str
    kinds: tuple[str, ...]
    together: tuple[str, ...]
    fill: Callable[[Login], Callable[[str], Order]]
    hot: str | None = None


@dataclass
class _ResendMails:
    """Mails that nothing was reported of yet."""

    mails: list[tuple[UUID, str, str]]
    numbers: Iterator[int] = field(default_factory=itertools.count)

    @classmethod
    def fill(cls, login: Login) -> Callable[[str], Order]:
        with login.as_owner() as owner:
            rows = owner.run(Query.parse("fill", "makes mails", _FILL), mails=_MAILS, begin=BEGIN)
            owner.run_script("vacuum analyze")
        return cls([(row["id"], row["resend_id"], row["address"]) for row in rows]).order

    def order(self, kind: str) -> Order:
        """An event of another mail."""
        mail, email_id, address = self.mails.pop()
        data = {
            "email_id": email_id,
            "created_at": AT,
            "from": "sender@example.com",
            "to": [address],
            "subject": "Hello",
            "tags": {"send": str(mail)},
            "click": {"link": "https://www.example.com/", "timestamp": AT, "userAgent": "Mozilla/5.0"},
            "bounce": {"type": "Permanent", "subType": "General", "message": "550 no such user"},
        }
        body = {"type": f"email.{kind}", "created_at": AT, "data": data}
        return {"source": "resend", "key": f"msg_{next(self.numbers)}", "body": json.dumps(body)}


@dataclass
class _BisonEvents:
    """Events about some hundred leads and some senders of one workspace."""

    numbers: Iterator[int] = field(default_factory=itertools.count)

    @classmethod
    def fill(cls, login: Login) -> Callable[[str], Order]:
        with login.as_owner() as owner:
            owner.run_script(
                f"""insert into workspaces (org_id, name, bison_workspace_id, bison_instance_url)
                    values (default_org_id(), 'W0', 1, '{_INSTANCE}')"""
            )
        return cls().order

    def order(self, kind: str) -> Order:
        number = next(self.numbers)
        address = f"lead{number % _LEADS}@example.com"
        lead = {"id": number % _LEADS, "email": address, "first_name": "Jo", "company": "Example"}
        data: Mapping[str, Any] = {
            "campaign_event": {"id": number, "created_at": "2026-11-18T14:00:00Z"},
            "lead": lead,
            "reply": {"id": number, "uuid": f"u{number}", "from_email_address": address, "text_body": "x" * 3000},
            "sender_email": {"id": number % _SENDERS, "email": "sender@example.com", "status": "connected"},
        }
        head = {"type": _BISON_KINDS[kind], "workspace_id": 1, "workspace_name": "main", "instance_url": _INSTANCE}
        return {"source": "bison", "workspace": "W0", "body": json.dumps({"event": head, "data": data})}


@dataclass
class _MauticEvents:
    """Customers without a report so far; `ten` is a delivery of ten with all effects, the others one event."""

    people: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @classmethod
    def fill(cls, login: Login) -> Callable[[str], Order]:
        with login.as_owner() as owner:
            insert_customers(owner, _CUSTOMERS)
            confirm_everybody(owner)
        return cls().order

    def order(self, kind: str) -> Order:
        body = self._ten() if kind == "ten" else self._one(kind)
        return {"source": "mautic", "body": body.decode()}

    def _one(self, kind: str) -> bytes:
        person = next(self.people)
        if kind == "opened":
            return delivery(email_on_open=[_open(person)])
        change = subscription(contact_id=person, email=email_of(person), new=kind)
        return delivery(lead_channel_subscription_changed=[change])

    def _ten(self) -> bytes:
        first, *others = itertools.islice(self.people, _TOGETHER)
        changes = [
            subscription(contact_id=person, email=email_of(person), new=new)
            for person, new in zip([first, *others[:3]], ["unsubscribed", "bounced", "manual", "bounced"], strict=True)
        ]
        return delivery(
            lead_channel_subscription_changed=changes,
            email_on_open=[_open(person) for person in others[3:-1]],
            lead_post_delete=[deleted(others[-1])],
        )


def _open(person: int) -> Any:
    return opened(contact_id=person, email=email_of(person), tracking=f"open-{person}")


RESEND = ComparedSource(
    "resend", ("opened", "clicked", "bounced", "complained"), ("opened", "clicked"), _ResendMails.fill, hot="bounced"
)
BISON = ComparedSource(
    "bison", ("sent", "replied", "interested", "bounced"), ("sent", "replied"), _BisonEvents.fill, hot="replied"
)
MAUTIC = ComparedSource("mautic", ("opened", "unsubscribed", "bounced", "ten"), ("opened", "ten"), _MauticEvents.fill)
