"""Pauses a sender whose mail bounces or annoys, before the provider closes the account; only a person resumes it."""

from datetime import datetime, timedelta
from uuid import UUID

from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import close_free_incidents, close_incidents, open_incidents
from crm_relay.mail.decisions import SenderWeek, sender_problem
from crm_relay.mail.senders import store
from crm_relay.mail.sending.record_answer import OWN_SENDER, REFUSED_BATCH, UNKNOWN
from crm_relay.mail.sending.store import begun_again
from crm_relay.platform.database import Database, Queryable
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.logging import logger

PAUSED = "sender_paused"
_LOOKED_AT = timedelta(days=7)
_TITLES = {
    "bounces": "Sender(s) paused: more than 5 % permanent bounces in seven days",
    "complaints": "Sender(s) paused: more than 0.3 % complaints in seven days",
}


def watch_senders(db: Database, now: datetime) -> int:
    """How many senders this look paused. Safe to call twice.

    What was sent before a sender was last resumed counts no more. An incident about a refused From address is over once
    the provider has taken mail of it again, one about mail that may have left once events have told what became of it.
    """
    return db.transact(lambda tx: _watch(tx, now))


def resume_sender(db: Database, identity_id: UUID | None, now: datetime) -> None:
    """An operator lets it send again, and its week begins again; None: EMAIL_FROM. Safe to call twice.

    RejectedInput: no such sender.
    """

    def resume(tx: Queryable) -> None:
        if identity_id is None:
            store.resume_own(tx, now)
        elif not store.resume(tx, identity_id, now):
            raise RejectedInput("no such sender", status=404)
        close_incidents(tx, PAUSED, [_subject(identity_id)], now)

    db.transact(resume)


def _subject(identity_id: UUID | None) -> str:
    return OWN_SENDER if identity_id is None else str(identity_id)


def _watch(tx: Queryable, now: datetime) -> int:
    rows = store.weeks(tx, since=now - _LOOKED_AT)
    problems = {
        row["id"]: problem
        for row in rows
        if (problem := sender_problem(SenderWeek(row["sent"], row["permanent_bounces"], row["complaints"]))) is not None
    }
    if problems:
        store.pause(tx, problems, now)
        open_incidents(
            tx, [Incident(PAUSED, _subject(each), _TITLES[problem]) for each, problem in problems.items()], now
        )
        logger().error("senders paused", count=len(problems))
    if taken := [_subject(row["id"]) for row in rows if row["was_taken_again"]]:
        close_free_incidents(tx, "sender_refused", taken, now)
    for row in store.gone(tx):
        close_free_incidents(tx, row["kind"], row["subjects"], now)
    if clear := store.cleared_up(tx):
        close_free_incidents(tx, UNKNOWN, clear, now)
    if begun := begun_again(tx):
        close_free_incidents(tx, REFUSED_BATCH, begun, now)
    return len(problems)
