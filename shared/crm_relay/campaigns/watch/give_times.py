"""Gives a time to people who are live in a running campaign without one and with no mail on its way."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from crm_relay.campaigns.decisions import goes_on_at
from crm_relay.campaigns.load_campaign import read_campaign
from crm_relay.campaigns.watch import store
from crm_relay.campaigns.watch.faults import UNREADABLE, CampaignFault
from crm_relay.campaigns.watch.hold_campaigns import report_faults
from crm_relay.platform.database import Database, Row, Transaction
from crm_relay.platform.errors import OF_ONE_ROW, RejectedInput, describe_error
from crm_relay.platform.logging import logger
from crm_relay.rules.in_parts import in_parts

PATIENCE = timedelta(minutes=10)
"""So long has a row to be unchanged, by the database's clock."""


def give_times(db: Database, now: datetime) -> int:
    """How many people got the time that `resume` gives, for example after SQL made them active behind their last mail.

    One statement where everybody has a time, four for a campaign's people or for all campaigns. Never waits for a lock,
    and looks again behind its own. Safe to call twice and side by side. Whose row the database refuses to change stays,
    and no other does; a campaign that cannot be read is reported, and its people get their time once it is repaired.
    """
    before = now - PATIENCE
    found = store.without_a_time(db, before)
    given: list[int] = []

    def give(people: Sequence[UUID]) -> None:
        given.append(_give(db, people, before, now))

    def of_campaigns(part: Sequence[UUID]) -> None:
        give([person for campaign in part for person in found[campaign]])

    for campaign, why in in_parts(list(found), of_campaigns).items():
        _report(campaign, _one_by_one(found[campaign], give) or [why])
    if given:
        logger().info("people without a time go on", people=sum(given))
    return sum(given)


def _one_by_one(people: Sequence[UUID], give: Callable[[Sequence[UUID]], None]) -> list[Exception]:
    """The people for which it fails, with the reason."""
    try:
        return list(in_parts(people, give).values())
    except OF_ONE_ROW as error:
        return [error]


def _report(campaign: UUID, refused: Sequence[Exception]) -> None:
    reasons = sorted({describe_error(each) for each in refused})
    logger().error("people cannot be given a time", campaign=str(campaign), people=len(refused), reasons=reasons)


def _give(db: Database, people: Sequence[UUID], before: datetime, now: datetime) -> int:
    given, faults = db.transact(lambda tx: _give_behind_locks(tx, people, before, now))
    report_faults(db, faults, now)
    return given


def _give_behind_locks(
    tx: Transaction, people: Sequence[UUID], before: datetime, now: datetime
) -> tuple[int, list[CampaignFault]]:
    free = store.lock_people(tx, people)
    dues, faults = _dues(store.locked_without_a_time(tx, before, free) if free else (), now)
    return (store.give_times(tx, dues, now) if dues else 0), faults


def _dues(rows: Iterable[Row], now: datetime) -> tuple[list[tuple[datetime, list[UUID]]], list[CampaignFault]]:
    """Times with their people, and campaigns that cannot be read. `document` is in the first row of each campaign."""
    dues, faults, campaigns = [], [], {}
    for row in rows:
        key = row["campaign_id"]
        try:
            if row["document"] is not None:
                campaigns[key] = read_campaign(row["document"])
        except RejectedInput as error:
            faults.append(CampaignFault(key, UNREADABLE, error.details[0]))
        if key not in campaigns:
            continue
        at = goes_on_at(campaigns[key], row["zone"] or None, now, has_begun=row["has_begun"])
        if at is not None:
            dues.append((at, row["people"]))
    return dues, faults
