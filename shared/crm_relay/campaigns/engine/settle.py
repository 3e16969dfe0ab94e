"""What the fate of a mail means for the step that queued it, and for whoever it was for."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from crm_relay.campaigns.decisions import ENDS_AS
from crm_relay.campaigns.engine import store
from crm_relay.campaigns.engine.outcomes import LineSettled
from crm_relay.mail.models import Fate, Settled
from crm_relay.platform.database import Queryable


def settle(db: Queryable, settled: Sequence[Settled], now: datetime) -> None:
    """One statement, in the transaction that records the fate; safe to call twice. Mail of others is left out."""
    ours = [each for each in settled if each.enrollment_id is not None and each.sequence_id is not None]
    if ours:
        store.settle(db, [(each, line_of(each)) for each in ours], now)


def settle_texts(db: Queryable, settled: Sequence[Settled], now: datetime) -> None:
    """As settle, for text messages: what keeps one of them here ends no sequence by itself."""
    ours = [each for each in settled if each.enrollment_id is not None and each.sequence_id is not None]
    if ours:
        store.settle(db, [(each, replace(line_of(each), ends_as=None)) for each in ours], now)


def line_of(settled: Settled) -> LineSettled:
    """What became of the step."""
    reason = settled.reason
    match settled.fate:
        case Fate.SENT:
            return LineSettled("sent")
        case Fate.DRY_RUN:
            # Nobody said no: this installation does not send to them.
            return LineSettled("skipped", reason or "dry_run")
        case Fate.REFUSED:
            return LineSettled("stopped", reason, ends_as=ENDS_AS.get(reason or ""))
        case Fate.FAILED:
            return LineSettled("failed", reason or "refused_by_provider", is_error=True)
        case Fate.UNKNOWN:
            # Nobody's error, and never tried again; an event may still prove that it was sent.
            return LineSettled("failed", "unknown")
