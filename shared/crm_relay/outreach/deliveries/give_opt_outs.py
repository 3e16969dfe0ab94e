"""Opt-outs of leads that came without an address: into the ledger once the lead has one."""

from crm_relay.consent.models import ConsentChannel
from crm_relay.consent.waiting.waiting_opt_outs import WaitingOptOut
from crm_relay.outreach.models import OutreachWorkspace
from crm_relay.platform.database import Queryable
from crm_relay.platform.sql import Statement, queries_beside
from crm_relay.providers.bison.events import BisonEvent

_SQL = queries_beside(__file__)
SOURCE = "bison"


def waiting_opt_out(workspace: OutreachWorkspace, event: BisonEvent) -> WaitingOptOut:
    """Of a lead, or of nobody who could be found again where there is none."""
    return WaitingOptOut(
        SOURCE,
        f"{workspace.key}:{event.key}",
        ConsentChannel.EMAIL,
        event.occurred_at,
        source_person=None if event.lead is None else f"{workspace.key}/{event.lead.lead_id}",
        org_id=workspace.org_id,
    )


def giving_opt_outs() -> Statement:
    """To be sent with other statements; behind what may give a lead its address."""
    return _SQL["give_opt_outs"].bind()


def give_opt_outs(db: Queryable) -> int:
    """How many lines are new in the ledger. One statement; safe to call twice."""
    return int(db.run(_SQL["give_opt_outs"])[0]["recorded"])
