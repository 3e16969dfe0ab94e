"""Registers our webhook in a workspace, corrects what differs, and proves that a delivery arrives."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from crm_relay.outreach import store
from crm_relay.outreach.polling.watch_webhooks import ROUTE, registration
from crm_relay.platform.database import Queryable
from crm_relay.providers.bison.client import Bison
from crm_relay.providers.bison.vocabulary import HOOK_EVENTS

NAME = "CRM Relay"
TEST_EVENT = "tag_attached"
"""One without effect: a test must not move a counter."""

_WAIT_SECONDS = 15.0


@dataclass(frozen=True)
class Ensured:
    """`done` is "kept", "created" or "changed"; `arrived` None: not tested."""

    workspace_name: str
    done: str
    arrived: bool | None = None


def plan_webhook(bison: Bison, public_url: str, tokens: list[str]) -> str:
    """What `ensure_webhook` would do, without doing it. One request."""
    found = registration(bison.webhooks(), tokens)
    if found.ours is None:
        return "created"
    is_right = found.ours.url == public_url.rstrip("/") + ROUTE + tokens[0]
    return "kept" if is_right and not found.missing_events else "changed"


def ensure_webhook(
    db: Queryable, bison: Bison, workspace_name: str, public_url: str, tokens: list[str], now: datetime
) -> Ensured:
    """Afterwards the webhook leads to `public_url` with the first token and sends what we apply. Safe to call twice.

    The first token of a workspace is its newest. A webhook of somebody else's is never touched. The workspace's number
    becomes known here, where EmailBison tells it; the poll and every delivery are held against it from then on.
    """
    number = bison.token_workspace() or bison.workspace_id
    store.keep_workspace(db, workspace_name, workspace_id=number, instance_url=bison.instance_url)
    url = public_url.rstrip("/") + ROUTE + tokens[0]
    found = registration(bison.webhooks(), tokens)
    done = "kept"
    if found.ours is None:
        bison.create_webhook(NAME, url, HOOK_EVENTS)
        done = "created"
    elif found.ours.url != url or found.missing_events:
        events = sorted({*HOOK_EVENTS, *(event.lower() for event in found.ours.events)})
        bison.replace_webhook(found.ours.webhook_id, found.ours.name, url, events)
        done = "changed"
    store.hooks_checked(db, [workspace_name], now)
    return Ensured(workspace_name, done)


def prove_delivery(
    db: Queryable,
    bison: Bison,
    workspace_name: str,
    public_url: str,
    token: str,
    *,
    pause: Callable[[float], None] = time.sleep,
) -> bool:
    """Whether a test event that EmailBison is asked for arrives within 15 seconds."""
    # By the log's own order: the database's clock is not ours.
    before = store.last_line(db, workspace_name)
    bison.send_test_event(TEST_EVENT, public_url.rstrip("/") + ROUTE + token)
    waited = 0.0
    while not store.arrived_after(db, workspace_name, TEST_EVENT, before):
        if waited >= _WAIT_SECONDS:
            return False
        pause(0.5)
        waited += 0.5
    return True
