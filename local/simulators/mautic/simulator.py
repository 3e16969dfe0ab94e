"""The simulated Mautic on a port, as tests and the local stack use it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Self

from local.simulators.http_server import Incoming, Outgoing, ServedSimulator
from local.simulators.mautic import control
from local.simulators.mautic.http.server import served
from local.simulators.mautic.simulated_mautic import SimulatedMautic
from local.simulators.mautic.state import utc_now
from local.simulators.mautic.wire import MauticRequest, MauticResponse


class MauticSimulator(SimulatedMautic, ServedSimulator):
    def __init__(
        self,
        port: int = 0,
        client_id: str = "crm-relay",
        client_secret: str = "simulator-secret",  # noqa: S107 - it protects nothing
        *,
        prepared: bool = True,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        super().__init__(client_id, client_secret, prepared=prepared, now=now)
        ServedSimulator.__init__(self, port)

    def start(self) -> Self:
        super().start()
        self.webhooks.origin = self.url
        return self

    def answer(self, incoming: Incoming) -> Outgoing:
        return served(incoming, self._answer)

    def _answer(self, request: MauticRequest) -> MauticResponse:
        if request.path.startswith("/_simulator/"):
            return control.answer(self, request)
        return self.gate.pass_through(request)
