"""A simulated Resend account without its server: what a test, an owner and a recipient can see and do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from local.simulators.clock import MovableClock
from local.simulators.resend.actions import Actions
from local.simulators.resend.api import hooks
from local.simulators.resend.api.hooks import EVENTS
from local.simulators.resend.api.sending import BatchSending
from local.simulators.resend.http.faults import ResendFault, ResendFaults, SimulatedRateLimit
from local.simulators.resend.http.gate import ResendGate
from local.simulators.resend.state import ResendAccount, ResendHook, SimulatedMail, bare
from local.simulators.resend.webhooks.delivery import Attempt, HookMessage
from local.simulators.switches import CountedCalls, HeldRequests


class SimulatedResend(Actions, CountedCalls, HeldRequests):
    def __init__(self, clock: MovableClock | None, requests_per_second: int | None) -> None:
        super().__init__(ResendAccount(clock or MovableClock()))
        self.faults = ResendFaults()
        self.limit = SimulatedRateLimit(requests_per_second)
        self.gate = ResendGate(self.account, BatchSending(self.account, self.webhooks), self.faults, self.limit)

    # --- looking --------------------------------------------------------------------------------------------------

    @property
    def api_key(self) -> str:
        """One that may do everything."""
        return next(iter(self.account.full_access_keys))

    @property
    def sending_key(self) -> str:
        """One that may only send."""
        return next(iter(self.account.sending_keys))

    @property
    def mails(self) -> list[SimulatedMail]:
        """The ledger: every mail that was accepted, in order."""
        with self.account.lock:
            return list(self.account.mails.values())

    @property
    def sends(self) -> Counter[str]:
        """Bare address -> how many mails it got. One that was suppressed got none."""
        return Counter(address for mail in self.mails if mail.suppressed is None for address in mail.recipients)

    def mails_to(self, address: str) -> list[SimulatedMail]:
        return [mail for mail in self.mails if bare(address) in mail.recipients]

    @property
    def messages(self) -> list[HookMessage]:
        """Every event, in order, whether or not it was delivered."""
        with self.account.lock:
            return list(self.webhooks.messages)

    @property
    def pending(self) -> list[HookMessage]:
        """Those that some webhook has not taken yet, and is still tried."""
        return [message for message in self.messages if message.due]

    @property
    def attempts(self) -> list[Attempt]:
        with self.account.lock:
            return list(self.webhooks.attempts)

    # --- webhooks -------------------------------------------------------------------------------------------------

    def hook(self, url: str, events: Iterable[str] | None = None, *, secret: str | None = None) -> ResendHook:
        """For every event where none are named; `secret` of it signs, made up where none is given."""
        return hooks.create(self.account, url, sorted(EVENTS) if events is None else events, secret=secret)

    def flush(self) -> list[Attempt]:
        """Everything that is due by now, once each, oldest first."""
        return self.webhooks.flush()

    def deliver(self, messages: Iterable[HookMessage]) -> list[Attempt]:
        """Just these, in this order, as often as they stand there; a second time is a replay."""
        return self.webhooks.deliver(messages)

    # --- switches -------------------------------------------------------------------------------------------------

    def fault(self, kind: str, match: str = "POST /emails", **details: Any) -> None:
        """Of the next request that `match` is in; `times` and so on as in Fault."""
        self.faults.add(ResendFault(match=match, kind=kind, **details))  # type: ignore[arg-type]

    def advance(self, seconds: float) -> None:
        self.account.clock.advance(seconds)

    def switch(self, **wanted: Any) -> None:
        """Only what is named changes: requests_per_second, permissive_is_known, daily_quota, monthly_quota (None: no
        limit), and verified_domains (None: all).
        """
        if "requests_per_second" in wanted:
            self.limit.calls = wanted.pop("requests_per_second")
        domains = wanted.get("verified_domains")
        if domains is not None:
            wanted["verified_domains"] = set(domains)
        for name, value in wanted.items():
            if name not in {"permissive_is_known", "daily_quota", "monthly_quota", "verified_domains"}:
                raise ValueError(f"no such switch: {name}")
            setattr(self.account, name, value)
