"""How campaigns are going: counters, and what became of everybody at each step."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.campaigns.lifecycle import store
from crm_relay.mail.holds.holds import waiting_of
from crm_relay.mail.models import Mode
from crm_relay.mail.modes.mail_mode import MailMode, ModeWord, mail_mode
from crm_relay.mail.stops.stop_sending import SendingStop, stop_of
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import RejectedInput

SHOWN = 20
"""So many running campaigns have their funnel shown at once."""

_CHANGES = 20


@dataclass(frozen=True)
class CampaignLine:
    """A campaign in a list; `steps` are its active ones, the totals are kept by the engine.

    `mail_mode`: in which mode its mail leaves.
    """

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
    mail_mode: ModeWord


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
    mail_mode: MailMode


def list_campaigns(
    db: Queryable, *, status: str | None = None, limit: int = 50, offset: int = 0, send_mode: Mode = Mode.DRY_RUN
) -> list[CampaignLine]:
    """Native ones; those that run first, then the newest. `send_mode`: SEND_MODE, shown before the first run."""
    mode = mail_mode(db, send_mode).mode
    rows = store.campaigns(db, status=status, campaign_id=None, limit=limit, offset=offset)
    return [CampaignLine(**row, mail_mode=mode) for row in rows]


def running_funnels(db: Queryable, *, send_mode: Mode = Mode.DRY_RUN) -> list[Funnel]:
    """Of the SHOWN campaigns that were activated last; three statements."""
    campaigns = list_campaigns(db, status="active", limit=SHOWN, send_mode=send_mode)
    steps = _steps(db, [each.id for each in campaigns])
    return [Funnel(each, steps.get(each.id, [])) for each in campaigns]


def show_campaign(db: Queryable, campaign_id: UUID, now: datetime, *, send_mode: Mode = Mode.DRY_RUN) -> CampaignShown:
    """RejectedInput with 404 where there is no native campaign with this id."""
    found = store.campaigns(db, status=None, campaign_id=campaign_id, limit=1)
    if not found:
        raise RejectedInput("there is no such campaign", status=404)
    people = store.people_by_status(db, campaign_id)
    history = [HistoryLine(**row) for row in store.history_of(db, campaign_id, limit=_CHANGES)]
    steps = _steps(db, [campaign_id]).get(campaign_id, [])
    stop = stop_of(db, store.organization_of_campaign(db, campaign_id))
    mode = mail_mode(db, send_mode)
    line = CampaignLine(**found[0], mail_mode=mode.mode)
    return CampaignShown(line, steps, _waiting(db, campaign_id, now), people, history, stop, mode)


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
