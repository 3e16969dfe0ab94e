"""A process of this version that takes deliveries as `former_worker.py` does, to be compared with it."""

import json
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from crm_relay.platform.database import Database
from crm_relay.sources.bison import bison_source
from crm_relay.sources.mautic import MAUTIC
from crm_relay.sources.resend import RESEND
from crm_relay.webhooks.models import Delivered
from crm_relay.webhooks.receive import apply_together
from crm_relay.webhooks.source import Received, Source

SOURCES: Mapping[str, Source[Any, Any]] = {"bison": bison_source(""), "mautic": MAUTIC, "resend": RESEND}


def main(database_url: str) -> None:
    """An order is a delivery (`source`, `body`, `key` or `workspace`), or `together`: several for one transaction."""
    database = Database(database_url)
    for line in sys.stdin:
        order = json.loads(line)
        now = datetime.fromisoformat(order["now"])
        began = time.perf_counter()
        deliveries = order.get("together") or [order]
        source = SOURCES[deliveries[0]["source"]]
        received = []
        for each in deliveries:
            delivered = Delivered(
                source.name,
                each["body"].encode(),
                now,
                workspace_name=each.get("workspace"),
                delivery_id=each.get("key"),
            )
            received.append(Received(delivered, source.parse(delivered)))
        apply_together(database, source, received)
        sys.stdout.write(f"answered {time.perf_counter() - began}\n")
        sys.stdout.flush()


main(sys.argv[1])
