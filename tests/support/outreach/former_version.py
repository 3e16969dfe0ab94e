"""What the version before this one sends to the database for a delivery of EmailBison, while it is still running."""

from datetime import datetime

from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.sql import Json, Query
from crm_relay.providers.bison.events import BisonDelivery
from crm_relay.sources.bison import bison_source
from crm_relay.webhooks.models import Delivered

KEEP = Query.parse(
    "keep",
    "keeps a delivery",
    """insert into webhook_inbox (source, workspace_name, dedupe_key, headers, body, received_at, applied_at, attempts)
       values ('bison', :workspace, :key, '{}', :body, :received_at, clock_timestamp(), 1)
       on conflict (source, dedupe_key) do update set applied_at = excluded.applied_at
           where webhook_inbox.applied_at is null
       returning id, erased_among('{}') as erased""",
)
APPLY = Query.parse("apply", "applies a delivery", "select apply_bison_delivery(:attempt, :event) as outcome")


def apply_formerly(database: Database, body: bytes, *, workspace: str, instance: str, received_at: datetime) -> str:
    """'processed', 'duplicate', 'ignored' or 'refused', in three messages."""
    delivered = Delivered("bison", body, received_at, workspace_name=workspace)
    delivery = bison_source(instance).parse(delivered)
    attempt = {
        "workspace_name": workspace,
        "event_type": delivery.event_type,
        "received_at": received_at,
        "elapsed_ms": 0,
        "dedupe_key": delivered.dedupe_key,
        "origin": "webhook",
        "instance": instance,
        "workspace_id": delivery.workspace_id,
        "instance_host": delivery.instance_host,
    }

    def work(transaction: Transaction) -> str:
        transaction.run(
            KEEP, workspace=workspace, key=delivered.dedupe_key, body=body.decode(), received_at=received_at
        )
        return str(transaction.run(APPLY, attempt=Json(attempt), event=_event(delivery))[0]["outcome"])

    return database.transact(work)


def _event(delivery: BisonDelivery) -> Json | None:
    event = delivery.event
    if event is None:
        return None
    return Json(
        {
            "key": event.key,
            "kind": event.kind,
            "occurred_at": event.occurred_at,
            "lead": event.lead and vars(event.lead),
            "reply": event.reply and vars(event.reply),
            "account": event.account and vars(event.account) | {"tags": list(event.account.tags)},
            "campaign_id": event.campaign_id,
            "campaign_name": event.campaign_name,
            "is_permanent_bounce": event.is_permanent_bounce,
        }
    )
