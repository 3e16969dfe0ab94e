"""Finds people by how their address or last name begins, and lists those of one campaign."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.operations.views import store
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import RejectedInput


@dataclass(frozen=True)
class PersonFound:
    """Personal data. `kinds`: contact, of campaigns, or customer; `id` is that of the contact where there is one."""

    id: str
    address: str | None
    name: str | None
    company: str | None
    kinds: list[str]


@dataclass(frozen=True)
class CampaignPerson:
    """Personal data: somebody's place in a campaign, and the newest mail to them. `address` None: erased."""

    id: UUID
    address: str | None
    name: str | None
    status: str
    stopped_reason: str | None
    current_step: int
    next_step_at: datetime | None
    held_for: str | None
    mail_id: UUID | None
    mail_status: str | None
    mail_at: datetime | None


def find_people(db: Queryable, begins: str, *, limit: int) -> list[PersonFound]:
    """By address; one line for each, however many rows have it. One statement."""
    escaped = begins.strip().lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return [PersonFound(**row) for row in store.people_found(db, f"{escaped}%", limit=limit)]


def people_of_campaign(
    db: Queryable, campaign_id: UUID, *, status: str | None, after: UUID | None, limit: int
) -> list[CampaignPerson]:
    """By id, behind `after`. RejectedInput with 404 for no such campaign."""
    rows = store.people_of_campaign(db, campaign_id, status=status, after=after, limit=limit)
    if not rows and not store.campaign_exists(db, campaign_id):
        raise RejectedInput("there is no such campaign", status=404)
    return [CampaignPerson(**row) for row in rows]
