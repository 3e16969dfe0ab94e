"""What the steps of one sync run share: the connections, the limits and the report."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from crm_relay.customers.models import SyncOptions, SyncReport
from crm_relay.customers.syncing.spellings import Spellings
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database
from crm_relay.providers.mautic.client import Mautic


class RunLease(Protocol):
    """At most one writer at a time for one Mautic: crm_relay.platform.aws.lease.Lease, or a twin in tests."""

    def acquire(self) -> bool:
        """False where another run is at work."""

    def renew(self) -> None:
        """Raises TransientError where another run has taken over."""

    def release(self) -> None:
        """Let the next one in."""


@dataclass
class SyncContext:
    """One run of the sync."""

    db: Database
    mautic: Mautic
    lease: RunLease
    options: SyncOptions
    now: Clock
    deadline: Deadline
    report: SyncReport
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    spellings: Spellings = field(default_factory=Spellings)
    batches: int = 0
    batch_size: int = 0

    def __post_init__(self) -> None:
        self.batch_size = self.batch_size or self.options.batch_size

    def pause_between_batches(self) -> None:
        """Nothing before the first batch; then MAUTIC_BATCH_PAUSE_SECONDS, so that Mautic can serve others too."""
        if self.batches:
            self.sleep(self.options.pause_seconds)
        self.batches += 1
