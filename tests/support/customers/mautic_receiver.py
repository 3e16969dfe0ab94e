"""Our end of Mautic's webhook without HTTP: deliveries are kept and applied as the function would, or not."""

import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from crm_relay.platform.database import Database
from crm_relay.sources.mautic import MAUTIC
from crm_relay.webhooks.models import Delivered
from crm_relay.webhooks.receive import apply_stored
from local.simulators.mautic.state import SimulatedHook
from local.simulators.mautic.wire import php_json
from tests.support.customers.mautic_harness import MauticHarness


@dataclass
class MauticReceiver:
    """`send` takes the place of the simulator's. `status` is what Mautic sees; only with 200 the delivery is kept.

    While it `holds_back`, deliveries wait as they would in the deferred queue: Mautic sees 200 for them. `db` is a
    connection of its own where Mautic calls from other threads.
    """

    harness: MauticHarness
    db: Database | None = None
    status: int = 200
    holds_back: bool = False
    waiting: list[tuple[bytes, datetime]] = field(default_factory=list)
    seen: list[tuple[bytes, datetime]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def send(self, hook: SimulatedHook, body: Any) -> int:
        """One delivery of Mautic's."""
        del hook
        if self.status != 200:
            self.lost.append(", ".join(body))
            return self.status
        arrived = php_json(body), self.harness.now
        self.seen.append(arrived)
        if self.holds_back:
            self.waiting.append(arrived)
        else:
            self.apply(*arrived)
        return 200

    def apply(self, raw: bytes, at: datetime) -> None:
        """Keep it and apply it in one transaction; nothing happens where it was applied before."""
        with self.guard:
            apply_stored(self.db or self.harness.db, MAUTIC, Delivered("mautic", raw, at, {}))

    def catch_up(self) -> None:
        """What waited arrives, the latest first."""
        while self.waiting:
            self.apply(*self.waiting.pop())

    def again(self, which: int) -> None:
        """A delivery of before once more, in a body of its own, as if it had come in other company."""
        if self.seen:
            raw, at = self.seen[which % len(self.seen)]
            self.apply(raw + b" ", at)
