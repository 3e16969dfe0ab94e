"""Brings people into a campaign: anyone who may be written to, and a counted reason for everybody else."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from crm_relay.campaigns.decisions import first_due
from crm_relay.campaigns.lifecycle import store
from crm_relay.campaigns.load_campaign import read_campaign, sends_mail
from crm_relay.campaigns.models import Campaign
from crm_relay.platform.database import Database, Queryable
from crm_relay.platform.errors import RejectedInput

MOST_NAMED = 20
"""So many unknown people are named."""

_OPEN_TO_PEOPLE = {"draft", "active", "paused"}


@dataclass(frozen=True)
class EnrollReport:
    """What became of those who were asked for; they add up to `asked`.

    `already`: enrolled now or before. `same_address`: somebody else with that address is. `opt_out` to `erased` are the
    ledger's words. `unknown`: there is no such contact; `unknown_people` are the first of them, as they were named.
    """

    asked: int = 0
    enrolled: int = 0
    already: int = 0
    same_address: int = 0
    opt_out: int = 0
    hard_bounce: int = 0
    complaint: int = 0
    erased: int = 0
    topic_opt_out: int = 0
    deleted: int = 0
    no_address: int = 0
    other_organization: int = 0
    unknown: int = 0
    unknown_people: tuple[str, ...] = ()


def enroll(
    db: Database,
    campaign_id: UUID,
    now: datetime,
    *,
    contacts: Iterable[UUID] = (),
    addresses: Iterable[str] = (),
    account: UUID | None = None,
    who: str = store.OPERATOR,
) -> EnrollReport:
    """Enroll contacts by id, by address, or all of an account; safe to repeat, also after an interruption.

    A transaction for every 1,000, of one statement, and of a second one where the campaign runs: who joins it then has
    the first step at its time from now. RejectedInput: 404 for no such campaign or account, 409 where it takes nobody.
    """
    campaign = _open_campaign(db, campaign_id)
    dues: dict[str, datetime | None] = {}
    counts = {field.name: 0 for field in fields(EnrollReport) if field.type is int}
    unknown: list[str] = []
    people = _people(db, campaign, contacts, addresses, account)
    while batch := list(islice(people, store.BATCH)):
        outcomes = db.transact(lambda tx, batch=batch: _enroll(tx, campaign, batch, dues, now))  # type: ignore[misc]
        for outcome in outcomes:
            counts[outcome.outcome] += outcome.people
            unknown += [_named(batch[place]) for place in outcome.unknown[: MOST_NAMED - len(unknown)]]
        counts["asked"] += len(batch)
    store.note_enrolled(db, campaign_id, counts, who=who, now=now)
    return EnrollReport(**counts, unknown_people=tuple(unknown))


def _named(person: Mapping[str, Any]) -> str:
    return str(person.get("address") or person.get("contact_id"))


def _open_campaign(db: Queryable, campaign_id: UUID) -> Campaign:
    row = store.campaign_defined(db, campaign_id)
    if row["source"] != "native":
        raise RejectedInput("only native campaigns enroll people", status=409)
    if row["status"] not in _OPEN_TO_PEOPLE:
        raise RejectedInput("this campaign takes nobody in any more", status=409)
    return read_campaign(row["document"])


def _people(
    db: Queryable, campaign: Campaign, contacts: Iterable[UUID], addresses: Iterable[str], account: UUID | None
) -> Iterator[Mapping[str, Any]]:
    yield from ({"contact_id": contact} for contact in contacts)
    yield from ({"address": address} for address in addresses)
    if account is None:
        return
    if store.organization_of_account(db, account) != campaign.org_id:
        raise RejectedInput("there is no such account", status=404)
    after = None
    while page := store.people_of_account(db, account, after=after):
        yield from ({"contact_id": contact} for contact in page)
        after = page[-1]


def _enroll(
    tx: Queryable,
    campaign: Campaign,
    batch: Sequence[Mapping[str, Any]],
    dues: dict[str, datetime | None],
    now: datetime,
) -> list[store.EnrollOutcome]:
    outcomes = store.enroll_people(
        tx,
        campaign.id,
        batch,
        now,
        needs_address=sends_mail(campaign),
        by_recipient=campaign.use_recipient_timezone,
    )
    # What the campaign is at this moment: it may have been activated since the first batch.
    new = [outcome for outcome in outcomes if outcome.status == "active" and outcome.enrollments]
    for zone in {outcome.zone for outcome in new} - dues.keys():
        dues[zone] = first_due(campaign, zone or None, now)
    times = [(at, outcome.enrollments) for outcome in new if (at := dues[outcome.zone]) is not None]
    if times:
        store.schedule_enrolled(tx, times)
    return outcomes
