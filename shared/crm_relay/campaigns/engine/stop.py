"""Ends sequences: of whoever answered, and of whoever wants no more mail or can get none."""

from datetime import datetime
from uuid import UUID

from crm_relay.campaigns.engine import store
from crm_relay.campaigns.engine.settle import ENDS_AS
from crm_relay.platform.database import Database, Queryable


def stop_answered(db: Database, now: datetime) -> int:
    """Look at every reply in `inbox_items` that nobody looked at; how many sequences that ended. Safe to call twice.

    A reply belongs to the mail that it answers (In-Reply-To, References), else to the one whose plus-address it was
    sent to; one from EmailBison to everything that its sender is enrolled in. It stops where an executed step says so;
    an automatic reply never does. What was queued and has not begun to leave is taken back.
    """
    return db.transact(lambda tx: store.stop_answered(tx, now))


def stop_for_address(
    db: Queryable, org_id: UUID | None, address: str, topic: str | None, reason: str, now: datetime
) -> int:
    """How many sequences of this normalised address ended. Safe to call twice, in any transaction.

    `org_id` None: everywhere, as for permanent bounces and complaints. `topic` None: whatever the campaign is about.
    `reason`: the ledger's word (opt_out, complaint, hard_bounce, erased) or topic_opt_out.
    """
    status = ENDS_AS.get(reason, "stopped")
    return store.stop_for_address(db, org_id, address, topic=topic, status=status, reason=reason, now=now)
