"""Stops sending at once for one organization or for all, and resumes it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import close_incidents, keep_open
from crm_relay.mail.purposes import CAMPAIGN, STOPPED_PURPOSES
from crm_relay.platform.database import Database, Queryable
from crm_relay.platform.errors import RejectedInput, TransientError
from crm_relay.platform.logging import logger
from crm_relay.platform.sql import queries_beside

OPERATOR = "operator"
"""Who did it, where it was done at the command line."""

EVERYTHING = "everything"
"""The subject of the incident where every organization is stopped."""

_SQL = queries_beside(__file__)
_KIND = "sending_stopped"
_TITLE = "An operator stopped sending: campaigns wait until it is resumed"


@dataclass(frozen=True)
class SendingStop:
    """A stop that holds now. `organization_id` None: every organization. `stopped_by`: a token's name, or operator.

    `reason` None: none was given, or the role does not see it.
    """

    id: int
    organization_id: UUID | None
    organization: str | None
    purposes: list[str]
    stopped_by: str
    stopped_at: datetime
    reason: str | None


@dataclass(frozen=True)
class SendingChanged:
    """`changed` False: it was so before. `stops` hold now; `on_its_way` counts requests that were under way."""

    changed: bool
    on_its_way: int
    stops: list[SendingStop]


def stop_sending(
    db: Database, now: datetime, *, who: str = OPERATOR, reason: str | None = None, org_id: UUID | None = None
) -> SendingChanged:
    """Hold what campaigns send of one organization, None: of all; the incident is open until it is resumed.

    Anyone who asks the gate after the commit sends nothing. Mail to colleagues has another purpose and leaves. Safe to
    call twice: the first stop keeps its reason. RejectedInput with 404 for no such organization.
    """
    changed = db.transact(lambda tx: _stop(tx, now, who, reason, org_id))
    try:
        watch_stops(db, now)
    except TransientError:
        # The brake waits for no row but its own; the next run opens the incident.
        logger().warning("the incident about stopped sending is not open yet")
    (row,) = db.run(_SQL["on_its_way"], org_id=org_id, purposes=list(STOPPED_PURPOSES), now=now)
    return SendingChanged(changed, row["requests"], sending_stops(db))


def resume_sending(db: Database, now: datetime, *, who: str = OPERATOR, org_id: UUID | None = None) -> SendingChanged:
    """End the stop of one organization, or with None the stop of all; another one that holds stays.

    What was held is asked again at once: late policies judge by the time at which a step was first due, and limits,
    caps and opt-outs by what holds now. Safe to call twice. RejectedInput as stop_sending.
    """
    return db.transact(lambda tx: _resume(tx, now, who, org_id))


def sending_stops(db: Queryable) -> list[SendingStop]:
    """Those that hold now, that of every organization first."""
    return [SendingStop(**row) for row in db.run(_SQL["open_stops"])]


def stop_of(db: Queryable, org_id: UUID, purpose: str = CAMPAIGN) -> SendingStop | None:
    """What holds an organization's messages of this purpose, if anything does."""
    rows = db.run(_SQL["stop_of"], org_id=org_id, purpose=purpose)
    return SendingStop(**rows[0]) if rows else None


def watch_stops(db: Database, now: datetime) -> None:
    """Keep the incidents as the stops are: one that was closed by hand opens again. Safe to call twice."""

    def watch(tx: Queryable) -> None:
        tx.run(_SQL["take_turn"])
        keep_open(tx, _KIND, [_incident(stop.organization_id) for stop in sending_stops(tx)], now)

    db.transact(watch)


def _stop(tx: Queryable, now: datetime, who: str, reason: str | None, org_id: UUID | None) -> bool:
    tx.run(_SQL["take_turn"])
    _check(tx, org_id)
    purposes = list(STOPPED_PURPOSES)
    return bool(tx.run(_SQL["stop_sending"], org_id=org_id, purposes=purposes, reason=reason or None, who=who, now=now))


def _resume(tx: Queryable, now: datetime, who: str, org_id: UUID | None) -> SendingChanged:
    tx.run(_SQL["take_turn"])
    changed = bool(tx.run(_SQL["resume_sending"], org_id=org_id, who=who, now=now))
    if not changed:
        _check(tx, org_id)
    close_incidents(tx, _KIND, [_subject(org_id)], now)
    return SendingChanged(changed, 0, sending_stops(tx))


def _check(tx: Queryable, org_id: UUID | None) -> None:
    if org_id is not None and not tx.run(_SQL["organization_exists"], org_id=org_id)[0]["known"]:
        raise RejectedInput("there is no such organization", status=404)


def _incident(org_id: UUID | None) -> Incident:
    return Incident(_KIND, _subject(org_id), _TITLE)


def _subject(org_id: UUID | None) -> str:
    return EVERYTHING if org_id is None else str(org_id)
