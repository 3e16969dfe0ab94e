"""A lead of cold outreach with traces in every place that there is, and deliveries for more of them."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from crm_relay.platform.database import Database
from crm_relay.sources.bison import bison_source
from crm_relay.webhooks.models import Delivered, DeliveryOutcome
from crm_relay.webhooks.receive import apply_stored
from tests.support.operations.planted_person import AT, Places, Planted
from tests.support.outreach.bison_deliveries import ENVELOPES
from tests.support.platform.rows import rows_of

WORKSPACE = "Northwind"
CLAIMS = {"instance_url": "https://send.example.com", "workspace_id": 17, "workspace_name": WORKSPACE}
KINDS = ("email_sent", "lead_replied", "lead_interested", "email_bounced", "lead_unsubscribed")


def event_of(who: Planted, kind: str, *, number: int, lead_id: int) -> dict[str, Any]:
    """`data` of one delivery that is about somebody: in the lead, in what was written, and in base64."""
    name, mime = f"{who.first} {who.last}", base64.b64encode(f"To: {who.address}\n\nDear {who.first}".encode()).decode()
    lead = {"id": lead_id, "email": who.address, "first_name": who.first, "last_name": who.last, "company": who.last}
    reply = {
        "id": number,
        "uuid": f"0f8fad5b-d9cb-469f-a165-{number:012}",
        "email_subject": f"Re: {who.last}",
        "text_body": f"Call {who.first} at {who.phone}",
        "raw_body": mime,
        "headers": mime,
        "from_name": name,
        "from_email_address": who.address,
        "date_received": "2026-03-01T12:00:00.000000Z",
    }
    return {
        "campaign_event": {"id": number, "created_at": "2026-03-01T12:00:00.000000Z"},
        "lead": {**lead, "custom_variables": [{"name": "phone", "value": who.phone}]},
        "campaign": {"id": 55, "name": "Autumn"},
        "scheduled_email": {"id": number, "lead_id": lead_id, "email_subject": who.last, "email_body": f"Dear {name}"},
        "sender_email": {"id": 301, "name": "Rosa Hall", "email": "rosa@outreach.example.com", "status": "connected"},
        **({} if kind in {"email_sent", "lead_unsubscribed"} else {"reply": reply}),
    }


def body_of(kind: str, data: Mapping[str, Any], envelope: str = "plain") -> bytes:
    """As one of the relays would send it."""
    return json.dumps(ENVELOPES[envelope](kind.upper(), dict(data), CLAIMS)).encode()


def arrive(database: Database, body: bytes) -> DeliveryOutcome:
    """As bison_webhook takes it."""
    return apply_stored(
        database, bison_source("send.example.com"), Delivered("bison", body, AT, workspace_name=WORKSPACE)
    )


def plant_lead(database: Database, places: Places, who: Planted, *, lead_id: int) -> None:
    """In five kinds of events, each in another envelope; one refused, deferred, dead, given up and oversize besides."""
    envelopes = list(ENVELOPES)
    for place, kind in enumerate(KINDS):
        data = event_of(who, kind, number=10 * lead_id + place, lead_id=lead_id)
        arrive(database, body_of(kind, data, envelopes[(place + lead_id) % len(envelopes)]))
    # Every other one: of a queue nobody sees more than ten messages at a time.
    for place, envelope in enumerate(envelopes[::2]):
        late = event_of(who, "lead_replied", number=10_000 * lead_id + place, lead_id=lead_id)
        _keep_aside(database, places, body_of("lead_replied", late, envelope))


def _keep_aside(database: Database, places: Places, body: bytes) -> None:
    delivered = Delivered("bison", body, AT, workspace_name=WORKSPACE)
    message = json.dumps(delivered.message)
    for url in places.queues:
        places.client("sqs").send_message(QueueUrl=url, MessageBody=message)
    rows_of(
        database,
        "insert into failed_tasks (source, task_key, payload) values ('bison', :key, :payload)",
        key=delivered.dedupe_key,
        payload=base64.b64encode(message.encode()).decode(),
    )
    rows_of(
        database,
        """insert into webhook_inbox (source, dedupe_key, body, received_at, workspace_name)
           values ('bison', :key, :body, now(), :workspace)""",
        key=delivered.dedupe_key,
        body=body.decode(),
        workspace=WORKSPACE,
    )
    key = f"oversize/bison/{delivered.dedupe_key}"
    places.client("s3").put_object(Bucket=places.deferred.bucket, Key=key, Body=body)
