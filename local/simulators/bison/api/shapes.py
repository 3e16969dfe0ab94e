"""The JSON forms in which EmailBison shows its things; API and webhooks spell one and the same account differently."""

from __future__ import annotations

import base64
from dataclasses import asdict
from datetime import datetime
from zoneinfo import ZoneInfo

from local.simulators.bison.state import (
    BisonHook,
    BisonSending,
    Counters,
    SimulatedAccount,
    SimulatedCampaign,
    SimulatedLead,
    SimulatedReply,
    SimulatedWorkspace,
)
from local.simulators.bison.wire import Json, stamp

# Our name (that of webhooks [C]) -> that of GET /api/sender-emails [V].
API_COUNTERS = {
    "emails_sent": "emails_sent_count",
    "replied": "total_replied_count",
    "opened": "total_opened_count",
    "unsubscribed": "unsubscribed_count",
    "bounced": "bounced_count",
    "unique_replies": "unique_replied_count",
    "unique_opens": "unique_opened_count",
    "total_leads_contacted": "total_leads_contacted_count",
    "interested": "interested_leads_count",
}
# The zone of the vendor's examples [1].
LOCAL_ZONE = "America/New_York"


def _account(account: SimulatedAccount) -> Json:
    return {
        "id": account.id,
        "name": account.name,
        "email": account.email,
        "email_signature": account.signature,
        "imap_server": "imap.example.net",
        "imap_port": 993,
        "smtp_server": "smtp.example.net",
        "smtp_port": 465,
        "daily_limit": account.daily_limit,
        "type": account.type,
    }


def account_in_api(account: SimulatedAccount) -> Json:
    counters = {API_COUNTERS[name]: count for name, count in asdict(account.counters).items()}
    return {
        **_account(account),
        "status": account.status,
        "warmup_enabled": account.warmup_enabled,
        **counters,
        "created_at": stamp(account.added),
        "updated_at": stamp(account.modified),
        "tags": [asdict(tag) for tag in account.tags],
    }


def account_in_webhook(account: SimulatedAccount, status: str | None = None) -> Json:
    """The other spelling and a status in lower case [C]; without tags and warm-up (assumed)."""
    return {
        **_account(account),
        "status": (status or account.status).lower(),
        **asdict(account.counters),
        "created_at": stamp(account.added),
        "updated_at": stamp(account.modified),
    }


def workspace(item: SimulatedWorkspace) -> Json:
    """The keys are those of one typed client [1]."""
    return {"id": item.id, "name": item.name, "personal_team": False, "main": item.id == 1}


def campaign_in_api(campaign: SimulatedCampaign) -> Json:
    """Documented, not recorded; counters as webhooks spell them [1]."""
    return {
        "id": campaign.id,
        "name": campaign.name,
        "status": campaign.status,
        **asdict(campaign.counters),
        "open_tracking": campaign.open_tracking,
        "include_auto_replies_in_stats": campaign.include_auto_replies,
        "tags": [],
        "created_at": stamp(campaign.added),
        "updated_at": stamp(campaign.added),
    }


def campaign_in_webhook(campaign: SimulatedCampaign) -> Json:
    return {"id": campaign.id, "name": campaign.name}


def _lead(lead: SimulatedLead) -> Json:
    return {
        "id": lead.id,
        "first_name": lead.first_name,
        "last_name": lead.last_name,
        "email": lead.email,
        "title": lead.title,
        "company": lead.company,
        "status": lead.status,
        "custom_variables": [{"name": name, "value": value} for name, value in lead.custom_variables.items()],
    }


def lead_in_api(lead: SimulatedLead) -> Json:
    stats = {name: count for name, count in lead.counters.items() if name != "bounces"}
    return {
        **_lead(lead),
        "notes": None,
        "lead_campaign_data": [],
        "overall_stats": stats,
        "tags": [],
        "created_at": stamp(lead.added),
        "updated_at": stamp(lead.modified),
    }


def lead_in_webhook(lead: SimulatedLead) -> Json:
    return {**_lead(lead), **lead.counters}


def _local(moment: datetime) -> str:
    return moment.astimezone(ZoneInfo(LOCAL_ZONE)).isoformat(timespec="seconds")


def sending(item: BisonSending) -> Json:
    return {
        "id": item.id,
        "lead_id": item.lead.id,
        "sequence_step_id": 1,
        "sequence_step_order": 1,
        "sequence_step_variant": 1,
        "email_subject": item.subject,
        "email_body": "<p>A simulated e-mail.</p>",
        "status": item.status,
        "scheduled_date_est": _local(item.sent),
        "scheduled_date_local": _local(item.sent),
        "local_timezone": LOCAL_ZONE,
        "sent_at": stamp(item.sent),
        "opens": item.opens,
        "replies": item.replies,
        "unique_opens": min(item.opens, 1),
        "unique_replies": min(item.replies, 1),
        "interested": item.interested,
        "raw_message_id": item.message_id,
    }


def campaign_event(number: int, kind: str, moment: datetime) -> Json:
    """`sent` is a type that was seen [1]; the other types are assumed."""
    return {
        "id": number,
        "type": kind,
        "created_at": stamp(moment),
        "created_at_local": _local(moment),
        "local_timezone": LOCAL_ZONE,
    }


def reply(item: SimulatedReply) -> Json:
    head = f"From: {item.sender[1]}\r\nTo: {item.recipient[1]}\r\nSubject: {item.subject}\r\n"
    return {
        "id": item.id,
        "uuid": item.uuid,
        "email_subject": item.subject,
        "interested": item.interested,
        "automated_reply": item.automated,
        "html_body": item.html,
        "text_body": item.text,
        "raw_body": base64.b64encode(f"{head}\r\n{item.html or item.text}".encode()).decode(),
        "headers": base64.b64encode(head.encode()).decode(),
        "date_received": stamp(item.received),
        "type": item.type,
        "from_name": item.sender[0],
        "from_email_address": item.sender[1],
        "primary_to_email_address": item.recipient[1],
        "to": [{"name": item.recipient[0], "address": item.recipient[1]}],
        "cc": None,
        "bcc": None,
        "parent_id": None,
        "folder": item.folder,
        "raw_message_id": f"<reply-{item.id}@mail.example.net>",
        "created_at": stamp(item.received),
        "updated_at": stamp(item.received),
        "attachments": [],
    }


def reply_in_api(item: SimulatedReply) -> Json:
    """The ids by which the list can be filtered [V] stand in it too (assumed)."""
    return {
        **reply(item),
        "read": False,
        "sender_email_id": item.account.id,
        "lead_id": item.sending.lead.id if item.sending else None,
        "campaign_id": item.sending.campaign.id if item.sending else None,
        "scheduled_email_id": item.sending.id if item.sending else None,
    }


def hook(item: BisonHook) -> Json:
    return {
        "id": item.id,
        "name": item.name,
        "url": item.url,
        "events": list(item.events),
        "created_at": stamp(item.added),
        "updated_at": stamp(item.modified),
    }


def count(counters: Counters, **more: int) -> None:
    for name, number in more.items():
        setattr(counters, name, getattr(counters, name) + number)
