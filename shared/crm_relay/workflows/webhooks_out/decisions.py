"""What an attempt means for a webhook and for its host; pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from crm_relay.platform.errors import NotConnected, RejectedInput, TransientError, describe_error
from crm_relay.platform.http.guarded.exchange import (
    OutgoingAnswer,
    TargetNotConnected,
    TargetRefused,
    TargetSilent,
)
from crm_relay.workflows.webhooks_out.models import HostState, WebhookOutcome
from crm_relay.workflows.webhooks_out.references import SecretMissing

PAUSES = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=25),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(hours=12),
    timedelta(hours=24),
)
"""Before each further attempt; behind the last one a webhook has failed."""

MOST_ATTEMPTS = len(PAUSES) + 1
LONGEST_RETRY_AFTER = timedelta(hours=1)
PATIENCE = timedelta(days=3)
"""How long a webhook waits for a host that never answers."""

OPEN_AFTER = 5
"""Failures in a row, behind which a host rests."""

_FIRST_REST, _LONGEST_REST = timedelta(minutes=1), timedelta(hours=1)
_TRY_AGAIN = frozenset({408, 425, 429})
_ASKS_FOR_REST = frozenset({429, 503})
# A worker that dies records nothing, and its attempt counts all the same.
_MOST_UNRECORDED = 3


EXPIRED = WebhookOutcome("failed", "expired")
"""Of a webhook whose host has not answered for as long as it is tried."""


def decide_before(attempts: int) -> WebhookOutcome | None:
    """What has failed already, so that nothing is sent; None: it is sent."""
    if attempts > MOST_ATTEMPTS + _MOST_UNRECORDED:
        return WebhookOutcome("failed", "worker_lost")
    return None


def decide_answer(answer: OutgoingAnswer, attempts: int, now: datetime) -> WebhookOutcome:
    """By the status alone."""
    status, reason = answer.status, f"status_{answer.status}"
    if 200 <= status < 300:
        return WebhookOutcome("delivered", None, status, host_failed=False)
    if status < 500 and status not in _TRY_AGAIN:
        return WebhookOutcome("failed", "gone" if status == 410 else reason, status, host_failed=False)
    asked = retry_after(answer.headers.get("retry-after"), now)
    again = _again(reason, attempts, at_least=asked)
    rest = asked if status in _ASKS_FOR_REST else None
    # Who asks for patience is there.
    return replace(again, status_code=status, host_failed=status >= 500 and rest is None, rest=rest)


def decide_error(error: Exception, attempts: int) -> WebhookOutcome:
    """No answer: an unclear outcome is repeated, since the receiver knows the webhook by its id."""
    match error:
        case SecretMissing():
            return WebhookOutcome("failed", "secret_missing", missing_secret=error.name)
        case TargetRefused():
            return WebhookOutcome("failed", f"refused_{error.reason}")
        case RejectedInput():
            return WebhookOutcome("failed", describe_error(error)[:200])
        case TargetNotConnected() | TargetSilent():
            return replace(_again(error.reason, attempts), host_failed=True)
        case TransientError():
            reason = "not_connected" if isinstance(error, NotConnected) else "no_answer"
            return replace(_again(reason, attempts), host_failed=True)
        case _:
            return WebhookOutcome("failed", f"cannot_be_sent: {type(error).__name__}")


def _again(reason: str, attempts: int, *, at_least: timedelta | None = None) -> WebhookOutcome:
    if attempts >= MOST_ATTEMPTS:
        return WebhookOutcome("failed", reason)
    pause = PAUSES[max(attempts, 1) - 1]
    return WebhookOutcome("waiting", reason, retry_in=max(pause, at_least or pause))


def retry_after(header: str | None, now: datetime) -> timedelta | None:
    """In seconds or as a date (RFC 9110, 10.2.3), at most an hour; None where nothing usable is said."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdecimal():
        seconds = float(text[:9])
    else:
        try:
            moment = parsedate_to_datetime(text)
            seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()
        except (ValueError, OverflowError):
            return None
    return min(timedelta(seconds=seconds), LONGEST_RETRY_AFTER) if seconds > 0 else None


def decide_host(before: HostState, outcomes: Sequence[WebhookOutcome], now: datetime) -> HostState:
    """What outcomes of about the same time say of their host. One that answers is back, whatever else happened."""
    failed = sum(outcome.host_failed is True for outcome in outcomes)
    has_answered = any(outcome.host_failed is False for outcome in outcomes)
    rests = [now + outcome.rest for outcome in outcomes if outcome.rest is not None]
    if has_answered:
        return HostState(0, max(rests, default=None))
    if not failed:
        return before
    failures = before.failures + failed
    if failures >= OPEN_AFTER:
        rests.append(now + min(_FIRST_REST * 2 ** min(failures - OPEN_AFTER, 10), _LONGEST_REST))
    return HostState(failures, max(rests, default=None))
