"""Workers of the outbox that are forked for every order: killed, or stopped while others go on, or in peace."""

import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from crm_relay.platform.clock import Deadline
from crm_relay.platform.http.guarded.exchange import OutgoingAnswer, OutgoingRequest
from crm_relay.platform.http.guarded.guarded_client import GuardedClient
from crm_relay.platform.http.guarded.targets import GuardRules
from crm_relay.platform.sql import Query
from crm_relay.workflows.webhooks_out import store
from crm_relay.workflows.webhooks_out.models import WebhookClient
from crm_relay.workflows.webhooks_out.references import WorkflowSecrets
from crm_relay.workflows.webhooks_out.send_due_webhooks import send_due_webhooks
from tests.support.processes.fork_server import Death, SteppedDatabase, serve

MODULE = "tests.support.workflows.forked_outbox"
_FENCE = " and webhook.fence = outcome.fence"


@dataclass(frozen=True)
class OutboxOrder:
    """`dies`: {"line": n} or {"step": n, "before": bool}, with "stops" true where it only stops; nothing: it lives.

    `fence` False: a worker that lost its lease records its outcome all the same.
    """

    database_url: str
    receiver_urls: tuple[str, ...]
    now: str
    dies: Mapping[str, Any]
    fence: bool = True


class _WatchedClient:
    def __init__(self, client: WebhookClient, death: Death) -> None:
        self._client, self._death = client, death

    def send(self, request: OutgoingRequest) -> OutgoingAnswer:
        return self._death.around(lambda: self._client.send(request))


def without_fence(query: Query) -> Query:
    """AssertionError where the statement has none to take off."""
    sql = query.sql
    assert sql.count(_FENCE) == 1
    return Query.parse(query.name, query.why, sql.replace(_FENCE, ""))


def work(order: OutboxOrder) -> dict[str, int]:
    """One run of a worker."""
    dies = order.dies
    sign = signal.SIGSTOP if dies.get("stops") else signal.SIGKILL
    death = Death(dies.get("line", 0), dies.get("step", 0), dies.get("before", False), sign)
    database = SteppedDatabase(order.database_url, death)
    rules = GuardRules(frozenset(urlsplit(each).netloc for each in order.receiver_urls))
    client = _WatchedClient(GuardedClient(rules, seconds=5.0), death)
    if not order.fence:
        store._SQL["record_outcomes"] = without_fence(store._SQL["record_outcomes"])
    now = datetime.fromisoformat(order.now)
    if "line" in dies:
        threading.settrace(death.watch)
        sys.settrace(death.watch)
    try:
        send_due_webhooks(database, client, WorkflowSecrets({"crm": ("s3cret",)}), lambda: now, Deadline.after(120))
    finally:
        sys.settrace(None)
        database.close()
    return {"lines": death.lines, "steps": death.steps}


if __name__ == "__main__":
    serve(lambda order: work(OutboxOrder(**order)))
