"""Messages to Slack: committed as begun, posted once, one a second and channel."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import open_incidents
from crm_relay.notifications.release.context import ReleaseContext
from crm_relay.notifications.release.slack import store
from crm_relay.notifications.release.slack.store import ClaimedPost
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import FatalError, NotConnected, RateLimited, RejectedInput, TransientError
from crm_relay.platform.logging import logger
from crm_relay.providers.slack.message_text import paragraph

UNKNOWN, DISABLED = "notification_unknown", "notification_slack"
_TITLES = {
    UNKNOWN: "Message(s) to Slack whose outcome is unknown: never sent again, look at the channel",
    DISABLED: "A webhook of Slack does not exist any more: nobody is notified there until its address is replaced",
}
_SECONDS = 20.0
# Longer than a request may take: until then nobody else looks at the message.
_CLAIM = timedelta(minutes=2)
_PAUSE = timedelta(minutes=1)
_LONGEST_REST = timedelta(hours=1)
_LONGEST_SLEEP = 2.0
_MOST_ATTEMPTS = 20


@dataclass(frozen=True)
class PostOutcome:
    """What became of a message: its state, and when it is tried again where it surely did not arrive."""

    state: str
    reason: str | None = None
    not_before: datetime | None = None
    rests_until: datetime | None = None
    is_disabled: bool = False


def post_to_slack(db: Database, context: ReleaseContext, clock: Clock, deadline: Deadline) -> Counter[str]:
    """Every message that is due, until none is left or time is up; how many ended in each state.

    Kill it anywhere: a message that was begun is never begun again, but shown as unknown.
    """
    counts: Counter[str] = Counter(settle_posts(db, clock()))
    while deadline.allows(_SECONDS):
        now = clock()
        claimed = store.claim_post(db, now, claimed_until=now + _CLAIM)
        if claimed is None:
            if not _wait(db, context, now):
                break
            continue
        outcome = _post(context, claimed, now)
        _record(db, claimed, outcome, clock())
        counts[outcome.state] += 1
    return counts


def settle_posts(db: Database, now: datetime) -> list[str]:
    """States of what was begun and never ended, or has no channel any more; what shares it ends with it."""
    return db.transact(lambda tx: _park(tx, now))


def _wait(db: Database, context: ReleaseContext, now: datetime) -> bool:
    """Whether a channel is free within a moment; it is waited for."""
    at = store.next_post_at(db, now)
    seconds = _LONGEST_SLEEP if at is None else (at - now).total_seconds()
    if at is None or seconds >= _LONGEST_SLEEP:
        return False
    context.sleep(max(seconds, 0.05))
    return True


def _park(tx: Transaction, now: datetime) -> list[str]:
    rows = store.park_unclear(tx, now)
    unknown = [Incident(UNKNOWN, str(row["id"]), _TITLES[UNKNOWN]) for row in rows if row["state"] == "unknown"]
    open_incidents(tx, unknown, now)
    return [row["state"] for row in rows]


def _post(context: ReleaseContext, claimed: ClaimedPost, now: datetime) -> PostOutcome:
    text = str(claimed.content.get("text", ""))
    try:
        context.open_slack(claimed.webhook_url).post(text, [paragraph(text)])
    except RateLimited as error:
        until = now + min(timedelta(seconds=error.retry_after or 1.0), _LONGEST_REST)
        return PostOutcome("queued", None, until, until)
    except NotConnected:
        if claimed.attempts >= _MOST_ATTEMPTS:
            return PostOutcome("failed", "not_connected")
        return PostOutcome("queued", None, now + _PAUSE)
    except FatalError:
        return PostOutcome("failed", "no_address", is_disabled=True)
    except RejectedInput:
        return PostOutcome("failed", "refused")
    except TransientError:
        return PostOutcome("unknown", "unclear")
    return PostOutcome("sent")


def _record(db: Database, claimed: ClaimedPost, outcome: PostOutcome, now: datetime) -> None:
    def work(tx: Transaction) -> None:
        store.record_post(
            tx, claimed.id, now, state=outcome.state, reason=outcome.reason, not_before=outcome.not_before
        )
        if outcome.rests_until is not None:
            store.rest_webhook(tx, claimed.webhook_id, outcome.rests_until)
        if outcome.is_disabled:
            store.disable_webhook(tx, claimed.webhook_id, now, reason="disabled by Slack")
            open_incidents(tx, [Incident(DISABLED, str(claimed.webhook_id), _TITLES[DISABLED])], now)
        if outcome.state == "unknown":
            open_incidents(tx, [Incident(UNKNOWN, str(claimed.id), _TITLES[UNKNOWN])], now)

    logger().info("a message to Slack", delivery=str(claimed.id), state=outcome.state)
    db.transact(work)
