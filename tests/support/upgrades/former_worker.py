# mypy: ignore-errors
"""A process of the former version: `python former_worker.py`, with that version's `shared` as its PYTHONPATH.

It reads an order a line: `run` for the engine, `token` for the page behind a mail's link, `body` and `key` for a
delivery of Resend. It answers each with the seconds that it took. It knows the former version's modules alone.
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
from crm_relay.inbox.models import Delivered
from crm_relay.inbox.receive import apply_once
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.http_client import HttpClient
from crm_relay.providers.resend import webhook
from crm_relay.providers.resend.client import Resend


def main(database_url, resend_url, api_key):
    database = Database(database_url)
    client = Resend(HttpClient(resend_url, timeout=(2, 10), repeats=0), api_key)
    context = World(client, SendPolicy(Mode.LIVE), "https://api.example.com")
    for line in sys.stdin:
        order = json.loads(line)
        now = datetime.fromisoformat(order["now"])
        began = time.perf_counter()
        if "run" in order:
            run_due_steps(database, context, lambda now=now: now, Deadline.after(60))
        elif "token" in order:
            wanted = Request(order["token"], False, now)
            delivered = Delivered("unsubscribe", wanted.to_body(), now)
            apply_once(database, delivered, lambda tx, w=wanted: unsubscribe(tx, w, stop=stop_for_address))
        else:
            body, key = order["body"].encode(), order["key"]
            delivered = Delivered("resend", body, now, delivery_id=key)
            event = webhook.parse(body, now=now)
            apply_once(
                database,
                delivered,
                lambda tx, e=event, k=key, n=now: apply_event(tx, e, key=k, received_at=n, follow=follow_mail),
            )
        sys.stdout.write(f"answered {time.perf_counter() - began}\n")
        sys.stdout.flush()


main(*sys.argv[1:])
