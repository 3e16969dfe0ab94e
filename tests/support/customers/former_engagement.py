"""What the version before this one sends to the database for Mautic's events, while it is still running."""

import json
from datetime import datetime
from typing import Any

from crm_relay.consent.address import normalise_phone
from crm_relay.engagement.decisions import MAX_BOUNCES, judge
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.sql import Json, Query
from crm_relay.providers.mautic.events import MauticEvent
from crm_relay.sources.mautic import MAUTIC
from crm_relay.webhooks.models import Delivered

_KEEP = Query.parse(
    "keep",
    "keeps a delivery",
    """insert into webhook_inbox (source, dedupe_key, headers, body, received_at, applied_at, attempts)
       values ('mautic', :key, :headers, :body, :received_at, clock_timestamp(), 1)
       on conflict (source, dedupe_key) do update set applied_at = excluded.applied_at
           where webhook_inbox.applied_at is null
       returning id""",
)
_APPLY = Query.parse("apply", "applies events", "select * from apply_mautic_events(:events, :max_bounces)")
_MATCH = Query.parse("match", "matches events", "select match_waiting_mautic_events(5000, :max_bounces) as matched")


def apply_formerly(database: Database, body: bytes, received_at: datetime) -> tuple[int, int, int, int]:
    """processed, duplicates, unmatched, ignored of the events that have a meaning."""
    delivered = Delivered("mautic", body, received_at, {"content-type": "application/json"})
    events = MAUTIC.parse(delivered).events

    def work(transaction: Transaction) -> tuple[int, int, int, int]:
        kept = transaction.run(
            _KEEP,
            key=delivered.dedupe_key,
            headers=Json(delivered.kept_headers),
            body=body.decode(),
            received_at=received_at,
        )
        if not kept:
            return 0, len(events), 0, 0
        if not events:
            return 0, 0, 0, 0
        row = transaction.run(_APPLY, events=Json([_row(each) for each in events]), max_bounces=MAX_BOUNCES)[0]
        return row["processed"], row["duplicates"], row["unmatched"], row["ignored"]

    return database.transact(work)


def match_formerly(database: Database) -> int:
    """How many events that waited found their customer."""
    return int(database.run(_MATCH, max_bounces=MAX_BOUNCES)[0]["matched"])


def _row(event: MauticEvent) -> dict[str, Any]:
    verdict = judge(event)
    is_text = event.kind == "sms_opt_out"
    return {
        "key": event.key,
        "kind": event.kind,
        "occurred_at": event.occurred_at,
        "contact_id": event.contact_id,
        "supabase_id": event.customer_id,
        "address": normalise_phone(event.address) if is_text and event.address else event.address,
        "campaign_name": event.campaign_name,
        "email_subject": event.email_subject,
        "link_url": event.link_url,
        "email_id": event.email_id,
        "is_machine": verdict.is_machine,
        "verdict": verdict.reason,
        "payload": json.loads(json.dumps(event.payload)),
    }
