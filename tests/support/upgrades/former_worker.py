# mypy: ignore-errors
"""A process of the former version: `python former_worker.py`, with that version's `shared` as its PYTHONPATH.

It reads an order a line: `run` for the engine, `token` for the page behind a mail's link, `edge` for a direction of the
cache in `table`, else the `body` of a delivery of `source` (without one: of Resend, with its `key`). `texts` beside
`run` is the simulated Twilio. It answers each with the seconds that it took. It knows the former version's modules
alone.
"""

import json
import sys
import time
from datetime import datetime

from crm_relay.campaigns.follow_mail import follow_mail
from crm_relay.campaigns.run_due_steps import World, run_due_steps
from crm_relay.campaigns.stop import stop_for_address
from crm_relay.delivery.apply_event import apply_event
from crm_relay.delivery.models import Mode, SendPolicy
from crm_relay.delivery.unsubscribe import Request, unsubscribe
from crm_relay.edge_cache.dynamo_table import DynamoTable
from crm_relay.edge_cache.run import SyncRun
from crm_relay.engagement.apply_delivery import applied_before, apply_delivery
from crm_relay.inbox.models import Delivered
from crm_relay.inbox.receive import apply_once
from crm_relay.outreach.apply_delivery import apply_delivery as apply_bison
from crm_relay.outreach.models import Arrival
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.http_client import HttpClient
from crm_relay.providers.bison import webhook as bison
from crm_relay.providers.mautic import webhook as mautic
from crm_relay.providers.resend import webhook
from crm_relay.providers.resend.client import Resend
from crm_relay.providers.twilio.client import Twilio


def run(database, client, order, now):
    texts = None
    if "texts" in order:
        url, account, token, number = order["texts"]
        texts = Twilio(HttpClient(url, timeout=(2, 10), repeats=0), account, token, number)
    context = World(client, SendPolicy(Mode.LIVE), "https://api.example.com", texts=texts)
    run_due_steps(database, context, lambda: now, Deadline.after(60))


def leave(database, order, now):
    wanted = Request(order["token"], False, now)
    delivered = Delivered("unsubscribe", wanted.to_body(), now)
    apply_once(database, delivered, lambda tx: unsubscribe(tx, wanted, stop=stop_for_address))


def take_mautic(database, order, now):
    body = order["body"].encode()
    delivery = mautic.parse(body, now=now)
    delivered = Delivered("mautic", body, now, {"content-type": "application/json"})
    apply_once(
        database,
        delivered,
        lambda tx: apply_delivery(tx, delivery),
        again=lambda _transaction: applied_before(delivery),
    )


def take_bison(database, order, now):
    body = order["body"].encode()
    delivery = bison.parse(body, now=now)
    delivered = Delivered("bison", body, now, {}, workspace_name=order["workspace"])
    arrival = Arrival(order["workspace"], delivered.dedupe_key, now, "", elapsed_ms=1)

    def apply(transaction):
        return apply_bison(transaction, arrival, delivery)

    apply_once(database, delivered, apply, again=apply)


def sync(database, order, now):
    cache = SyncRun(database, DynamoTable(order["table"], clock=lambda: now), lambda: now, Deadline.after(60))
    cache.to_cache() if order["edge"] == "to_cache" else cache.to_postgres()


def take_resend(database, order, now):
    body, key = order["body"].encode(), order["key"]
    event = webhook.parse(body, now=now)
    apply_once(
        database,
        Delivered("resend", body, now, delivery_id=key),
        lambda tx: apply_event(tx, event, key=key, received_at=now, follow=follow_mail),
    )


def main(database_url, resend_url, api_key):
    database = Database(database_url)
    client = Resend(HttpClient(resend_url, timeout=(2, 10), repeats=0), api_key)
    for line in sys.stdin:
        order = json.loads(line)
        now = datetime.fromisoformat(order["now"])
        began = time.perf_counter()
        if "run" in order:
            run(database, client, order, now)
        elif "token" in order:
            leave(database, order, now)
        elif "edge" in order:
            sync(database, order, now)
        else:
            take = {"mautic": take_mautic, "bison": take_bison}.get(order.get("source"), take_resend)
            take(database, order, now)
        sys.stdout.write(f"answered {time.perf_counter() - began}\n")
        sys.stdout.flush()


main(*sys.argv[1:])
