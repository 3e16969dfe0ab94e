"""Puts mail into the ledger, before anything of it leaves."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID, uuid4

from crm_relay.mail.models import Mail
from crm_relay.mail.sending import store
from crm_relay.platform.database import Queryable
from crm_relay.platform.sql import Statement

LARGEST_BATCH = 100
"""So many mails one batch holds; where a provider takes fewer at once, sending divides it."""


def queue_emails(db: Queryable, mails: Sequence[Mail], now: datetime, *, purpose: str = "campaign") -> frozenset[UUID]:
    """The ids (`mail.id`) of those that were not in the ledger before; one statement, whatever their number.

    They leave from `now` on in batches of at most 100, each of one organization. Safe to call twice, in any
    transaction: a mail whose `send_key` is known is left alone. Only `send_due` with that `purpose` goes on with it.
    """
    if not mails:
        return frozenset()
    statement = queueing(mails, now, purpose=purpose)
    (row,) = db.run(statement.query, **statement.values)
    return frozenset(row["ids"] or ())


def queueing(mails: Sequence[Mail], now: datetime, *, purpose: str = "campaign") -> Statement:
    """As `queue_emails`, for a message with other statements; the answer has the `ids` of those that were not known."""
    return store.queueing(_placed(mails), now, purpose)


def _placed(mails: Sequence[Mail]) -> Iterator[tuple[Mail, UUID, int]]:
    """Each mail with its batch and its place there."""
    batches: dict[tuple[UUID, int], UUID] = {}
    counts: dict[UUID, int] = {}
    for mail in mails:
        number, place = divmod(counts.get(mail.org_id, 0), LARGEST_BATCH)
        counts[mail.org_id] = counts.get(mail.org_id, 0) + 1
        yield mail, batches.setdefault((mail.org_id, number), uuid4()), place
