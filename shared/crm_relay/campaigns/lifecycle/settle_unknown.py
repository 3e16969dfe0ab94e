"""An operator settles messages of unknown fate; the steps that queued them hear of it."""

from datetime import datetime
from uuid import UUID

from crm_relay.campaigns.engine.settle import settle, settle_texts
from crm_relay.mail.unknown import settle_unknown as mail
from crm_relay.mail.unknown.settle_unknown import OPERATOR, MessageOwners, UnknownSettled
from crm_relay.platform.database import Database

_OWNERS = MessageOwners(emails=settle, texts=settle_texts)


def settle_unknown(
    db: Database, message_id: UUID, now: datetime, *, was_sent: bool, who: str = OPERATOR
) -> UnknownSettled:
    """One message by its id, or a whole batch by the batch's; errors as in mail.unknown.settle_unknown."""
    return mail.settle_unknown(db, message_id, now, _OWNERS, was_sent=was_sent, who=who)
