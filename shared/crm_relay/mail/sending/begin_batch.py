"""Takes a batch up: the gate and the bytes of what may leave, or what has to be known before it may be repeated."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, assert_never
from uuid import UUID, uuid4

from crm_relay.mail.models import Fate, SendPolicy, Settle, Standing, StillWanted
from crm_relay.mail.purposes import is_to_colleagues
from crm_relay.mail.sending import store
from crm_relay.mail.sending.gate import (
    CARRIED_OUT_BEFORE,
    KEPT_BY,
    MODES_ARE_LOOKED_AT_AGAIN,
    PAUSES_ARE_LOOKED_AT_AGAIN,
    Gate,
    GateVerdict,
    Room,
)
from crm_relay.mail.sending.record_answer import (
    NOTHING_RECORDED,
    AnswerRecorded,
    report_parked,
    report_unknown,
    set_locked_aside,
)
from crm_relay.mail.sending.repeat import (
    KEY_LIVES,
    LOOKED_UP_AFTER,
    Again,
    again,
    evidence_until,
    waits_for_window_only,
)
from crm_relay.mail.sending.waiting import MailBatch, WaitingMail
from crm_relay.platform.database import Queryable, Transaction
from crm_relay.providers.email import EmailProvider, LooksUpMail

_CLAIM = timedelta(seconds=90)
"""Longer than a request may take, or a second worker would ask in vain for what the first one is being told."""

# By whether the provider has keys: why a batch that may have been sent is not repeated.
_WAITS = {True: "something in it may not leave now", False: "it may have been sent, and there are no keys"}

# Until when and for what.
_Hold = tuple[datetime | None, str | None]


@dataclass
class BatchWork:
    """What one batch needs."""

    provider: EmailProvider
    policy: SendPolicy
    settle: Settle
    still_wanted: StillWanted
    purposes: Sequence[str]


@dataclass(frozen=True)
class BatchBegun:
    """A batch that is ours. `payload` None: nothing is to be sent now. `looks_up`: the provider is asked first.

    `repeats_unasked`: where it never can be asked, the same request may be made again.
    """

    batch: MailBatch
    payload: bytes | None
    recorded: AnswerRecorded = NOTHING_RECORDED
    looks_up: bool = False
    repeats_unasked: bool = False


def begin_batch(db: Transaction, work: BatchWork, now: datetime, batch_id: UUID | None = None) -> BatchBegun | None:
    """In one transaction; None where no batch is due and free."""
    batch = store.claim_batch(db, now, purposes=work.purposes, batch_id=batch_id)
    if batch is None:
        return None
    if batch.has_locked:
        return _without_locked(db, batch, work, now)
    if batch.is_stopped:
        # Before any other question: nobody's step is settled while nothing may leave.
        return _stopped(db, batch, now)
    if batch.attempts == 0 or batch.first_attempt_at is None:
        return _freeze(db, batch, work, now)
    if batch.age < KEY_LIVES and _is_kept(batch, work.policy):
        # No request is made for it, not even one that only asks.
        until = min(now + MODES_ARE_LOOKED_AT_AGAIN, batch.first_attempt_at + KEY_LIVES)
        return _wait(db, batch, until, "the mode keeps some of it here", held_for=KEPT_BY[work.policy.mode])
    provider = work.provider
    verdicts = _judged_again(db, batch, work, now)
    what = again(batch, verdicts, has_key=provider.has_idempotency_key, can_look_up=isinstance(provider, LooksUpMail))
    match what:
        case Again.REPEAT:
            payload = store.repeat_batch(db, batch.id, now, claimed_until=now + _CLAIM)
            return BatchBegun(replace(batch, attempts=batch.attempts + 1), payload)
        case Again.ASK:
            return _ask(db, batch, now, repeats_unasked=waits_for_window_only(verdicts) and not batch.was_lost)
        case Again.WAIT:
            return _wait(db, batch, evidence_until(batch.first_attempt_at, now), _WAITS[provider.has_idempotency_key])
        case Again.PARK:
            settled = report_parked(db, batch, "not known in time", work.settle, now, provider=provider.name)
            return BatchBegun(batch, None, AnswerRecorded(settled))
        case _:
            assert_never(what)


def _stopped(db: Transaction, batch: MailBatch, now: datetime) -> BatchBegun:
    held = store.hold_stopped(db, batch.org_id, batch.purpose, now, until=now + PAUSES_ARE_LOOKED_AT_AGAIN)
    if held is None:
        set_locked_aside(db, batch, now)
        return BatchBegun(batch, None, AnswerRecorded(is_postponed=True))
    return BatchBegun(batch, None, AnswerRecorded(held=held))


def _without_locked(db: Transaction, batch: MailBatch, work: BatchWork, now: datetime) -> BatchBegun:
    """Mails that are free leave in a batch of their own; one that may have been sent waits as a whole."""
    free = [mail.id for mail in batch.mails] if batch.attempts == 0 else []
    part = uuid4()
    if free:
        store.part_batch(db, batch.id, free, part)
    set_locked_aside(db, batch, now)
    begun = begin_batch(db, work, now, part) if free else None
    return begun or BatchBegun(batch, None, AnswerRecorded(is_postponed=True))


def _ask(db: Queryable, batch: MailBatch, now: datetime, *, repeats_unasked: bool) -> BatchBegun:
    """Not at once: a request whose answer was cut off may still be on its way."""
    if batch.last_attempt_at is not None and batch.last_attempt_at <= now < batch.last_attempt_at + LOOKED_UP_AFTER:
        return _wait(db, batch, batch.last_attempt_at + LOOKED_UP_AFTER, "the provider is asked for it soon")
    payload = store.claim_for_look_up(db, batch.id, now, claimed_until=now + _CLAIM)
    # An attempt that follows another one: no answer to it says that nothing was sent before.
    asked = replace(batch, attempts=batch.attempts + 1)
    return BatchBegun(asked, payload, looks_up=payload is not None, repeats_unasked=repeats_unasked)


def _is_kept(batch: MailBatch, policy: SendPolicy) -> bool:
    addresses = [mail.facts.address for mail in batch.mails]
    return any(address is not None and not policy.allows(address) for address in addresses)


def _wait(db: Queryable, batch: MailBatch, until: datetime, problem: str, *, held_for: str = "unclear") -> BatchBegun:
    store.postpone_batch(db, batch, not_before=until, problem=problem, held_for=held_for)
    return BatchBegun(batch, None, AnswerRecorded(is_postponed=True))


def _freeze(db: Transaction, batch: MailBatch, work: BatchWork, now: datetime) -> BatchBegun:
    """The gate, mail by mail; and from here on the bytes of those that passed."""
    judged = _judged(db, batch, work, now)
    passed = [mail for mail, verdict in judged if verdict.may_leave]
    holds: dict[_Hold, UUID] = {
        (verdict.until, verdict.reason): uuid4() for _, verdict in judged if verdict.until is not None
    }
    parts = _parts(passed, work.provider.largest_batch)
    frozen = store.freezing(
        batch.id,
        _marked(judged, holds, parts),
        _new_batches(holds, parts, now),
        now=now,
        claimed_until=now + _CLAIM,
    )
    settled = [mail.settled(verdict.fate, verdict.reason) for mail, verdict in judged if verdict.fate is not None]
    # An event says that it was sent, against what the provider had answered.
    settled += [mail.settled(Fate.SENT) for mail in batch.mails if mail.status != "queued"]
    (rows,) = db.send_all([frozen]) if settled else db.finish([frozen])
    if any(each.fate is Fate.UNKNOWN for each in settled):
        report_unknown(db, batch, CARRIED_OUT_BEFORE, now, provider=work.provider.name)
    if settled:
        work.settle(db, settled, now)
    payload = store.bytes_of(rows)
    leaving = tuple(mail for mail in passed if mail.id not in parts)
    held = sum(verdict.until is not None for _, verdict in judged)
    begun = replace(batch, mails=leaving, attempts=1, first_attempt_at=now, last_attempt_at=now)
    return BatchBegun(begun, payload, AnswerRecorded(settled, held=held))


def _judged(db: Queryable, batch: MailBatch, work: BatchWork, now: datetime) -> list[tuple[WaitingMail, GateVerdict]]:
    queued = [mail for mail in batch.mails if mail.status == "queued"]
    gate = Gate(work.policy, now, Room() if is_to_colleagues(batch.purpose) else batch.room)
    return [(mail, gate.judge(mail.facts, standing)) for mail, standing in _standings(db, queued, work, now)]


def _judged_again(db: Queryable, batch: MailBatch, work: BatchWork, now: datetime) -> list[GateVerdict]:
    """Of mails that may have left: each for itself, since room and caps count all of them already."""
    carried = [mail for mail in batch.mails if mail.status == "sending"]
    return [Gate(work.policy, now).judge(mail.facts, standing) for mail, standing in _standings(db, carried, work, now)]


def _standings(
    db: Queryable, mails: Sequence[WaitingMail], work: BatchWork, now: datetime
) -> list[tuple[WaitingMail, Standing]]:
    known = work.still_wanted(db, [mail.owned for mail in mails], now) if mails else {}
    return [(mail, known.get(mail.id) or mail.own_standing(now)) for mail in mails]


def _parts(mails: Sequence[WaitingMail], largest: int) -> dict[UUID, UUID]:
    """Mail -> its new batch, of those that are too many for one request."""
    places = enumerate(mails[largest:])
    ids: dict[int, UUID] = {}
    return {mail.id: ids.setdefault(place // largest, uuid4()) for place, mail in places}


def _new_batches(holds: Mapping[_Hold, UUID], parts: Mapping[UUID, UUID], now: datetime) -> list[dict[str, Any]]:
    """Of what is held, one for each reason and end; and of what is too much for one request."""
    held = [{"id": held, "not_before": until, "problem": reason} for (until, reason), held in holds.items()]
    divided = [
        {"id": part, "not_before": now, "problem": "too many for one request"} for part in dict.fromkeys(parts.values())
    ]
    return held + divided


def _marked(
    judged: Iterable[tuple[WaitingMail, GateVerdict]], holds: Mapping[_Hold, UUID], parts: Mapping[UUID, UUID]
) -> list[dict[str, Any]]:
    """Mails with the same record, together."""
    alike: dict[tuple[GateVerdict, UUID | None], list[UUID]] = {}
    for mail, verdict in judged:
        alike.setdefault((verdict, parts.get(mail.id)), []).append(mail.id)
    return [{"ids": ids, **_mark(verdict, holds, part)} for (verdict, part), ids in alike.items()]


def _mark(verdict: GateVerdict, holds: Mapping[_Hold, UUID], part: UUID | None) -> dict[str, Any]:
    mark: dict[str, Any] = {"reason": None, "batch_id": None, "held_for": None, "held_until": None}
    if part is not None:
        return mark | {"status": "queued", "batch_id": part}
    if verdict.until is not None:
        batch = holds[verdict.until, verdict.reason]
        return mark | {
            "status": "queued",
            "batch_id": batch,
            "held_for": verdict.reason,
            "held_until": verdict.until,
        }
    status = "sending" if verdict.fate is None else verdict.fate.value
    return mark | {"status": status, "reason": verdict.reason}
