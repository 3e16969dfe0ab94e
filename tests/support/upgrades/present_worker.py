"""A process of this version that takes deliveries of Resend as `former_worker.py` does, to be compared with it."""

import json
import sys
import time
from datetime import datetime

from crm_relay.platform.database import Database
from crm_relay.sources.resend import RESEND
from crm_relay.webhooks.models import Delivered
from crm_relay.webhooks.receive import apply_together
from crm_relay.webhooks.source import Received


def main(database_url: str) -> None:
    """An order has `body` and `key`, or `together`: several of these for one transaction."""
    database = Database(database_url)
    for line in sys.stdin:
        order = json.loads(line)
        now = datetime.fromisoformat(order["now"])
        began = time.perf_counter()
        received = []
        for each in order.get("together") or [order]:
            delivered = Delivered(RESEND.name, each["body"].encode(), now, delivery_id=each["key"])
            received.append(Received(delivered, RESEND.parse(delivered)))
        apply_together(database, RESEND, received)
        sys.stdout.write(f"answered {time.perf_counter() - began}\n")
        sys.stdout.flush()


main(sys.argv[1])
