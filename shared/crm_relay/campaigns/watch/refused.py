"""Whom the engine sets aside, because their rows stop others: the open incident is what keeps them out of a claim."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.campaigns.watch import store
from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import close_free_incidents, open_incidents
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import describe_error
from crm_relay.platform.logging import logger

CAMPAIGN, STEP, REPLY = "campaign_refused", "step_refused", "reply_refused"
"""The kinds of the incidents. Their subjects are the ids of a campaign, an enrollment and a row of `inbox_items`."""

_TITLES = {
    CAMPAIGN: "campaign(s) that cannot be worked on: their people wait, others go on",
    STEP: "person(s) in a campaign whose step cannot be made or recorded: they wait, others go on",
    REPLY: "reply(ies) that cannot be followed: they wait, others go on",
}


@dataclass(frozen=True)
class SetAside:
    """`campaign` None: it is not known. `why` None: it was set aside before. `people`: who may have written a reply."""

    kind: str
    id: UUID
    campaign: UUID | None = None
    why: Exception | None = None
    people: tuple[UUID, ...] = ()

    @property
    def incident(self) -> Incident:
        """Names ids and the problem, and nobody."""
        problem = None if self.why is None else describe_error(self.why)
        campaign = None if self.campaign is None else str(self.campaign)
        details: dict[str, object] = {"campaign": campaign, "problem": problem}
        if self.people:
            details["people"] = [str(person) for person in self.people]
        return Incident(self.kind, str(self.id), _TITLES[self.kind], details=details)


def set_aside_all(db: Queryable, each: Sequence[SetAside], now: datetime) -> None:
    """From here on no claim takes them, until `goes_on`. Safe to call twice."""
    open_incidents(db, [one.incident for one in each], now)
    for one in each:
        logger().error("set aside", extra={"kind": one.kind, "id": str(one.id), "campaign": str(one.campaign)})


def set_aside(db: Queryable, *, limit: int) -> list[SetAside]:
    """Some of those who are set aside, at random."""
    return [SetAside(row["kind"], row["id"]) for row in store.set_aside(db, limit=limit)]


def goes_on(db: Queryable, one: SetAside, now: datetime) -> None:
    """It can be worked on again."""
    close_free_incidents(db, one.kind, [str(one.id)], now)
