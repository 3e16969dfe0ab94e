"""A simulated EmailBison instance without its server: what a test, an owner and a recipient can see and do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from local.simulators.bison.actions.account_actions import AccountActions
from local.simulators.bison.actions.mail_actions import MailActions
from local.simulators.bison.api import hooks
from local.simulators.bison.http.faults import BisonFault, BisonFaults, TooMany
from local.simulators.bison.http.gate import BisonExchange, BisonGate
from local.simulators.bison.state import BisonHook, BisonState, SimulatedAccount, SimulatedWorkspace, utc_now
from local.simulators.bison.webhooks.delivery import BisonWebhooks, HookDelivery
from local.simulators.bison.webhooks.events import EVENTS, EventOptions
from local.simulators.bison.wire import Json


class SimulatedBison(MailActions, AccountActions):
    """`now` moves in whole seconds, as Bison's times do: two changes within one second bear the same `updated_at`."""

    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        bison = BisonState(now)
        super().__init__(bison, BisonWebhooks(bison, ""))
        self.faults = BisonFaults()
        self.gate = BisonGate(self, self.faults)
        self.super_admin_token = bison.new_token(None)

    # --- looking --------------------------------------------------------------------------------------------------

    @property
    def requests(self) -> Counter[str]:
        """Route, such as `GET /api/sender-emails/{id}` -> how often it was called, refused calls included."""
        return self.gate.requests

    @property
    def exchanges(self) -> list[BisonExchange]:
        return list(self.gate.exchanges)

    @property
    def deliveries(self) -> list[HookDelivery]:
        """Every attempt of every webhook, in order."""
        return list(self.webhooks.deliveries)

    def accounts_of(self, workspace: SimulatedWorkspace) -> list[SimulatedAccount]:
        return self.bison.accounts_of(workspace.id)

    def forget_requests(self) -> None:
        self.gate.forget()

    # --- switches -------------------------------------------------------------------------------------------------

    def switch(
        self,
        *,
        delivery_log: bool | None = None,
        newest_first: bool | None = None,
        vendor_samples: bool | None = None,
        timeout: float | None = None,
        attempts: int | None = None,
    ) -> None:
        """Only what is named changes. `delivery_log`: GET /api/events is there. `newest_first`: the order of the
        accounts. `vendor_samples`: samples name workspace 1 of another instance. `timeout` in seconds and `attempts`
        are those of webhooks.
        """
        wanted = {"delivery_log": delivery_log, "newest_first": newest_first, "vendor_samples": vendor_samples}
        for name, value in wanted.items():
            if value is not None:
                setattr(self.bison, name, value)
        self.webhooks.timeout = self.webhooks.timeout if timeout is None else timeout
        self.webhooks.attempts = self.webhooks.attempts if attempts is None else attempts

    def before_page(self, call: Callable[[int], None] | None) -> None:
        """`call(n)` runs before page n of the accounts is read, no matter who asks; None ends it."""
        self.bison.before_page = call

    def fault(self, match: str, kind: str, **details: Any) -> None:
        self.faults.add(BisonFault(match=match, kind=kind, **details))  # type: ignore[arg-type]

    def too_many(self, **details: Any) -> None:
        """`every=n`, or `calls=n, seconds=s`; also `retry_after` and `form`. Without details the limit is lifted."""
        self.faults.limit(TooMany(**details) if details else None)

    # --- as an owner ----------------------------------------------------------------------------------------------

    def workspace(self, name: str) -> SimulatedWorkspace:
        """The super-admin is switched to the first one."""
        with self.bison.lock:
            number = self.bison.next_id("workspace")
            made = SimulatedWorkspace(number, name, self.bison.new_token(number), self.bison.now())
            self.bison.workspaces[number] = made
            self.bison.current_workspace_id = self.bison.current_workspace_id or number
        return made

    def revoke(self, token: str) -> None:
        with self.bison.lock:
            self.bison.tokens.pop(token, None)

    def hook(self, workspace: SimulatedWorkspace, url: str, events: Iterable[str] | None = None) -> BisonHook:
        """For every event where none are named."""
        return hooks.create(self, workspace.id, "CRM Relay", url, EVENTS if events is None else events)

    def unknown_event(
        self,
        workspace: SimulatedWorkspace,
        event: str = "mailbox_teleported",
        data: Json | None = None,
        *,
        options: EventOptions | None = None,
    ) -> None:
        """An event that no document names; it goes to every hook of the workspace."""
        if event in EVENTS:
            raise ValueError(f"{event} is a known event")
        self.webhooks.publish(workspace.id, event, data or {"mailbox": {"id": 1}}, options or EventOptions())

    def redeliver(self, delivery: HookDelivery, times: int = 1, *, reserialised: bool = False) -> list[HookDelivery]:
        """The same body again; `reserialised`: the same values in other bytes."""
        return self.webhooks.redeliver(delivery, times, reserialised=reserialised)
