"""The gate of text messages at the moment of sending, with the verdict that e-mail has too; pure."""

from datetime import datetime, timedelta

from crm_relay.mail.models import Fate, SendPolicy
from crm_relay.mail.sending.gate import KEPT_BY, GateVerdict
from crm_relay.mail.texts.models import QueuedText
from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.send_windows import is_open, next_open

_PAUSES_ARE_LOOKED_AT_AGAIN = timedelta(minutes=15)
# Written by hand and no window: it concerns nobody else's messages.
_NO_WINDOW = (RejectedInput, ValueError, LookupError, TypeError, ArithmeticError)


def judge_text(text: QueuedText, policy: SendPolicy, now: datetime) -> GateVerdict:
    """Whether a message that surely was not sent may leave now."""
    if text.to_number is None or text.body is None:
        return GateVerdict(Fate.REFUSED, reason="erased")
    if text.is_suppressed:
        return GateVerdict(Fate.REFUSED, reason="sms_opt_out")
    if text.ended_by is not None:
        return GateVerdict(Fate.REFUSED, reason=text.ended_by)
    if not policy.allows(text.to_number):
        return GateVerdict(Fate.DRY_RUN, reason=KEPT_BY[policy.mode])
    if text.is_campaign_paused:
        return GateVerdict(until=now + _PAUSES_ARE_LOOKED_AT_AGAIN, reason="campaign_paused")
    return _in_its_window(text, now)


def _in_its_window(text: QueuedText, now: datetime) -> GateVerdict:
    try:
        window = text.window
    except _NO_WINDOW:
        return GateVerdict(until=now + _PAUSES_ARE_LOOKED_AT_AGAIN, reason="no_window")
    return GateVerdict() if is_open(window, now) else GateVerdict(until=next_open(window, now), reason="window")
