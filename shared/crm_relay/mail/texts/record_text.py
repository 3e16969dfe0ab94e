"""Records what became of a text message, with whatever its owner does about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.consent.models import ConsentChannel, ConsentEvent, ConsentKind
from crm_relay.consent.record import record_events
from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import close_free_incidents, open_incidents
from crm_relay.mail.models import Fate, Settle, Settled
from crm_relay.mail.sending.gate import GateVerdict
from crm_relay.mail.texts import store
from crm_relay.mail.texts.models import QueuedText
from crm_relay.platform.database import Database, Queryable, Transaction
from crm_relay.platform.errors import OF_ONE_ROW, describe_error
from crm_relay.platform.logging import logger

CONFIGURATION, UNKNOWN, REST = "sms_configuration", "sms_unknown", "sms_rest"
REFUSED = "sms_refused"
_TITLES = {
    CONFIGURATION: "Text messages cannot be sent until the account's settings are changed",
    REST: "The provider of text messages asks for a rest of more than an hour: it is asked again every hour",
    REFUSED: "Text message(s) that cannot be worked on: they wait, and the others go on",
    UNKNOWN: "Text message(s) whose outcome is unknown: never sent again, look at the account",
}
# The ledger of text messages has no word of its own for what the mode keeps here.
_STATUS = {
    Fate.SENT: "sent",
    Fate.DRY_RUN: "refused",
    Fate.REFUSED: "refused",
    Fate.FAILED: "failed",
    Fate.UNKNOWN: "unknown",
}


@dataclass(frozen=True)
class TextOutcome:
    """How the message goes on: its fate, or when it is tried again. `is_unclear`: it may have been sent.

    `stops`: nothing more is asked in this run. `incident`: the kind of the one that somebody has to hear of.
    """

    verdict: GateVerdict
    sid: str | None = None
    is_unclear: bool = False
    stops: bool = False
    incident: str | None = None
    held_by: str | None = None

    @property
    def held_for(self) -> str | None:
        """The word of mail/reasons.py; `held_by` where the verdict's reason is the provider's text."""
        return self.held_by or self.verdict.reason

    def status(self, queued: QueuedText) -> str:
        """As the ledger has it. An attempt before this one may have been sent, whatever becomes of this one."""
        if self.verdict.fate is not None:
            return _STATUS[self.verdict.fate]
        return "sending" if self.is_unclear or queued.attempts > 1 else "queued"


def record_outcome(
    db: Database, queued: QueuedText, outcome: TextOutcome, settle: Settle, now: datetime, *, provider: str
) -> None:
    """One transaction. `provider` is the provider's name, which consent and incidents carry."""
    db.transact(lambda tx: _record(tx, queued, outcome, settle, now, provider))


def park_refused(
    db: Database, queued: QueuedText, error: Exception, settle: Settle, now: datetime, *, provider: str
) -> TextOutcome:
    """The database refuses to record what became of a message: it alone is parked, with an incident."""
    logger().error("a text message cannot be recorded", send_id=str(queued.id), reason=describe_error(error))
    outcome = TextOutcome(GateVerdict(Fate.UNKNOWN, reason="unknown"), incident=UNKNOWN)
    try:
        record_outcome(db, queued, outcome, settle, now, provider=provider)
    except OF_ONE_ROW:
        record_outcome(db, queued, outcome, _nobody_hears, now, provider=provider)
    return outcome


def close_settled(db: Database, now: datetime) -> None:
    """Settings that nothing waits for any more are nobody's trouble."""
    if subjects := store.waited_in_vain(db, CONFIGURATION):
        db.transact(lambda tx: close_free_incidents(tx, CONFIGURATION, subjects, now))


def set_aside(db: Queryable, message_id: UUID, why: Exception, now: datetime) -> None:
    """It cannot be worked on: the open incident keeps it out of the claims, until it is taken by its id again."""
    problem = describe_error(why)
    logger().error("a text message is set aside", send_id=str(message_id), reason=problem)
    incident = Incident(REFUSED, str(message_id), _TITLES[REFUSED], details={"problem": problem})
    open_incidents(db, [incident], now)


def goes_on(db: Queryable, message_id: UUID, now: datetime) -> None:
    """It can be worked on again."""
    close_free_incidents(db, REFUSED, [str(message_id)], now)


def _nobody_hears(_db: Transaction, _settled: Sequence[Settled], _now: datetime) -> None:
    """Its owner refuses what became of it."""


def _record(
    tx: Transaction, queued: QueuedText, outcome: TextOutcome, settle: Settle, now: datetime, provider: str
) -> None:
    fate, reason = outcome.verdict.fate, outcome.verdict.reason
    is_ours = store.record_text(
        tx,
        queued,
        now,
        status=outcome.status(queued),
        reason=reason,
        sid=outcome.sid,
        not_before=outcome.verdict.until,
        held_for=outcome.held_for if fate is None else None,
    )
    if not is_ours:
        logger().warning("somebody else carries a text message on", send_id=str(queued.id))
        return
    if fate is not None:
        owned = queued.owned
        settle(tx, [Settled(queued.id, fate, reason, owned.entity_type, owned.entity_id, owned.sequence_id)], now)
    if reason == "sms_opt_out" and not queued.is_suppressed and queued.to_number is not None:
        record_events(tx, [_opt_out(queued, queued.to_number, now, provider)])
    if outcome.incident is not None:
        subject = str(queued.id) if outcome.incident == UNKNOWN else provider
        open_incidents(tx, [Incident(outcome.incident, subject, _TITLES[outcome.incident])], now)
    elif fate is Fate.SENT:
        for kind in (CONFIGURATION, REST):
            close_free_incidents(tx, kind, [provider], now)


def _opt_out(queued: QueuedText, number: str, now: datetime, provider: str) -> ConsentEvent:
    return ConsentEvent(
        ConsentKind.OPT_OUT, number, provider, now, ConsentChannel.SMS, str(queued.id), org_id=queued.org_id
    )
