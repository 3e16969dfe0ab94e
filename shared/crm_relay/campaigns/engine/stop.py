"""Ends sequences: of anyone who answered, and of anyone who wants no more mail or can get none."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from crm_relay.campaigns.engine import follow_store, store
from crm_relay.campaigns.engine.follow_mail import Followed
from crm_relay.campaigns.follow_up import Enrolled, stopped
from crm_relay.campaigns.replies import after_replies, look_at, reasons_of_locked, without_locked
from crm_relay.campaigns.watch.refused import REPLY, STEP, SetAside, set_aside_all
from crm_relay.mail.feedback.mail_names import Departure, MailNames
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import OF_ONE_ROW
from crm_relay.platform.sql import Statement
from crm_relay.rules.in_parts import in_parts


def stop_answered(db: Database, now: datetime, items: Sequence[UUID] | None = None) -> int:
    """Look at every reply in `inbox_items` that nobody looked at; how many sequences that ended. Safe to call twice.

    A reply belongs to the mail that it answers (In-Reply-To, References), else to the one whose plus-address it was
    sent to; one from EmailBison to everything that its sender is enrolled in. It stops where an executed step says so;
    an automatic reply never does. What was queued and has not begun to leave is taken back. One that cannot be followed
    is set aside with an incident; `items`: these alone, although they are set aside.
    """
    try:
        return db.transact(lambda tx: follow_replies(tx, now, items=items))
    except OF_ONE_ROW:
        if items is not None:
            raise
    return _in_parts(db, now)


def _in_parts(db: Database, now: datetime) -> int:
    """Reply by reply, and enrollment by enrollment of those that ended with something queued."""
    stopped: list[int] = []
    items, ended = follow_store.unfollowed(db)
    found = in_parts(items, lambda part: stopped.append(db.transact(lambda tx: follow_replies(tx, now, items=part))))
    aside = [SetAside(REPLY, item, why=why, people=_people_of(db, item)) for item, why in found.items()]
    # Nobody is written to who has answered.
    aside += [SetAside(STEP, person, why=reply.why) for reply in aside for person in reply.people]
    found = in_parts(list(ended), lambda part: _take_back(db, {each: ended[each] for each in part}, now))
    aside += [SetAside(STEP, enrollment, why=why) for enrollment, why in found.items()]
    set_aside_all(db, aside, now)
    return sum(stopped)


def _people_of(db: Database, item: UUID) -> tuple[UUID, ...]:
    """Who may have written it; nobody where not even that can be read."""
    try:
        return tuple(follow_store.people_of_reply(db, item))
    except OF_ONE_ROW:
        return ()


def _take_back(db: Database, reasons: Mapping[UUID, str], now: datetime) -> None:
    statement = follow_store.take_back(reasons, now)
    db.run(statement.query, **statement.values)


def take_turn(tx: Transaction, now: datetime) -> int:
    """Wait for other claimers, then end what was answered; how many sequences ended. The first of a transaction."""
    return follow_replies(tx, now, [store.turn()])


def follow_replies(
    tx: Transaction, now: datetime, before: Sequence[Statement] = (), items: Sequence[UUID] | None = None
) -> int:
    """How many sequences ended. One message where nobody has answered, three where somebody has.

    What was being sent when its sequence ended, and came back to the queue, is taken back too. Never waits for a row
    that somebody else has locked: what is queued is taken back, and the reply is followed once the row is free.
    """
    waiting, ended = tx.send_all([*before, *follow_store.replies_waiting(items)])[len(before) :]
    replies = look_at(waiting, now)
    changed: list[Enrolled] = []
    reasons = {row["id"]: str(row["reason"]) for row in ended}
    number = 0
    if replies.noted or replies.answered:
        _, concerned, enrolled = tx.send_all(follow_store.lock_answered(replies.answered, sorted(replies.noted)))
        changed, taken_back, number = after_replies(enrolled, replies)
        free = {row["id"] for row in enrolled}
        locked = {row["id"]: bool(row["is_colleague"]) for row in concerned if row["id"] not in free}
        reasons |= taken_back | reasons_of_locked(locked, replies)
        replies = without_locked(replies, locked)
    tx.send_all(
        [
            *([follow_store.record_looked_at(replies.looked_at, now)] if replies.looked_at else []),
            *([follow_store.record_followers(changed, now)] if changed else []),
            *([follow_store.take_back(reasons, now)] if reasons else []),
        ]
    )
    return number


def end_enrollments(tx: Transaction, ids: Sequence[UUID], status: str, reason: str, now: datetime) -> list[Enrolled]:
    """Those of these sequences that ended, as they were, in a transaction that has taken no lock of an enrollment yet.

    What is queued for them is taken back also where a sequence had ended before. Two messages; safe to call twice.
    """
    if not ids:
        return []
    _, rows = tx.send_all(follow_store.lock_ending(ids))
    ended = [each for each in map(Enrolled.of, rows) if stopped(each, status, reason) != each]
    after = [stopped(each, status, reason) for each in ended]
    tx.send_all(
        [
            *([follow_store.record_followers(after, now)] if after else []),
            follow_store.take_back(dict.fromkeys(ids, reason), now),
        ]
    )
    return ended


def stop_for_address(
    db: Database, org_id: UUID | None, address: str, topic: str | None, reason: str, now: datetime
) -> int:
    """How many sequences of this normalised address ended. Safe to call twice; two messages.

    `org_id` None: everywhere, as for permanent bounces and complaints. `topic` None: whatever the campaign is about.
    `reason`: the ledger's word (opt_out, complaint, hard_bounce, erased) or topic_opt_out.
    """
    departure = Departure(address, reason, org_id, topic)
    return db.transact(lambda tx: follow_departures(tx, [departure], now))


def follow_departures(tx: Transaction, departures: Sequence[Departure], now: datetime) -> int:
    """How many sequences ended, in a transaction that has taken no lock of an enrollment yet; safe to call twice."""
    followed = Followed(MailNames(), (MailNames(), sorted({each.address for each in departures})))
    wanted = {**followed.locks(), **followed.reads()}
    rows = dict(zip(wanted, tx.send_all(list(wanted.values())), strict=True))
    writes = list(followed.writes(rows, (), departures, now))
    tx.send_all(writes)
    return followed.ended(rows, departures)
