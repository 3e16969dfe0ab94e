"""The SQL of a campaign's definition, as it is and as an edit makes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.campaigns.definition.check_definition import CampaignDraft
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.sql import Json, queries_beside

_SQL = queries_beside(__file__)


@dataclass(frozen=True)
class PresentDefinition:
    """A campaign as its file would have it, and step number -> people who reached it."""

    definition: dict[str, Any]
    reached: dict[int, int]


def present_definition(db: Queryable, campaign_id: UUID) -> PresentDefinition:
    """RejectedInput with 404 where there is no native campaign with this id."""
    rows = db.run(_SQL["present_definition"], id=campaign_id)
    if not rows:
        raise RejectedInput("there is no such campaign", status=404)
    return PresentDefinition(
        rows[0]["definition"], {int(number): people for number, people in rows[0]["reached"].items()}
    )


def update_campaign(
    db: Queryable,
    campaign_id: UUID,
    org_id: UUID,
    draft: CampaignDraft,
    *,
    about: Mapping[str, Any],
    who: str,
    now: datetime,
) -> None:
    """`about` goes into the history with `who`. Steps are known by their number; those of a draft may become fewer."""
    db.run(
        _SQL["update_campaign"],
        id=campaign_id,
        org_id=org_id,
        campaign=Json(draft.campaign),
        steps=Json(list(draft.steps)),
        identity_id=draft.identity_id,
        new_identity=Json(draft.new_identity or {}),
        about=Json(dict(about)),
        who=who,
        now=now,
    )
