"""The colleagues who can take an approval over: exactly those that the decision itself accepts."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.approvals.deciding import store
from crm_relay.workflows.approvals.deciding.decide import facts_of
from crm_relay.workflows.approvals.deciding.decisions import Decision, judge
from crm_relay.workflows.approvals.models import ApprovalAction, Way

MOST_LISTED = 500


@dataclass(frozen=True)
class ColleagueToAsk:
    """`away`: until when they are out of office; the approval would go on to their deputy."""

    id: UUID
    name: str | None
    role: str | None
    away: datetime | None = None


def colleagues_to_ask(db: Queryable, approval_id: UUID, now: datetime | None = None) -> list[ColleagueToAsk]:
    """By name, at most 500; empty where it is over or may not be handed on any more. RejectedInput with 404.

    Two short statements that change nothing; what is said here is asked again at the decision.
    """
    rows = store.read(db, approval_id, now)
    if not rows:
        raise RejectedInput("there is no such approval", status=404)
    people = store.everybody(db, rows[0]["org_id"])
    facts = facts_of(rows, approval_id, people)
    found = []
    for each in people.values():
        judged = judge(Decision(ApprovalAction.DELEGATE, Way.LINK, to=each.id), facts)
        if judged.refusal is None and not judged.is_known:
            away = None if each.is_there(facts.now) else each.out_until
            found.append(ColleagueToAsk(each.id, each.name, each.role, away))
    return sorted(found, key=lambda each: ((each.name or "").casefold(), each.id))[:MOST_LISTED]
