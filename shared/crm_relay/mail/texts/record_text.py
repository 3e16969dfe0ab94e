"""Records what became of a text message, with whatever its owner does about it."""

from dataclasses import dataclass
from datetime import datetime

from crm_relay.consent.models import ConsentChannel, ConsentEvent, ConsentKind
from crm_relay.consent.record import record_events
from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import close_incidents, open_incidents
from crm_relay.mail.models import Fate, Settle, Settled
from crm_relay.mail.sending.gate import GateVerdict
from crm_relay.mail.texts import store
from crm_relay.mail.texts.models import QueuedText
from crm_relay.platform.database import Database, Transaction

CONFIGURATION, UNKNOWN = "sms_configuration", "sms_unknown"
_TITLES = {
    CONFIGURATION: "Text messages cannot be sent until the account's settings are changed",
    UNKNOWN: "Text message(s) of which nobody knows whether they were sent: never sent again, look at the account",
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

    @property
    def status(self) -> str:
        """As the ledger has it."""
        if self.verdict.fate is not None:
            return _STATUS[self.verdict.fate]
        return "sending" if self.is_unclear else "queued"


def record_outcome(
    db: Database, queued: QueuedText, outcome: TextOutcome, settle: Settle, now: datetime, *, provider: str
) -> None:
    """One transaction. `provider` is the provider's name, which consent and incidents carry."""
    db.transact(lambda tx: _record(tx, queued, outcome, settle, now, provider))


def _record(
    tx: Transaction, queued: QueuedText, outcome: TextOutcome, settle: Settle, now: datetime, provider: str
) -> None:
    fate, reason = outcome.verdict.fate, outcome.verdict.reason
    store.record_text(
        tx, queued.id, now, status=outcome.status, reason=reason, sid=outcome.sid, not_before=outcome.verdict.until
    )
    if fate is not None:
        settle(tx, [Settled(queued.id, fate, reason, queued.enrollment_id, queued.sequence_id)], now)
    if reason == "sms_opt_out" and not queued.is_suppressed and queued.to_number is not None:
        record_events(tx, [_opt_out(queued, queued.to_number, now, provider)])
    if outcome.incident is not None:
        subject = str(queued.id) if outcome.incident == UNKNOWN else provider
        open_incidents(tx, [Incident(outcome.incident, subject, _TITLES[outcome.incident])], now)
    elif fate is Fate.SENT:
        close_incidents(tx, CONFIGURATION, [provider], now)


def _opt_out(queued: QueuedText, number: str, now: datetime, provider: str) -> ConsentEvent:
    return ConsentEvent(
        ConsentKind.OPT_OUT, number, provider, now, ConsentChannel.SMS, str(queued.id), org_id=queued.org_id
    )
