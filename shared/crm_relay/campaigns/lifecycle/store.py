"""The SQL of a campaign's life: made, filled with people, begun, held and gone on with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.platform.database import Queryable, Row, Transaction
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.sql import Json, queries_beside

_SQL = queries_beside(__file__)
OPERATOR = "operator"
"""Who did it, where it was done at the command line."""

BATCH = 1000
"""People that one statement enrolls."""

_PATIENCE_MS = "600000"


@dataclass(frozen=True)
class State:
    """A campaign as anyone who changes it finds it, locked until the transaction ends."""

    id: UUID
    org_id: UUID
    name: str
    status: str
    source: str


@dataclass(frozen=True)
class Place:
    """One person's place in a campaign. `timezone` is the contact's."""

    id: UUID
    org_id: UUID
    campaign_id: UUID
    status: str
    current_step: int
    next_step_at: datetime | None
    has_pending: bool
    engagement_score: int
    timezone: str | None
    campaign_status: str


@dataclass(frozen=True)
class EnrollOutcome:
    """So many of a batch came to the same end; `enrollments` are the new ones. `status` is the campaign's.

    `unknown`: their places in the batch.
    """

    outcome: str
    zone: str
    people: int
    enrollments: list[UUID]
    status: str
    unknown: list[int]


def find_campaigns(db: Queryable, *, campaign_id: UUID | None, name: str) -> list[UUID]:
    """At most two: more than one is one too many."""
    return [row["id"] for row in db.run(_SQL["campaigns_called"], id=campaign_id, name=name)]


def references_of(
    db: Queryable, *, org_id: UUID | None, name: str, from_address: str | None, slugs: Sequence[str]
) -> Row | None:
    """org_id, is_name_taken, identity (or None) and templates; None: there is no such organization."""
    rows = db.run(_SQL["references_of"], org_id=org_id, name=name, from_address=from_address, slugs=list(slugs))
    return rows[0] if rows else None


def insert_campaign(
    db: Queryable,
    *,
    org_id: UUID,
    campaign: Mapping[str, Any],
    steps: Sequence[Mapping[str, Any]],
    identity_id: UUID | None,
    new_identity: Mapping[str, Any] | None,
    who: str,
    now: datetime,
) -> Row | None:
    """id and number of steps; None where the name was taken in the meantime."""
    rows = db.run(
        _SQL["insert_campaign"],
        org_id=org_id,
        campaign=Json(campaign),
        steps=Json(list(steps)),
        identity_id=identity_id,
        new_identity=Json(new_identity or {}),
        who=who,
        now=now,
    )
    return rows[0] if rows else None


def count_on_their_way(db: Queryable, campaign_id: UUID) -> int:
    """People whose sequence has not ended, or whose step is not settled."""
    return int(db.run(_SQL["count_on_their_way"], id=campaign_id)[0]["people"])


def lock_campaign(db: Queryable, campaign_id: UUID) -> State:
    """RejectedInput with 404 where there is none."""
    rows = db.run(_SQL["lock_campaign"], id=campaign_id)
    if not rows:
        raise RejectedInput("there is no such campaign", status=404)
    return State(**rows[0])


def campaign_defined(db: Queryable, campaign_id: UUID) -> Row:
    """status, source, and the `document` that read_campaign takes; RejectedInput with 404 for none."""
    rows = db.run(_SQL["campaign_defined"], id=campaign_id)
    if not rows:
        raise RejectedInput("there is no such campaign", status=404)
    return rows[0]


def zones_without_a_time(db: Queryable, campaign_id: UUID, *, by_recipient: bool) -> dict[str, int]:
    """Zone of the recipients ('' for none, or for the campaign's own) -> people."""
    rows = db.run(_SQL["zones_without_a_time"], campaign_id=campaign_id, by_recipient=by_recipient)
    return {row["zone"]: row["people"] for row in rows}


def take_time(db: Queryable) -> None:
    """Until the end of this transaction a statement may take ten minutes, and more memory."""
    db.run(_SQL["take_time"], milliseconds=_PATIENCE_MS)


def schedule_first_step(
    db: Queryable, campaign_id: UUID, dues: Mapping[str, datetime], now: datetime, *, by_recipient: bool
) -> int:
    """`dues` says for each zone when; how many got their time. Who has one keeps it, so it is safe to call twice."""
    given = Json([{"zone": zone, "at": at} for zone, at in dues.items()])
    rows = db.run(_SQL["schedule_first_step"], campaign_id=campaign_id, dues=given, now=now, by_recipient=by_recipient)
    return int(rows[0]["scheduled"])


def change_status(
    db: Queryable, campaign_id: UUID, status: str, *, change: str, about: Mapping[str, Any], who: str, now: datetime
) -> None:
    """`change` and `about` go into the history with `who`."""
    db.run(
        _SQL["change_status"], id=campaign_id, status=status, change=change, about=Json(dict(about)), who=who, now=now
    )


def organization_of_account(db: Queryable, account_id: UUID) -> UUID | None:
    """None: there is no such account."""
    rows = db.run(_SQL["organization_of_account"], id=account_id)
    return rows[0]["org_id"] if rows else None


def people_of_account(db: Queryable, account_id: UUID, *, after: UUID | None) -> list[UUID]:
    """The next BATCH of its contacts, deleted ones too: they are told as left out."""
    rows = db.run(_SQL["people_of_account"], account_id=account_id, after=after, page_size=BATCH)
    return [row["id"] for row in rows]


def enroll_people(
    db: Queryable,
    campaign_id: UUID,
    people: Sequence[Mapping[str, Any]],
    now: datetime,
    *,
    needs_address: bool,
    by_recipient: bool,
) -> list[EnrollOutcome]:
    """`people` each have `contact_id` or `address`; one statement."""
    given = [{"place": place, **each} for place, each in enumerate(people)]
    rows = db.run(
        _SQL["enroll"],
        campaign_id=campaign_id,
        people=Json(given),
        now=now,
        needs_address=needs_address,
        by_recipient=by_recipient,
    )
    return [EnrollOutcome(**row) for row in rows]


def schedule_enrolled(db: Queryable, dues: Sequence[tuple[datetime, Sequence[UUID]]]) -> None:
    """When those who joined a campaign that runs have their first step."""
    db.run(
        _SQL["schedule_enrolled"],
        dues=Json([{"at": at, "enrollments": list(enrollments)} for at, enrollments in dues]),
    )


def note_enrolled(db: Queryable, campaign_id: UUID, counts: Mapping[str, int], *, who: str, now: datetime) -> None:
    """One line in the history."""
    db.run(_SQL["note_enrolled"], campaign_id=campaign_id, counts=Json(dict(counts)), who=who, now=now)


def note_change(
    db: Queryable, campaign_id: UUID, change: str, about: Mapping[str, Any], *, who: str, now: datetime
) -> None:
    """One line in the history of a campaign that stays as it is."""
    db.run(_SQL["note_change"], campaign_id=campaign_id, change=change, about=Json(dict(about)), who=who, now=now)


def lock_enrollment(tx: Transaction, enrollment_id: UUID) -> Place:
    """For a change of it alone, since mails are locked before. RejectedInput with 404 where there is none."""
    tx.run(_SQL["lock_enrollment"], id=enrollment_id)
    return read_enrollment(tx, enrollment_id)


def read_enrollment(db: Queryable, enrollment_id: UUID) -> Place:
    """As it is now. RejectedInput with 404 where there is none."""
    rows = db.run(_SQL["enrollment"], id=enrollment_id)
    if not rows:
        raise RejectedInput("there is no such enrollment", status=404)
    return Place(**rows[0])


def note_enrollment_change(
    db: Queryable, place: Place, change: str, about: Mapping[str, Any], *, who: str, now: datetime
) -> None:
    """A line in the history of one person's place."""
    db.run(
        _SQL["note_enrollment_change"],
        id=place.id,
        org_id=place.org_id,
        change=change,
        about=Json(dict(about)),
        who=who,
        now=now,
    )


def change_enrollment(
    db: Queryable,
    enrollment_id: UUID,
    status: str,
    next_step_at: datetime | None,
    *,
    change: str,
    who: str,
    now: datetime,
) -> None:
    """`change` goes into the history with `who`."""
    db.run(
        _SQL["change_enrollment"],
        id=enrollment_id,
        status=status,
        next_step_at=next_step_at,
        change=change,
        who=who,
        now=now,
    )


def campaigns(db: Queryable, *, status: str | None, campaign_id: UUID | None, limit: int, offset: int = 0) -> list[Row]:
    """The columns of a CampaignLine."""
    return db.run(_SQL["campaigns"], status=status, id=campaign_id, limit=limit, offset=offset)


def funnels(db: Queryable, campaign_ids: Sequence[UUID]) -> list[Row]:
    """campaign_id and the columns of a StepFunnel, in order."""
    return db.run(_SQL["funnels"], campaign_ids=list(campaign_ids)) if campaign_ids else []


def held_steps(db: Queryable, campaign_id: UUID, now: datetime) -> list[Row]:
    """held_for, number and until."""
    return db.run(_SQL["held_steps"], campaign_id=campaign_id, now=now)


def organization_of_campaign(db: Queryable, campaign_id: UUID) -> UUID:
    """Of one that is there."""
    found: UUID = db.run(_SQL["organization_of_campaign"], campaign_id=campaign_id)[0]["org_id"]
    return found


def people_by_status(db: Queryable, campaign_id: UUID) -> dict[str, int]:
    """Status -> people."""
    return {row["status"]: row["people"] for row in db.run(_SQL["people_by_status"], campaign_id=campaign_id)}


def history_of(db: Queryable, campaign_id: UUID, *, limit: int) -> list[Row]:
    """change, at, by, about."""
    return db.run(_SQL["history_of_campaign"], campaign_id=campaign_id, limit=limit)


def addresses_of(db: Queryable, contact_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Contact -> address; nothing of those who have none."""
    rows = db.run(_SQL["addresses_of"], ids=list(set(contact_ids)))
    return {row["id"]: row["email"] for row in rows if row["email"]}


def contacts_called(db: Queryable, campaign_id: UUID, address: str) -> list[UUID]:
    """Who has this address in this campaign."""
    return [row["id"] for row in db.run(_SQL["contacts_called"], campaign_id=campaign_id, address=address)]
