"""What follows a step that failed: a repetition after a pause, or the end of the run; pure."""

from datetime import datetime, timedelta

from crm_relay.platform.errors import TransientError

BACK_OFF = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=25))
"""Before the first, second and third repetition; further ones wait as long as the last."""


def retry_at(error: Exception, retries: int, most: int, now: datetime) -> datetime | None:
    """When the step is tried again; None: never, since trying again would not help, or was tried often enough."""
    if not isinstance(error, TransientError) or retries >= most:
        return None
    return now + BACK_OFF[min(retries, len(BACK_OFF) - 1)]
