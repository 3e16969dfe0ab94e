"""Which campaign an operator means: by its id, the beginning of that, or its name."""

from uuid import UUID

from cli.output.tables import short_id
from crm_relay.campaigns.lifecycle.change_campaign import find_campaign
from crm_relay.campaigns.lifecycle.funnels import CampaignLine, list_campaigns
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import RejectedInput

_SHORTEST = 4
_SEARCHED, _NAMED = 10_000, 10


def campaign_called(db: Queryable, called: str) -> UUID:
    """RejectedInput with the names that there are, or with the ids of all that are meant."""
    try:
        return find_campaign(db, called)
    except RejectedInput as error:
        known = [*list_campaigns(db, limit=_SEARCHED), *list_campaigns(db, status="archived", limit=_SEARCHED)]
        meant = [each for each in known if each.name == called or _begins(each.id, called)]
        if len(meant) == 1:
            return meant[0].id
        if meant:
            raise RejectedInput(f"{error.message}: several are meant", details=_named(meant)) from None
        if not known:
            raise RejectedInput("there is no campaign yet: crm-relay campaign create FILE makes one") from None
        raise RejectedInput(f"no campaign has the name or id {called!r}; there are", details=_named(known)) from None


def _begins(campaign_id: UUID, called: str) -> bool:
    return len(called) >= _SHORTEST and str(campaign_id).startswith(called.lower())


def _named(campaigns: list[CampaignLine]) -> list[str]:
    more = len(campaigns) - _NAMED
    lines = [f"{short_id(each.id)}  {each.name} ({each.status})" for each in campaigns[:_NAMED]]
    return [*lines, f"and {more} more: crm-relay campaign list"] if more > 0 else lines
