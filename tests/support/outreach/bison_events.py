"""Deliveries of EmailBison made by hand, one builder for each form, and what they added up to."""

import random
from typing import Any

from crm_relay.platform.database import Database, Row
from tests.support.outreach.bison_webhook_function import NORTHWIND, delivery
from tests.support.platform.rows import one, rows_of

AT = "2026-03-10T10:00:00Z"
WITH_REPLY = ("lead_replied", "lead_interested", "email_bounced")
METRIC_OF = {
    "email_sent": "emails_sent_mtd",
    "lead_replied": "replies_mtd",
    "lead_interested": "positive_replies_mtd",
    "email_bounced": "bounced_mtd",
    "lead_unsubscribed": "unsubscribed_mtd",
}
METRICS = tuple(METRIC_OF.values())
PERMANENT, TEMPORARY = "Status: 5.1.1", "Status: 4.7.1"


def address(lead: int) -> str:
    """Of a lead."""
    return f"lead{lead}@example.org"


def account(number: int = 7, *, at: str = AT, status: str = "connected") -> dict[str, Any]:
    """`sender_email` as webhooks show it."""
    mailbox = f"sender{number}@example.com"
    return {"id": number, "name": "Sam", "email": mailbox, "status": status, "type": "Inbox", "updated_at": at}


def mail_data(
    kind: str,
    number: int,
    *,
    lead: int = 1,
    sender: int = 7,
    at: str = AT,
    text: str = "",
    company: str = "Example",
    automated: bool = False,
) -> dict[str, Any]:
    """`data` of the mail event `number`: number and `at` are its identity and its time."""
    data: dict[str, Any] = {
        "campaign_event": {"id": number, "created_at": at},
        "lead": {"id": lead, "email": address(lead), "first_name": "Lea", "company": company},
        "campaign": {"id": 2, "name": "Spring"},
        "scheduled_email": {"id": 1000 + number, "sent_at": at},
        "sender_email": account(sender),
    }
    if kind in WITH_REPLY:
        writer = "mailer-daemon@mx.example.net" if kind == "email_bounced" else address(lead)
        data["reply"] = {"id": number, "uuid": f"reply-{number}", "email_subject": "Re: hello", "date_received": at}
        data["reply"] |= {"from_email_address": writer, "text_body": text, "automated_reply": automated}
    return data


def mail(kind: str, number: int, *, workspace: str = NORTHWIND, **details: Any) -> bytes:
    """The delivery of a mail event."""
    return delivery(kind, mail_data(kind, number, **details), workspace=workspace)


def account_event(kind: str, number: int = 7, *, at: str = AT, status: str = "connected") -> bytes:
    """The delivery of an event about an account."""
    return delivery(kind, {"sender_email": account(number, at=at, status=status)})


def untracked_reply(number: int, *, at: str = AT) -> bytes:
    """A mail that answers nothing."""
    reply = {"uuid": f"untracked-{number}", "from_email_address": "una@example.net", "date_received": at}
    return delivery("untracked_reply_received", {"reply": reply, "sender_email": account()})


def a_months_log(seed: int = 7) -> list[bytes]:
    """65 different events of three leads and three accounts, several at the same moment, in two months."""
    chance = random.Random(seed)
    moments = [
        f"2026-0{month}-{day:02}T{hour:02}:00:00Z" for month, day in ((3, 30), (3, 31), (4, 1)) for hour in (0, 6)
    ]
    log = [
        mail(
            kind,
            number,
            lead=chance.randint(1, 3),
            sender=chance.randint(7, 9),
            at=chance.choice(moments),
            text=chance.choice([PERMANENT, TEMPORARY]),
            company=f"Example {number}",
        )
        for number, kind in enumerate(list(METRIC_OF) * 10, start=1)
        if kind != "lead_unsubscribed" or number == 5
    ]
    states = ("account_added", "account_disconnected", "account_reconnected", "account_removed")
    about = [(state, number, moment) for state in states for number in (7, 8, 9) for moment in moments]
    log += [account_event(f"email_{state}", number, at=at) for state, number, at in chance.sample(about, 22)]
    log += [untracked_reply(number, at=moments[number]) for number in range(2)]
    return log


def counters(database: Database, workspace: str = NORTHWIND) -> dict[str, int]:
    """What is counted of a workspace in all months together, without what is zero."""
    sums = ", ".join(f"coalesce(sum({metric}), 0)::integer as {metric}" for metric in METRICS)
    row = one(database, f"select {sums} from client_metrics where workspace_name = :name", name=workspace)
    return {metric: number for metric, number in row.items() if number}


def logged(database: Database, columns: str = "event_type") -> list[Row]:
    """The log, oldest line first."""
    return rows_of(database, f"select {columns} from webhook_delivery_log order by id")


def forget_everything(database: Database) -> None:
    """As before the first delivery; the workspaces stay."""
    rows_of(
        database,
        """truncate webhook_inbox, webhook_delivery_log, webhook_delivery_slots, webhook_rejections, client_metrics,
           client_leads, sender_emails_cache, inbox_items, consent_events, incidents,
           incident_closures, provider_performance_history""",
    )
