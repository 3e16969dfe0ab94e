"""What became of mails and text messages that notifications queued, and whether they are still wanted."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import close_free_incidents, open_incidents
from crm_relay.mail.models import Fate, OwnedMail, Settled, Standing
from crm_relay.notifications.decisions import CONFIGURABLE
from crm_relay.notifications.models import ChannelDecision, Verdict
from crm_relay.notifications.release import store
from crm_relay.notifications.release.due import DueDelivery, late_before
from crm_relay.notifications.release.letters import DELIVERY, DIGEST
from crm_relay.platform.database import Queryable, Row, Transaction
from crm_relay.platform.errors import describe_error
from crm_relay.platform.logging import logger
from crm_relay.rules.in_parts import in_parts

UNREADABLE = "notification_unreadable"
_TITLE = "A notification cannot be read: its mail or text message waits, and is asked for again every hour"
_ASIDE_FOR = timedelta(hours=1)
_OVERTAKEN = Standing(refused_for="overtaken")
_STATES = {
    Fate.SENT: "sent",
    Fate.DRY_RUN: "dry_run",
    Fate.REFUSED: "skipped",
    Fate.FAILED: "failed",
    Fate.UNKNOWN: "unknown",
}


def settle(db: Transaction, settled: Sequence[Settled], now: datetime) -> None:
    """At most three statements, in the transaction that records the fate; what others queued is left out."""
    fates = [
        {
            "send_id": each.send_id,
            "delivery_id": each.entity_id if each.entity_type == DELIVERY else None,
            "digest_id": each.entity_id if each.entity_type == DIGEST else None,
            "state": _STATES[each.fate],
            "reason": each.reason,
        }
        for each in settled
        if each.entity_type in {DELIVERY, DIGEST}
    ]
    if fates:
        db.send_all(store.settling(fates, now))


def still_wanted(db: Queryable, mails: Sequence[OwnedMail], now: datetime) -> Mapping[UUID, Standing]:
    """Every gate once more, for what waited in the ledger; two statements at most.

    What has become part of a digest since leaves at its time, alone: it is in the ledger already. A mail whose
    notification cannot be read waits for an hour, with an incident, and the others go on.
    """
    ours = [mail for mail in mails if mail.entity_type in {DELIVERY, DIGEST} and mail.entity_id is not None]
    standings: dict[UUID, Standing] = {}

    def ask(part: Sequence[OwnedMail]) -> None:
        standings.update(_apart(db, lambda: _standings(db, part, now)))

    for mail, error in in_parts(ours, ask).items():
        problem = describe_error(error)
        logger().error("a notification cannot be read", mail=str(mail.send_id), reason=problem)
        open_incidents(db, [Incident(UNREADABLE, str(mail.entity_id), _TITLE, details={"problem": problem})], now)
        standings[mail.send_id] = Standing(held_for="unreadable", held_until=now + _ASIDE_FOR)
    return standings


def _apart(db: Queryable, work: Callable[[], Mapping[UUID, Standing]]) -> Mapping[UUID, Standing]:
    """In a transaction that can go on after a refusal."""
    return db.apart(work) if isinstance(db, Transaction) else work()


def close_readable(db: Queryable, now: datetime) -> int:
    """How many notifications can be read again, or are gone, so that their incidents are over."""
    subjects = {
        UUID(row["subject"]): OwnedMail(row["id"], row["entity_type"], row["id"]) for row in store.unreadable(db)
    }
    unread: dict[OwnedMail, Exception] = {}
    for mail in subjects.values():
        unread |= in_parts([mail], lambda part: _standings(db, part, now))
    readable = [str(subject) for subject, mail in subjects.items() if mail not in unread]
    return close_free_incidents(db, UNREADABLE, readable, now)


def _standings(db: Queryable, mails: Sequence[OwnedMail], now: datetime) -> Mapping[UUID, Standing]:
    standings: dict[UUID, Standing] = {}
    due = {
        row["id"]: row
        for row in store.delivery_facts(db, _entities(mails, DELIVERY), now, late_before=late_before(now))
    }
    members: dict[UUID, list[Row]] = {}
    for row in store.queued_members(db, _entities(mails, DIGEST)):
        members.setdefault(row["digest_id"], []).append(row)
    for mail in mails:
        if mail.entity_id is None:
            continue
        if (one := due.get(mail.entity_id)) is not None:
            standing = _standing([DueDelivery(one).decide_in_ledger(now)])
            standings[mail.send_id] = standing if one["ledger_id"] == mail.send_id else _OVERTAKEN
        elif (gathered := members.get(mail.entity_id)) is not None:
            decisions = [DueDelivery(row).decide_as_member(now, configured=CONFIGURABLE) for row in gathered]
            standings[mail.send_id] = _standing(decisions)
    return standings


def _entities(mails: Sequence[OwnedMail], kind: str) -> list[UUID]:
    return list(
        dict.fromkeys(mail.entity_id for mail in mails if mail.entity_type == kind and mail.entity_id is not None)
    )


def _standing(decisions: Sequence[ChannelDecision]) -> Standing:
    """It leaves as long as one of them is to be said; it waits for the first that has to wait."""
    if any(each.verdict is Verdict.SEND for each in decisions):
        return Standing()
    waiting = [each for each in decisions if each.verdict in {Verdict.HOLD, Verdict.DIGEST}]
    if waiting:
        until = min(each.not_before for each in waiting if each.not_before is not None)
        return Standing(held_for=waiting[0].reason, held_until=until)
    return Standing(refused_for=decisions[0].reason)
