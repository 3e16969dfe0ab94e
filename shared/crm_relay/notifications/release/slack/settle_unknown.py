"""Settles messages whose outcome is unknown, by what an operator found in the channel."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.incidents.record import close_incidents
from crm_relay.mail.unknown import settle_unknown as mail
from crm_relay.mail.unknown.settle_unknown import OPERATOR, MessageOwners, UnknownSettled
from crm_relay.notifications.release.settle import settle
from crm_relay.notifications.release.slack import store
from crm_relay.notifications.release.slack.post_to_slack import UNKNOWN
from crm_relay.platform.database import Database, Queryable, Transaction
from crm_relay.platform.errors import RejectedInput

_OWNERS = MessageOwners(emails=settle, texts=settle)


@dataclass(frozen=True)
class UnknownPost:
    """A message to Slack that may stand in its channel. `user_id`: one of those that it concerns."""

    id: UUID
    user_id: UUID
    org_id: UUID
    digest_id: UUID | None
    left_at: datetime | None
    updated_at: datetime


def unknown_posts(db: Queryable, *, limit: int) -> list[UnknownPost]:
    """The newest first. E-mails and text messages are in mail/unknown."""
    return [UnknownPost(**row) for row in store.unknown_posts(db, limit=limit)]


def settle_unknown(
    db: Database, message_id: UUID, now: datetime, *, was_sent: bool, who: str = OPERATOR
) -> UnknownSettled:
    """The message of a delivery or digest, for everybody who shares it; closes its incident and leaves a line.

    What was not sent stays unsent. RejectedInput with 404 for an id that nothing of an unknown fate has.
    """
    found = store.unknown_message(db, message_id)
    if found is None:
        raise RejectedInput("no message of an unknown fate has this id", status=404)
    channel, ledger_id = found
    if channel != "slack" and ledger_id is not None:
        return mail.settle_unknown(db, ledger_id, now, _OWNERS, was_sent=was_sent, who=who)
    return db.transact(lambda tx: _settle_post(tx, message_id, now, was_sent=was_sent, who=who))


def _settle_post(tx: Transaction, message_id: UUID, now: datetime, *, was_sent: bool, who: str) -> UnknownSettled:
    rows = store.settle_unknown_post(tx, message_id, now, was_sent=was_sent)
    subjects = {message_id, *(row[name] for row in rows for name in ("id", "post_id", "digest_id"))} - {None}
    close_incidents(tx, UNKNOWN, sorted(map(str, subjects)), now)
    if rows:
        store.note_settled(tx, rows[0]["org_id"], message_id, now, was_sent=was_sent, who=who)
    return UnknownSettled(message_id, was_sent, 1)
