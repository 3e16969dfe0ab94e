"""Changes the definition of a campaign, of one that runs too."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.campaigns.definition.campaign_file import Definition, read_definition
from crm_relay.campaigns.definition.check_definition import check_definition
from crm_relay.campaigns.definition.edit_definition import edited
from crm_relay.campaigns.lifecycle import definition_store, store
from crm_relay.platform.database import Database, Queryable, Transaction
from crm_relay.platform.errors import RejectedInput

_ENDED = {"cancelled", "archived", "completed"}


@dataclass(frozen=True)
class CampaignEdited:
    """`changed` names the fields that are different now; none: it was so already."""

    id: UUID
    status: str
    changed: list[str]


def present_definition(db: Queryable, campaign_id: UUID) -> dict[str, Any]:
    """As a campaign file has it. RejectedInput with 404 where there is no native campaign with this id."""
    return definition_store.present_definition(db, campaign_id).definition


def readable_definition(db: Queryable, campaign_id: UUID) -> Definition:
    """As present_definition; RejectedInput with 409, whose details name the fields, where the rows make no sense."""
    try:
        return read_definition(present_definition(db, campaign_id))
    except RejectedInput as error:
        if error.status == 404:
            raise
        raise RejectedInput("the campaign has fields that make no sense", status=409, details=error.details) from None


def edit(
    db: Database, campaign_id: UUID, changes: Mapping[str, Any], now: datetime, *, who: str = store.OPERATOR
) -> CampaignEdited:
    """Replace the fields of the campaign's file that `changes` names, checked as in `create`; safe to call twice.

    A step keeps its identity, so nobody gets a step twice that they had. Times that are set stay, a new delay counts
    for people who do the step before from now on, and a new window holds at once: a step that is due outside it is
    moved. What is queued already keeps its text. RejectedInput: 404, 422, and 409 as in `edited`.
    """
    return db.transact(lambda tx: _edit(tx, campaign_id, changes, now, who))


def _edit(tx: Transaction, campaign_id: UUID, changes: Mapping[str, Any], now: datetime, who: str) -> CampaignEdited:
    state = store.lock_campaign(tx, campaign_id)
    if state.source != "native" or state.status in _ENDED:
        what = "only native campaigns" if state.source != "native" else f"a campaign that is {state.status}"
        raise RejectedInput(f"{what} can{'not' if state.source == 'native' else ''} be edited", status=409)
    present = definition_store.present_definition(tx, campaign_id)
    is_draft = state.status == "draft"
    if sorted(present.reached) != list(range(1, len(present.reached) + 1)):
        raise RejectedInput("the campaign's steps are not numbered from 1 without a gap", status=409)
    change = edited(present.definition, changes, is_draft=is_draft, reached=present.reached)
    if not change.changed:
        return CampaignEdited(campaign_id, state.status, [])
    wanted = change.wanted
    references = store.references_of(
        tx,
        org_id=state.org_id,
        name=wanted.name,
        from_address=None if wanted.identity is None else wanted.identity.from_address,
        slugs=sorted({step.template for step in wanted.steps if step.template}),
    )
    if references is None or (wanted.name != state.name and references["is_name_taken"]):
        raise RejectedInput("the organization has a campaign of that name", status=409)
    draft = check_definition(wanted, references)
    definition_store.update_campaign(
        tx, campaign_id, state.org_id, draft, about={"changed": change.changed}, who=who, now=now
    )
    return CampaignEdited(campaign_id, state.status, sorted(change.changed))
