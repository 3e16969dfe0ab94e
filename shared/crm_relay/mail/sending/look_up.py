"""Asks the provider what it has of a batch whose answer was lost: what it has not may leave under a new key."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from crm_relay.mail.models import Settle
from crm_relay.mail.sending import store
from crm_relay.mail.sending.record_answer import AnswerRecorded, accept, report_parked
from crm_relay.mail.sending.repeat import ASKED_AGAIN_AFTER, KEY_LIVES, evidence_until
from crm_relay.mail.sending.waiting import MailBatch
from crm_relay.platform.database import Transaction
from crm_relay.platform.errors import FatalError, RejectedInput, TransientError
from crm_relay.platform.logging import logger
from crm_relay.providers.email import EmailProvider, LooksUpMail

_GIVEN_UP_AFTER = 2 * KEY_LIVES


@dataclass(frozen=True)
class LookedUp:
    """`ids`: the provider's id of each mail of the batch; None: it could not be asked, or `never` can be."""

    batch: MailBatch
    ids: Sequence[str | None] | None = None
    never: bool = False

    @property
    def is_taken(self) -> bool:
        """It has a part, and still knows the key: the same request brings the ids of the others, and sends nothing."""
        known = [each is not None for each in self.ids or ()]
        # Of mails that left before the part may be that of the earlier request.
        return any(known) and not all(known) and self.batch.age < KEY_LIVES and not self.batch.was_lost


def look_up(provider: EmailProvider, batch: MailBatch, payload: bytes) -> LookedUp:
    """One look; never raises what the provider raises."""
    if not isinstance(provider, LooksUpMail) or batch.first_attempt_at is None:
        return LookedUp(batch, never=True)
    try:
        return LookedUp(batch, provider.find_sent(payload, batch.first_attempt_at))
    except TransientError as error:
        logger().warning("a batch could not be looked up", batch=str(batch.id), reason=str(error))
        return LookedUp(batch)
    except (FatalError, RejectedInput) as error:
        logger().warning("a batch cannot be looked up", batch=str(batch.id), reason=str(error))
        return LookedUp(batch, never=True)


def record_look_up(
    db: Transaction, batch: MailBatch, found: LookedUp, settle: Settle, now: datetime, *, provider: str
) -> AnswerRecorded:
    """What it has was sent. What it has not surely was not: the gate decides about it again, under a new key."""
    if found.ids is None:
        return _not_asked(db, batch, found, settle, now, provider)
    ids = dict(zip((mail.id for mail in batch.mails), found.ids, strict=True))
    has = {mail: provider_id for mail, provider_id in ids.items() if provider_id is not None}
    if len(has) == len(ids):
        results: list[dict[str, object]] = [
            {"id": mail, store.PROVIDER_ID: provider_id, "problem": None} for mail, provider_id in has.items()
        ]
        return accept(db, batch, results, settle, now, provider=provider)
    # An event outweighs a list that shows nothing: the batch is one request.
    if not has and not any(mail.is_seen for mail in batch.mails):
        if (
            batch.last_attempt_at is not None
            and batch.last_attempt_at <= now < batch.last_attempt_at + ASKED_AGAIN_AFTER
        ):
            until, problem = now + ASKED_AGAIN_AFTER, "the provider does not show it yet"
            store.postpone_batch(db, batch, not_before=until, problem=problem, held_for="unclear")
            return AnswerRecorded(is_postponed=True)
        logger().info("the provider has nothing of a batch", batch=str(batch.id))
        store.requeue_lost(db, batch, now, problem="the provider does not have it")
        return AnswerRecorded()
    store.note_found(db, batch.id, has, now)
    return AnswerRecorded(report_parked(db, batch, "the provider has a part of it", settle, now, provider=provider))


def _not_asked(
    db: Transaction, batch: MailBatch, found: LookedUp, settle: Settle, now: datetime, provider: str
) -> AnswerRecorded:
    if batch.age >= (KEY_LIVES if found.never else _GIVEN_UP_AFTER):
        return AnswerRecorded(report_parked(db, batch, "not known in time", settle, now, provider=provider))
    until = evidence_until(batch.first_attempt_at or now, now)
    store.postpone_batch(db, batch, not_before=until, problem="the provider cannot be asked", held_for="unclear")
    return AnswerRecorded(is_postponed=True)
