"""The parts of one simulated instance that handlers and actions share."""

from __future__ import annotations

from local.simulators.bison.state import BisonState, SimulatedAccount
from local.simulators.bison.webhooks.delivery import BisonWebhooks
from local.simulators.bison.webhooks.events import EVENTS, EventOptions, EventSubject


class BisonContext:
    """State and webhooks; what changes a counter holds the lock, what sends does not."""

    def __init__(self, bison: BisonState, webhooks: BisonWebhooks) -> None:
        self.bison = bison
        self.webhooks = webhooks

    def fire(self, workspace_id: int, event: str, subject: EventSubject, options: EventOptions | None = None) -> None:
        with self.bison.lock:
            data = subject.data(event)
        self.webhooks.publish(workspace_id, event, data, options or EventOptions())

    def fire_for(
        self, account: SimulatedAccount, event: str, options: EventOptions | None = None, status: str | None = None
    ) -> None:
        """An event whose `data` is the account alone."""
        if EVENTS[event] != ("sender_email",):
            raise ValueError(f"{event} is not about an account alone")
        self.fire(account.workspace_id, event, EventSubject(account, status=status), options)
