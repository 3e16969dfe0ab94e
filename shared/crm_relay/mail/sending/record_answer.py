"""What the provider's answer to a batch means for its mails, recorded with whatever the mails' owner does about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import open_incidents
from crm_relay.mail.feedback.accept_answer import accept_answer
from crm_relay.mail.models import Fate, Settle, Settled
from crm_relay.mail.sending import store
from crm_relay.mail.sending.gate import Waiting, pause_after
from crm_relay.mail.sending.store import MailBatch
from crm_relay.platform.database import Transaction
from crm_relay.platform.logging import count_metric, logger
from crm_relay.providers.answers import (
    Accepted,
    ConfigurationWrong,
    EmailAnswer,
    KeyMisused,
    Later,
    QuotaExhausted,
    RefusedWhole,
    Unclear,
)

QUOTA = "sending_quota"
CONFIGURATION = "sending_configuration"
CLOSED_BY_SUCCESS = (QUOTA, CONFIGURATION)
"""Incidents about the provider that are over as soon as it takes mail again."""

_SENDER = "sender_refused"
UNKNOWN = "email_unknown"
_TITLES = {
    QUOTA: "The plan's e-mails at the provider are used up: mail waits",
    CONFIGURATION: "The e-mail provider refuses this installation: mail waits until its settings are changed",
    _SENDER: "The provider refuses a From address: its mail waits until the domain is verified",
    UNKNOWN: "E-mail(s) of which nobody knows whether they were sent: never sent again, look at the provider's log",
}
_PAUSE = timedelta(seconds=30)
_QUOTA_IS_ASKED_AGAIN = timedelta(hours=1)
_SETTINGS_ARE_TRIED_AGAIN = timedelta(minutes=15)


@dataclass(frozen=True)
class AnswerRecorded:
    """`settled`: mails whose fate is known now. `stops`: why nothing more should be asked in this run."""

    settled: Sequence[Settled] = ()
    is_postponed: bool = False
    stops: str | None = None


def record_answer(
    db: Transaction, batch: MailBatch, answer: EmailAnswer, settle: Settle, now: datetime, *, provider: str
) -> AnswerRecorded:
    """At most four statements. `provider` is its name, which incidents carry.

    What an attempt surely did not send is free again only where no attempt before it may have been sent.
    """
    match answer:
        case Accepted():
            return _accept(db, batch, _results(batch, answer), settle, now)
        case RefusedWhole(reason, retry_payload):
            return (
                _refuse(db, batch, reason, settle, now) if retry_payload else _wrong(db, batch, reason, now, provider)
            )
        case Later(reason, seconds):
            pause = _PAUSE if seconds is None else timedelta(seconds=seconds)
            return _not_now(db, batch, reason, pause, now, stops="later")
        case QuotaExhausted(period):
            pause = _QUOTA_IS_ASKED_AGAIN
            return _not_now(
                db, batch, f"quota of the {period}", pause, now, stops="quota", incident=_incident(QUOTA, provider)
            )
        case ConfigurationWrong(reason, of_sender):
            return _sender_wrong(db, batch, reason, now) if of_sender else _wrong(db, batch, reason, now, provider)
        case Unclear(reason):
            logger().warning("nobody knows whether a batch was sent", batch=str(batch.id), reason=reason)
            store.postpone_batch(db, batch, not_before=now + pause_after(batch.attempts), problem=reason)
            return AnswerRecorded(is_postponed=True, stops="unclear")
        case KeyMisused():
            return AnswerRecorded(report_parked(db, batch, "other bytes under its key", settle, now, provider=provider))


def report_parked(
    db: Transaction, batch: MailBatch, why: str, settle: Settle, now: datetime, *, provider: str
) -> list[Settled]:
    """Never again: those of which an event has come were sent, of the others nobody knows."""
    status = store.park_batch(db, batch.id, now=now, problem=why)
    settled = [
        _settled(mail, Fate.UNKNOWN, why) if status[mail.id] == "unknown" else _settled(mail, Fate.SENT)
        for mail in batch.mails
        if mail.id in status
    ]
    if any(each.fate is Fate.UNKNOWN for each in settled):
        logger().error("a batch is parked as unknown", batch=str(batch.id), reason=why)
        count_metric("UnknownEmails", source=provider)
        open_incidents(db, [_incident(UNKNOWN, str(batch.id))], now)
    if settled:
        settle(db, settled, now)
    return settled


def _results(batch: MailBatch, answer: Accepted) -> list[dict[str, object]]:
    return [
        {"id": mail.id, store.PROVIDER_ID: provider_id, "problem": answer.problems.get(place)}
        for place, (mail, provider_id) in enumerate(zip(batch.mails, answer.ids, strict=True))
    ]


def _accept(
    db: Transaction, batch: MailBatch, results: Sequence[dict[str, object]], settle: Settle, now: datetime
) -> AnswerRecorded:
    accepted = accept_answer(db, batch.id, results, now)
    if accepted is None:
        return AnswerRecorded()
    problems = {result["id"]: str(result["problem"]) for result in results if result["problem"] is not None}
    settled = [
        _settled(
            mail, Fate.FAILED if mail.id in problems else Fate.SENT, problems.get(mail.id), mail.id in accepted.seen
        )
        for mail in batch.mails
    ]
    if accepted.seen:
        # What events mean for the owner is read from the mails.
        db.send_all(accepted.writes)
        settle(db, settled, now)
    else:
        settle(db, settled, now)
        db.finish(accepted.writes)
    return AnswerRecorded(settled)


def _refuse(db: Transaction, batch: MailBatch, reason: str, settle: Settle, now: datetime) -> AnswerRecorded:
    """In halves, until the one that is not allowed stands alone.

    The provider knows the key of what it has taken before, so this answer speaks of every attempt.
    """
    if len(batch.mails) == 1:
        return _accept(db, batch, [{"id": batch.mails[0].id, store.PROVIDER_ID: None, "problem": reason}], settle, now)
    half = len(batch.mails) // 2
    ids = [mail.id for mail in batch.mails]
    store.split_batch(db, batch, _parts([ids[:half], ids[half:]]), now=now, problem=reason)
    return AnswerRecorded()


def _sender_wrong(db: Transaction, batch: MailBatch, reason: str, now: datetime) -> AnswerRecorded:
    """Mail of other senders goes on; this one's waits."""
    senders: dict[UUID | None, list[UUID]] = {}
    for mail in batch.mails:
        senders.setdefault(mail.identity_id, []).append(mail.id)
    if len(senders) > 1 and batch.attempts == 1:
        store.split_batch(db, batch, _parts(list(senders.values())), now=now, problem=reason)
        return AnswerRecorded()
    incident = _incident(_SENDER, str(next(iter(senders))))
    return _not_now(db, batch, reason, _SETTINGS_ARE_TRIED_AGAIN, now, stops=None, incident=incident)


def _wrong(db: Transaction, batch: MailBatch, reason: str, now: datetime, provider: str) -> AnswerRecorded:
    incident = _incident(CONFIGURATION, provider)
    return _not_now(db, batch, reason, _SETTINGS_ARE_TRIED_AGAIN, now, stops="configuration", incident=incident)


def _not_now(
    db: Transaction,
    batch: MailBatch,
    reason: str,
    pause: timedelta,
    now: datetime,
    *,
    stops: str | None,
    incident: Incident | None = None,
) -> AnswerRecorded:
    """This attempt sent nothing. An earlier one that was unclear still may have: then the bytes stay what they are."""
    postpone = store.requeue_batch if batch.attempts == 1 else store.postpone_batch
    postpone(db, batch, not_before=now + pause, problem=reason)
    logger().warning("a batch was not taken", batch=str(batch.id), reason=reason)
    if incident is not None:
        open_incidents(db, [incident], now)
    return AnswerRecorded(is_postponed=True, stops=stops)


def _parts(groups: Sequence[Sequence[UUID]]) -> list[dict[str, UUID]]:
    return [{"id": mail, "batch_id": part} for group in groups for part in [uuid4()] for mail in group]


def _settled(mail: Waiting, fate: Fate, reason: str | None = None, has_events: bool = False) -> Settled:
    return Settled(mail.id, fate, reason, mail.enrollment_id, mail.sequence_id, has_events)


def _incident(kind: str, subject: str) -> Incident:
    return Incident(kind, subject, _TITLES[kind])
