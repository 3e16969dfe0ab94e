"""The function bison_webhook as Lambda would call it, deliveries for it, and what it left in the database."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from bison_webhook import wiring
from bison_webhook.handler import handler
from crm_relay.platform.database import Database, Row
from tests.support.customers.mautic_hooks import http_event
from tests.support.function_settings import WITHOUT_AWS, give_settings
from tests.support.platform.rows import rows_of

INSTANCE = "https://send.example.com"
NORTHWIND, CONTOSO = "Northwind", "Contoso"
NUMBERS = {NORTHWIND: 17, CONTOSO: 18}
TOKENS = {NORTHWIND: "northwind-token-0001-of-32-letters", CONTOSO: "contoso-token-000002-of-32-letters"}
ENVIRONMENT = WITHOUT_AWS | {
    "BISON_INSTANCE_URL": INSTANCE,
    "BISON_WEBHOOK_TOKENS": json.dumps(TOKENS),
}


def configure(monkeypatch: pytest.MonkeyPatch, database_url: str, **settings: str) -> None:
    """Settings of the function in this environment, with an AWS that is away unless `settings` names one."""
    give_settings(monkeypatch, wiring.dependencies, ENVIRONMENT | settings | {"DATABASE_URL": database_url})


def plant_workspaces(database: Database, *, timezone: str = "UTC") -> None:
    """Both workspaces, as `crm-relay bison webhooks ensure` leaves them."""
    for name, number in NUMBERS.items():
        rows_of(
            database,
            """insert into workspaces (org_id, name, timezone, bison_workspace_id, bison_instance_url)
               values (default_org_id(), :name, :timezone, :number, :instance)""",
            name=name,
            number=number,
            timezone=timezone,
            instance=INSTANCE,
        )


def delivery(event_type: str, data: Mapping[str, Any], *, workspace: str = NORTHWIND, **head: Any) -> bytes:
    """The body of one delivery in the plain envelope; `head` overrides what stands in `event`."""
    event = {
        "type": event_type.upper(),
        "name": event_type.replace("_", " ").title(),
        "instance_url": INSTANCE,
        "workspace_id": NUMBERS[workspace],
        "workspace_name": workspace,
    }
    return json.dumps({"event": event | head, "data": data}).encode()


def deliver(body: bytes, *, token: str = TOKENS[NORTHWIND], **event: Any) -> dict[str, Any]:
    """The JSON answer to a delivery, with its `status`."""
    request = http_event(body, headers={"content-type": "application/json"})
    request |= {"rawPath": f"/webhooks/bison/{token}", "pathParameters": {"token": token}} | event
    response = handler(request, None)
    answer: dict[str, Any] = json.loads(response["body"] or "{}")
    return answer | {"status": response["statusCode"]}


# What deliveries may change, without what is only when and under which number it was written.
_TABLES = {
    "client_metrics": """workspace_name, month, metric_type, emails_sent_mtd, positive_replies_mtd, replies_mtd,
        bounced_mtd, unsubscribed_mtd""",
    "client_leads": """workspace_name, lead_id, lead_email, first_name, last_name, company, title, date_received,
        lead_status, interested_at, replied_at, bounced_at, unsubscribed_at, campaign_id, campaign_name,
        sender_email_id""",
    "sender_emails_cache": "workspace_name, sender_email_id, email_address, status, status_at, removed_at",
    "inbox_items": "source, external_id, thread_id, from_address, subject, received_at, is_auto_reply",
    "consent_events": "org_id, channel, address, kind, source, source_event, occurred_at",
    "customer_profiles": "id, opted_out_at",
    "first_lines": "",
}


def tables(database: Database) -> dict[str, list[Row]]:
    """Everything that deliveries write, sorted; of the log the lines that count."""
    queries = {table: f"select {columns} from {table}" for table, columns in _TABLES.items() if columns}
    queries[
        "first_lines"
    ] = """select event_type, workspace_name, event_key, metric, amount, occurred_at, sender_email_id, lead_id
        from webhook_delivery_log where is_first"""
    return {table: sorted(rows_of(database, query), key=str) for table, query in queries.items()}
