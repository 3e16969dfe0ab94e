"""Keeps messages of a mailbox in the store of replies, with what they say of pitches; one transaction a chunk."""

from collections.abc import Sequence
from datetime import datetime

from crm_relay.connections.mailboxes import mail_store
from crm_relay.connections.mailboxes.judge_mail import AnsweredPitch, JudgedMail, answered_pitches, judge_mail, row_of
from crm_relay.connections.mailboxes.models import MailPlace
from crm_relay.connections.pitches.park import pitch_goes_on
from crm_relay.consent.models import ConsentEvent, ConsentKind
from crm_relay.consent.record import recording
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.sql import Statement
from crm_relay.providers.connectors.mailbox import MailboxMessage


def keep_mails(
    db: Database, place: MailPlace, messages: Sequence[MailboxMessage], own: frozenset[str], now: datetime
) -> int:
    """How many are new. Safe to call twice; two messages to the database, whatever their number."""
    judged = [mail for each in messages if (mail := judge_mail(each, own)) is not None]
    return db.transact(lambda tx: _keep(tx, place, judged, now)) if judged else 0


def _keep(tx: Transaction, place: MailPlace, mails: Sequence[JudgedMail], now: datetime) -> int:
    threads = sorted({each.message.thread_id for each in mails})
    named = sorted({answer for each in mails for answer in each.answers})
    _, pitches = tx.send_all(mail_store.locking_answered(place, threads, named))
    answered = answered_pitches(mails, pitches, now)
    of_pitches = {each.mail.message.id for each in answered}
    rows = [
        row_of(each, place.external_id(each.message.id)) | {"answers_pitch": each.message.id in of_pitches}
        for each in mails
    ]
    kept, *_ = tx.send_all([mail_store.keeping(place, rows, now), *_said(place, answered, now)])
    pitch_goes_on(tx, [each.pitch["id"] for each in answered if each.was_parked], now)
    return len(kept)


def _said(place: MailPlace, answered: Sequence[AnsweredPitch], now: datetime) -> list[Statement]:
    """What replies and bounces say of pitches; an address that will never work goes into the ledger."""
    if not answered:
        return []
    dead = [each for each in answered if each.mail.is_dead_address and each.pitch["address"] is not None]
    events = [
        ConsentEvent(
            ConsentKind.HARD_BOUNCE,
            each.pitch["address"],
            place.source,
            each.at,
            source_event=place.external_id(each.mail.message.id),
            org_id=place.org_id,
        )
        for each in dead
    ]
    statements = [mail_store.recording_answered([each.as_row() for each in answered], now)]
    return [*statements, recording(events)] if events else statements
