"""The simulated Resend account on a port, as tests and the local stack use it."""

from __future__ import annotations

import threading
from typing import Self

from local.simulators.clock import MovableClock
from local.simulators.http_server import Incoming, Outgoing, ServedSimulator
from local.simulators.resend import control
from local.simulators.resend.simulated_resend import SimulatedResend
from local.simulators.resend.wire import ResendRequest

_LIVE_PAUSE = 0.05


class ResendSimulator(SimulatedResend, ServedSimulator):
    """`live`: webhooks leave by themselves and are tried again; else on `flush` and `deliver` only."""

    def __init__(
        self,
        port: int = 0,
        *,
        clock: MovableClock | None = None,
        requests_per_second: int | None = 5,
        live: bool = False,
    ) -> None:
        super().__init__(clock, requests_per_second)
        ServedSimulator.__init__(self, port)
        self._live = live
        self._stopped = threading.Event()
        self._postman: threading.Thread | None = None

    def start(self) -> Self:
        super().start()
        self._stopped.clear()
        if self._live:
            self._postman = threading.Thread(target=self._flush_until_stopped, daemon=True)
            self._postman.start()
        return self

    def stop(self) -> None:
        self._stopped.set()
        self.faults.release()
        if self._postman is not None:
            self._postman.join(self.webhooks.timeout)
            self._postman = None
        super().stop()

    def answer(self, incoming: Incoming) -> Outgoing:
        request = ResendRequest(**vars(incoming))
        controls = request.path.startswith("/_simulator/")
        return (control.answer(self, request) if controls else self.gate.pass_through(request)).outgoing()

    def _flush_until_stopped(self) -> None:
        while not self._stopped.wait(_LIVE_PAUSE):
            self.webhooks.flush()
