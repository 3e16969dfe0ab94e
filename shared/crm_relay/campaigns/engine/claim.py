"""Anyone who is due, with everything that decides about them, ours until the transaction ends."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.campaigns.engine import store
from crm_relay.campaigns.load_campaign import read_campaign
from crm_relay.campaigns.models import Campaign, DueEnrollment
from crm_relay.campaigns.replies import ends_sequence
from crm_relay.consent.decisions import ConsentFact, suppression_of
from crm_relay.mail.models import Identity
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.errors import RejectedInput

_DECIDED_BY = {"org_id", "campaigns", "replies", "consent"}


@dataclass(frozen=True)
class ClaimScope:
    """Whose steps are claimed: of these campaigns or these people alone, although they are set aside."""

    campaigns: Sequence[UUID] | None = None
    people: Sequence[UUID] | None = None


EVERYBODY = ClaimScope()
"""Who is not set aside."""


@dataclass(frozen=True)
class Claimed:
    """`campaigns` holds those that can be read, `unreadable` why the others cannot: their people wait for a repair."""

    enrolled: tuple[DueEnrollment, ...]
    campaigns: Mapping[UUID, Campaign]
    unreadable: Mapping[UUID, str] = field(default_factory=dict)


def claim_due(
    db: Queryable,
    sender: Identity | None,
    now: datetime,
    *,
    limit: int,
    with_mail: bool,
    scope: ClaimScope = EVERYBODY,
    allowed: Collection[str] | None = None,
) -> Claimed:
    """One statement. `sender` (EMAIL_FROM) is used where neither campaign nor organization has an identity.

    `allowed`: only who is reached by one of these addresses, domains and numbers; None: everybody.
    """
    rows = store.claim_due(
        db,
        now,
        limit=limit,
        with_mail=with_mail,
        campaigns=scope.campaigns,
        people=scope.people,
        allowed=allowed,
    )
    documents = rows[0]["campaigns"] if rows else []
    campaigns, unreadable = _campaigns(documents, sender)
    return Claimed(tuple(map(_enrolled, rows)), campaigns, unreadable)


def _campaigns(
    documents: Iterable[Mapping[str, Any]], sender: Identity | None
) -> tuple[dict[UUID, Campaign], dict[UUID, str]]:
    found, unreadable = {}, {}
    for document in documents:
        try:
            campaign = read_campaign(document)
        except RejectedInput as error:
            unreadable[UUID(document["id"])] = error.details[0]
            continue
        found[campaign.id] = _with_sender(campaign, document["postal_address"], sender)
    return found, unreadable


def _with_sender(campaign: Campaign, postal_address: str | None, sender: Identity | None) -> Campaign:
    identity = campaign.identity or sender
    return (
        campaign if identity is None else replace(campaign, identity=replace(identity, postal_address=postal_address))
    )


def _enrolled(row: Row) -> DueEnrollment:
    known = {name: value for name, value in row.items() if name not in _DECIDED_BY}
    answered = any(map(ends_sequence, row["replies"] or ()))
    if row["consent"] is None:
        return DueEnrollment(**known, answered=answered)
    facts: dict[str, list[ConsentFact]] = {"email": [], "sms": []}
    for fact in row["consent"]:
        facts[fact["channel"]].append(ConsentFact.of_json(fact))
    return DueEnrollment(
        **known,
        answered=answered,
        suppressed_by=suppression_of(row["org_id"], facts["email"]),
        sms_suppressed=row["phone"] is not None and suppression_of(row["org_id"], facts["sms"]) is not None,
    )
