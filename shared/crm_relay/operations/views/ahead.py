"""What would leave now: steps of campaigns that are due, and mails that are made and wait."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.operations.views import store
from crm_relay.platform.database import Queryable

_SHOWN = 20


@dataclass(frozen=True)
class CampaignAhead:
    """People of one campaign whose next step is due now, and within a day; at each step 1,000 are counted."""

    id: UUID
    name: str
    due_now: int
    next_day: int


@dataclass(frozen=True)
class MailsWaiting:
    """Mails that are made; `held_for` None: they leave with the next run."""

    held_for: str | None
    number: int


@dataclass(frozen=True)
class Ahead:
    """Of the campaigns that were activated last."""

    campaigns: list[CampaignAhead]
    waiting: list[MailsWaiting]


def ahead(db: Queryable, now: datetime) -> Ahead:
    """Two statements."""
    campaigns = [CampaignAhead(**row) for row in store.running_ahead(db, now, limit=_SHOWN)]
    return Ahead(campaigns, [MailsWaiting(**row) for row in store.mails_waiting(db)])
