"""What the provider's answer to a batch means for its mails, recorded with whatever the mails' owner does about it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import open_incidents
from crm_relay.mail.feedback.accept_answer import accept_answer
from crm_relay.mail.models import Fate, Settle, Settled
from crm_relay.mail.sending import store
from crm_relay.mail.sending.repeat import pause_after
from crm_relay.mail.sending.waiting import MailBatch
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import OF_ONE_ROW, describe_error
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
REST = "sending_rest"
CLOSED_BY_SUCCESS = (QUOTA, CONFIGURATION, REST)
"""Incidents about the provider that are over as soon as it takes mail again."""

_SENDER = "sender_refused"
REFUSED_BATCH = "email_batch_refused"
UNKNOWN = "email_unknown"
OWN_SENDER = "EMAIL_FROM"
"""As what incidents name the sender of mail that has no identity."""

_TITLES = {
    QUOTA: "The plan's e-mails at the provider are used up: mail waits",
    CONFIGURATION: "The e-mail provider refuses this installation: mail waits until its settings are changed",
    REST: "The provider asks for a rest of more than an hour: mail is tried again every hour",
    REFUSED_BATCH: "A batch of e-mails that cannot be begun or recorded: it waits, and the others go on",
    _SENDER: "The provider refuses a From address: its mail waits until the domain is verified",
    UNKNOWN: "E-mail(s) whose outcome is unknown: never sent again, look at the provider's log",
}
_PAUSE = timedelta(seconds=30)
LONGEST_REST = timedelta(hours=1)
"""Nobody waits longer for a provider without being asked again, whatever its answer says."""

_ASIDE_FOR = timedelta(hours=1)
_LOCKED_FOR = timedelta(minutes=1)
_LOCKED_FOR_LONG = timedelta(minutes=10)
_LOCKED = "locked by another transaction"
_QUOTA_IS_ASKED_AGAIN = timedelta(hours=1)
_SETTINGS_ARE_TRIED_AGAIN = timedelta(minutes=15)


@dataclass(frozen=True)
class AnswerRecorded:
    """`settled`: mails whose fate is known now; `held`: how many wait. `stops`: why the run ends with it."""

    settled: Sequence[Settled] = ()
    is_postponed: bool = False
    stops: str | None = None
    held: int = 0


NOTHING_RECORDED = AnswerRecorded()


def count_fates(settled: Sequence[Settled]) -> dict[str, int]:
    """How many of each, by its word."""
    fates = Counter(each.fate for each in settled)
    return {fate.value: fates[fate] for fate in Fate}


def rest_of(seconds: float | None, usual: timedelta) -> timedelta:
    """How long a provider that asks for a rest gets one."""
    return usual if seconds is None else min(timedelta(seconds=min(seconds, 1e6)), LONGEST_REST)


def record_answer(
    db: Transaction, batch: MailBatch, answer: EmailAnswer, settle: Settle, now: datetime, *, provider: str
) -> AnswerRecorded:
    """At most four statements. `provider` is its name, which incidents carry.

    What an attempt surely did not send is free again only where no attempt before it may have been sent.
    """
    match answer:
        case Accepted():
            return accept(db, batch, _results(batch, answer), settle, now, provider=provider)
        case RefusedWhole(reason, retry_payload, is_named):
            if batch.attempts > 1 and not is_named:
                # A page of somebody in between says nothing of the attempt that may have been taken.
                return _unclear(db, batch, reason, now)
            if retry_payload:
                return _refuse(db, batch, reason, settle, now, provider)
            return _wrong(db, batch, reason, now, provider)
        case Later(reason, seconds):
            incident = _incident(REST, provider) if (seconds or 0) > LONGEST_REST.total_seconds() else None
            pause = rest_of(seconds, _PAUSE)
            return _not_now(db, batch, reason, pause, now, _Rest("provider_rest", "later", incident))
        case QuotaExhausted(period):
            rest = _Rest("quota", "quota", _incident(QUOTA, provider))
            return _not_now(db, batch, f"quota of the {period}", _QUOTA_IS_ASKED_AGAIN, now, rest)
        case ConfigurationWrong(reason, of_sender):
            return _sender_wrong(db, batch, reason, now) if of_sender else _wrong(db, batch, reason, now, provider)
        case Unclear(reason):
            return _unclear(db, batch, reason, now)
        case KeyMisused():
            return AnswerRecorded(report_parked(db, batch, "other bytes under its key", settle, now, provider=provider))


def report_parked(
    db: Transaction, batch: MailBatch, why: str, settle: Settle, now: datetime, *, provider: str
) -> list[Settled]:
    """Never again: those of which an event has come were sent, of the others nobody knows."""
    status = store.park_batch(db, batch, now=now, problem=why)
    settled = [
        mail.settled(Fate.UNKNOWN, why) if status[mail.id] == "unknown" else mail.settled(Fate.SENT)
        for mail in batch.mails
        if mail.id in status
    ]
    if any(each.fate is Fate.UNKNOWN for each in settled):
        report_unknown(db, batch, why, now, provider=provider)
    if settled:
        settle(db, settled, now)
    return settled


def report_unknown(db: Transaction, batch: MailBatch, why: str, now: datetime, *, provider: str) -> None:
    """An operator has to look at the provider: `crm-relay campaign unknown`."""
    logger().error("mail of a batch is parked as unknown", batch=str(batch.id), reason=why)
    count_metric("UnknownEmails", source=provider)
    open_incidents(db, [_incident(UNKNOWN, str(batch.id))], now)


def park_refused(
    db: Database, batch: MailBatch, error: Exception, settle: Settle, now: datetime, *, provider: str
) -> AnswerRecorded:
    """The provider has answered, and the database refuses to record it: only this batch is parked, with an incident.

    Where its owner cannot be told either, an operator has to settle the mails by hand. Raises what keeps the batch from
    being parked.
    """
    why = f"the answer cannot be recorded: {describe_error(error)}"
    try:
        settled = db.transact(lambda tx: report_parked(tx, batch, why, settle, now, provider=provider))
    except OF_ONE_ROW:
        settled = db.transact(lambda tx: report_parked(tx, batch, why, _nobody_hears, now, provider=provider))
    return AnswerRecorded(settled)


def set_aside(db: Transaction, batch: MailBatch, why: str, now: datetime, mails: Sequence[UUID] = ()) -> AnswerRecorded:
    """A batch that cannot be begun or recorded waits for an hour, with an incident; `mails`: whose fault it is."""
    logger().error("a batch cannot be begun", batch=str(batch.id), reason=why)
    store.set_batch_aside(db, batch, not_before=now + _ASIDE_FOR, problem=why)
    details = {"problem": why, "mails": [str(mail) for mail in mails]}
    open_incidents(db, [replace(_incident(REFUSED_BATCH, str(batch.id)), details=details)], now)
    return AnswerRecorded(is_postponed=True)


def set_locked_aside(db: Transaction, batch: MailBatch, now: datetime) -> None:
    """What another transaction has locked waits for a minute; after ten of them there is an incident."""
    store.set_locked_aside(db, batch.id, now, not_before=now + _LOCKED_FOR, problem=_LOCKED)
    if batch.locked_since is not None and batch.locked_since <= now - _LOCKED_FOR_LONG:
        open_incidents(db, [replace(_incident(REFUSED_BATCH, str(batch.id)), details={"problem": _LOCKED})], now)


def _nobody_hears(_db: Transaction, _settled: Sequence[Settled], _now: datetime) -> None:
    """Its owner refuses what became of one of them."""


def _results(batch: MailBatch, answer: Accepted) -> list[dict[str, object]]:
    return [
        {"id": mail.id, store.PROVIDER_ID: provider_id, "problem": answer.problems.get(place)}
        for place, (mail, provider_id) in enumerate(zip(batch.mails, answer.ids, strict=True))
    ]


def accept(
    db: Transaction,
    batch: MailBatch,
    results: Sequence[dict[str, object]],
    settle: Settle,
    now: datetime,
    *,
    provider: str,
) -> AnswerRecorded:
    """The provider has the batch: each result has a mail's id, and PROVIDER_ID or its problem."""
    accepted = accept_answer(db, batch.id, batch.generation, results, now, provider=provider)
    if accepted is None:
        # Its request was given up as lost, and who has not left again was sent by it after all.
        store.accept_late(db, {result["id"]: result[store.PROVIDER_ID] for result in results}, now)
        return AnswerRecorded()
    problems = {result["id"]: str(result["problem"]) for result in results if result["problem"] is not None}
    settled = [
        mail.settled(
            Fate.FAILED if mail.id in problems else Fate.SENT,
            problems.get(mail.id),
            has_events=mail.id in accepted.seen,
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


def _unclear(db: Transaction, batch: MailBatch, reason: str, now: datetime) -> AnswerRecorded:
    logger().warning("nobody knows whether a batch was sent", batch=str(batch.id), reason=reason)
    until = now + pause_after(batch.attempts)
    store.postpone_batch(db, batch, not_before=until, problem=reason, held_for="unclear")
    return AnswerRecorded(is_postponed=True, stops="unclear")


def _refuse(
    db: Transaction, batch: MailBatch, reason: str, settle: Settle, now: datetime, provider: str
) -> AnswerRecorded:
    """In halves, until the one that is not allowed stands alone.

    The provider knows the key of what it has taken before, so this answer speaks of every attempt.
    """
    if len(batch.mails) == 1:
        result: dict[str, object] = {"id": batch.mails[0].id, store.PROVIDER_ID: None, "problem": reason}
        return accept(db, batch, [result], settle, now, provider=provider)
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
    sender = next(iter(senders))
    incident = _incident(_SENDER, OWN_SENDER if sender is None else str(sender))
    return _not_now(
        db, batch, reason, _SETTINGS_ARE_TRIED_AGAIN, now, _Rest("sender_refused", stops=None, incident=incident)
    )


def _wrong(db: Transaction, batch: MailBatch, reason: str, now: datetime, provider: str) -> AnswerRecorded:
    rest = _Rest("configuration", "configuration", _incident(CONFIGURATION, provider))
    return _not_now(db, batch, reason, _SETTINGS_ARE_TRIED_AGAIN, now, rest)


@dataclass(frozen=True)
class _Rest:
    """Why a batch waits, a word of mail/reasons.py; whether the run stops with it, and who has to hear of it."""

    held_for: str
    stops: str | None
    incident: Incident | None = None


def _not_now(
    db: Transaction, batch: MailBatch, reason: str, pause: timedelta, now: datetime, rest: _Rest
) -> AnswerRecorded:
    """This attempt sent nothing. An earlier one that was unclear still may have: then the bytes stay what they are."""
    postpone = store.requeue_batch if batch.attempts == 1 else store.postpone_batch
    postpone(db, batch, not_before=now + pause, problem=reason, held_for=rest.held_for)
    logger().warning("a batch was not taken", batch=str(batch.id), reason=reason)
    if rest.incident is not None:
        open_incidents(db, [rest.incident], now)
    return AnswerRecorded(is_postponed=True, stops=rest.stops)


def _parts(groups: Sequence[Sequence[UUID]]) -> list[dict[str, UUID]]:
    return [{"id": mail, "batch_id": part} for group in groups for part in [uuid4()] for mail in group]


def _incident(kind: str, subject: str) -> Incident:
    return Incident(kind, subject, _TITLES[kind])
