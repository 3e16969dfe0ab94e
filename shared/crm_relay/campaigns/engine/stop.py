"""Ends sequences: of whoever answered, and of whoever wants no more mail or can get none."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from crm_relay.campaigns.engine import store
from crm_relay.campaigns.engine.follow_mail import Followed
from crm_relay.mail.feedback.mail_names import Departure, MailNames
from crm_relay.platform.database import Database, Transaction


def stop_answered(db: Database, now: datetime) -> int:
    """Look at every reply in `inbox_items` that nobody looked at; how many sequences that ended. Safe to call twice.

    A reply belongs to the mail that it answers (In-Reply-To, References), else to the one whose plus-address it was
    sent to; one from EmailBison to everything that its sender is enrolled in. It stops where an executed step says so;
    an automatic reply never does. What was queued and has not begun to leave is taken back.
    """
    return db.transact(lambda tx: store.stop_answered(tx, now))


def stop_for_address(
    db: Database, org_id: UUID | None, address: str, topic: str | None, reason: str, now: datetime
) -> int:
    """How many sequences of this normalised address ended. Safe to call twice; two messages.

    `org_id` None: everywhere, as for permanent bounces and complaints. `topic` None: whatever the campaign is about.
    `reason`: the ledger's word (opt_out, complaint, hard_bounce, erased) or topic_opt_out.
    """
    departure = Departure(address, reason, org_id, topic)
    return db.transact(lambda tx: follow_departures(tx, [departure], now))


def follow_departures(tx: Transaction, departures: Sequence[Departure], now: datetime) -> int:
    """How many sequences ended, in a transaction that has taken no lock of an enrollment yet; safe to call twice."""
    followed = Followed(MailNames(), (MailNames(), sorted({each.address for each in departures})))
    wanted = {**followed.locks(), **followed.reads()}
    rows = dict(zip(wanted, tx.send_all(list(wanted.values())), strict=True))
    writes = list(followed.writes(rows, (), departures, now))
    tx.send_all(writes)
    return followed.ended(rows, departures)
