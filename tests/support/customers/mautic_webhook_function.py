"""The function mautic_webhook as Lambda would call it, and what it left in the database."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from crm_relay.platform.database import Database, Row
from mautic_webhook import wiring
from mautic_webhook.handler import handler
from tests.support.customers.mautic_hooks import SECRET, http_event
from tests.support.function_settings import WITHOUT_AWS, give_settings
from tests.support.platform.rows import rows_of

ENVIRONMENT = WITHOUT_AWS | {"MAUTIC_WEBHOOK_SECRET": f"older-secret-of-16, {SECRET}"}


def configure(monkeypatch: pytest.MonkeyPatch, database_url: str, **settings: str) -> None:
    """Settings of a function in this environment, with an AWS that is away unless `settings` names one."""
    give_settings(monkeypatch, wiring.installation, ENVIRONMENT | settings | {"DATABASE_URL": database_url})


def deliver(body: bytes, *, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The JSON answer to a delivery, with its `status`."""
    response = handler(http_event(body, headers=headers), None)
    answer: dict[str, Any] = json.loads(response["body"])
    return answer | {"status": response["statusCode"]}


def counts(answer: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """processed, duplicates, unmatched, ignored"""
    return answer["events_processed"], answer["duplicates"], answer["unmatched"], answer["ignored"]


# What a delivery may change, without what is only when and under which number it was written.
_TABLES = {
    "webhook_inbox": "source, dedupe_key, headers, body, applied_at is not null as applied, error",
    "customer_email_engagement": """customer_id, event_type, campaign_name, email_subject, link_url, occurred_at,
        mautic_email_id, raw_payload::text, event_key, mautic_contact_id, address, is_machine, verdict""",
    "consent_events": "org_id, channel, address, kind, source, source_event, evidence, occurred_at",
    "customer_profiles": "id, marketing_opt_in, opted_out_at",
    "customer_emails": "customer_id, email, is_valid, bounce_count",
    "mautic_sync_status": "customer_id, mautic_contact_id, sync_hash, segments, segments_settled, dnc_reason",
    "mautic_former_contacts": "mautic_contact_id, customer_id",
}


def tables(database: Database) -> dict[str, list[Row]]:
    """Everything that deliveries write, sorted."""
    return {
        table: sorted(rows_of(database, f"select {columns} from {table}"), key=str)
        for table, columns in _TABLES.items()
    }
