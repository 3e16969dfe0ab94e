"""What is held is asked again when a limit, a sender or a campaign changes, and shown with its reason and its end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.platform.database import Queryable
from crm_relay.platform.sql import Rows, queries_beside

_SQL = queries_beside(__file__)


@dataclass(frozen=True)
class HoldChange:
    """Whom a change concerns: of one campaign, of an organization, or of all; and which reasons may have gone."""

    org_id: UUID | None
    campaign_id: UUID | None
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class WaitingMessages:
    """Messages of a campaign that wait for one reason; `held_for` None: they leave with the next run."""

    channel: str
    held_for: str | None
    messages: int
    until: datetime | None


def release_mail(db: Queryable, now: datetime) -> list[HoldChange]:
    """Make due what was held for a reason that may have gone; the changes, for anyone who holds something else by them.

    To be called in a transaction; two statements, one where nothing changed.
    """
    changes = take_changes(db)
    if changes:
        release_mail_of(db, changes, now)
    return changes


def take_changes(db: Queryable) -> list[HoldChange]:
    """What has changed, once; nobody else sees it again."""
    rows = db.run(_SQL["take_hold_changes"])
    return [HoldChange(row["org_id"], row["campaign_id"], tuple(row["reasons"] or ())) for row in rows]


def release_mail_of(db: Queryable, changes: Sequence[HoldChange], now: datetime) -> None:
    """Make due what was held for a reason that these may have ended. Safe to call twice."""
    db.run(_SQL["release_mail"], changes=as_rows(changes), now=now)


def as_rows(changes: Sequence[HoldChange]) -> Rows:
    """For a query with `:changes as change (org_id uuid, campaign_id uuid, reasons text[])`."""
    return Rows(
        [{"org_id": each.org_id, "campaign_id": each.campaign_id, "reasons": list(each.reasons)} for each in changes]
    )


def waiting_of(db: Queryable, campaign_id: UUID) -> list[WaitingMessages]:
    """What waits of one campaign, by its reason."""
    return [WaitingMessages(**row) for row in db.run(_SQL["waiting_of"], campaign_id=campaign_id)]
