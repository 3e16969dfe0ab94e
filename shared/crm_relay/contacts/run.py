"""What the steps of one sync run share: the connections, the limits and the report."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from crm_relay.contacts.models import Options, Report
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.errors import TransientError
from crm_relay.providers.mautic.client import Mautic

_MOST_SERVER_FAILURES = 3


class RunLease(Protocol):
    """At most one writer at a time for one Mautic: crm_relay.platform.lease.Lease, or a twin in tests."""

    def acquire(self) -> bool:
        """False where another run is at work."""

    def renew(self) -> None:
        """Raises TransientError where another run has taken over."""

    def release(self) -> None:
        """Let the next one in."""


@dataclass
class Run:
    """One run of the sync."""

    db: Database
    mautic: Mautic
    lease: RunLease
    options: Options
    now: Clock
    deadline: Deadline
    report: Report
    sleep: Callable[[float], None] = time.sleep
    batches: int = 0
    server_failures: int = 0

    def pause_between_batches(self) -> None:
        """Nothing before the first batch; then MAUTIC_BATCH_PAUSE_SECONDS, so that Mautic can serve others too."""
        if self.batches:
            self.sleep(self.options.pause_seconds)
        self.batches += 1

    def note_server_failure(self) -> None:
        """A batch was put off. Raises TransientError when Mautic has failed so often that the run is of no use."""
        self.server_failures += 1
        if self.server_failures >= _MOST_SERVER_FAILURES:
            raise TransientError("Mautic fails again and again")
