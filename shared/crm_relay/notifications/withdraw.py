"""What a notification asked for is done or gone: it is over for everybody who has it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from crm_relay.notifications import store
from crm_relay.notifications.models import EntityRef
from crm_relay.platform.database import Queryable
from crm_relay.platform.sql import Statement


def withdraw(
    db: Queryable, org_id: UUID, entity: EntityRef, now: datetime, *, slug: str | None = None, reason: str = "decided"
) -> None:
    """Its rows are put away, and what has not left yet is dropped, also out of digests. One statement; safe twice.

    `slug`: only those of one template. `reason`: the word that `why` shows.
    """
    store.withdraw(db, org_id, entity.entity_type, entity.entity_id, slug=slug, reason=reason, now=now)


def withdrawing(entity_type: str, entities: Sequence[UUID], now: datetime, *, reason: str = "decided") -> Statement:
    """The same for many entities of one type, of any organization, to be sent with other statements."""
    return store.withdrawing(entity_type, list(entities), reason=reason, now=now)
