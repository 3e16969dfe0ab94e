"""How campaigns are going: counters, and what became of everybody at each step."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.campaigns.lifecycle import store
from crm_relay.mail.holds.holds import waiting_of
from crm_relay.mail.stops.stop_sending import SendingStop, stop_of
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import RejectedInput

SHOWN = 20
"""So many running campaigns have their funnel shown at once."""

_CHANGES = 20


@dataclass(frozen=True)
class CampaignLine:
    """A campaign in a list; `steps` are its active ones, the totals are kept by the engine."""

    id: UUID
    name: str
    status: str
    topic: str | None
    timezone: str
    total_active: int
    total_sent: int
    total_completed: int
    created_at: datetime
    activated_at: datetime | None
    paused_at: datetime | None
    steps: int


@dataclass(frozen=True)
class StepFunnel:
    """One step: `reached` = sent + skipped + failed + pending + stopped, or `holds` is false.

    `opened` and `clicked` leave out what scanners did; `replied`: it was the last step before an answer.
    """

    step_number: int
    channel: str
    subject: str | None
    is_active: bool
    ab_winner: str | None
    reached: int
    sent: int
    skipped: int
    failed: int
    pending: int
    stopped: int
    holds: bool
    opened: int
    clicked: int
    replied: int


@dataclass(frozen=True)
class Funnel:
    """A campaign with its steps in their order."""

    campaign: CampaignLine
    steps: list[StepFunnel]


@dataclass(frozen=True)
class HistoryLine:
    """A line of a campaign's history; `by` is the token's name, or operator. `about` None: the role does not see it."""

    change: str
    at: datetime
    by: str | None
    about: dict[str, Any] | None


@dataclass(frozen=True)
class WaitingSteps:
    """So many wait for one reason (docs/campaigns.md), at the longest until then.

    `channel`: of messages email or sms, of steps that are not made yet `step`. `held_for` None: the next run's.
    `until` None: until an operator resumes sending.
    """

    channel: str
    held_for: str | None
    number: int
    until: datetime | None


@dataclass(frozen=True)
class CampaignShown:
    """All about one campaign but its people; `people` counts them by status.

    `stop`: the stop of an operator's that holds its organization's campaigns; None: none does.
    """

    campaign: CampaignLine
    steps: list[StepFunnel]
    waiting: list[WaitingSteps]
    people: dict[str, int]
    history: list[HistoryLine]
    stop: SendingStop | None


def list_campaigns(db: Queryable, *, status: str | None = None, limit: int = 50) -> list[CampaignLine]:
    """Native ones; those that run first, then the newest."""
    return [CampaignLine(**row) for row in store.campaigns(db, status=status, campaign_id=None, limit=limit)]


def running_funnels(db: Queryable) -> list[Funnel]:
    """Of the SHOWN campaigns that were activated last; two statements."""
    campaigns = list_campaigns(db, status="active", limit=SHOWN)
    steps = _steps(db, [each.id for each in campaigns])
    return [Funnel(each, steps.get(each.id, [])) for each in campaigns]


def show_campaign(db: Queryable, campaign_id: UUID, now: datetime) -> CampaignShown:
    """RejectedInput with 404 where there is no native campaign with this id."""
    found = store.campaigns(db, status=None, campaign_id=campaign_id, limit=1)
    if not found:
        raise RejectedInput("there is no such campaign", status=404)
    people = store.people_by_status(db, campaign_id)
    history = [HistoryLine(**row) for row in store.history_of(db, campaign_id, limit=_CHANGES)]
    steps = _steps(db, [campaign_id]).get(campaign_id, [])
    stop = stop_of(db, store.organization_of_campaign(db, campaign_id))
    return CampaignShown(CampaignLine(**found[0]), steps, _waiting(db, campaign_id, now), people, history, stop)


def _waiting(db: Queryable, campaign_id: UUID, now: datetime) -> list[WaitingSteps]:
    messages = [
        WaitingSteps(each.channel, each.held_for, each.messages, each.until) for each in waiting_of(db, campaign_id)
    ]
    return messages + [WaitingSteps("step", **row) for row in store.held_steps(db, campaign_id, now)]


def _steps(db: Queryable, campaign_ids: Sequence[UUID]) -> dict[UUID, list[StepFunnel]]:
    steps: dict[UUID, list[StepFunnel]] = {}
    for row in store.funnels(db, campaign_ids):
        steps.setdefault(row.pop("campaign_id"), []).append(StepFunnel(**row))
    return steps
