"""The simulated Gmail on a port, as tests and the local stack use it."""

from __future__ import annotations

from local.simulators.clock import MovableClock
from local.simulators.gmail import control
from local.simulators.gmail.simulated_gmail import SimulatedGmail
from local.simulators.gmail.wire import GmailRequest
from local.simulators.http_server import Incoming, Outgoing, ServedSimulator


class GmailSimulator(SimulatedGmail, ServedSimulator):
    """The API is under `/gmail/v1`, consent is `/o/oauth2/v2/auth`, tokens are `/token`, on the same address."""

    def __init__(
        self, port: int = 0, *, clock: MovableClock | None = None, units_per_minute: int | None = 15_000
    ) -> None:
        super().__init__(clock, units_per_minute)
        ServedSimulator.__init__(self, port)

    def stop(self) -> None:
        self.faults.release()
        super().stop()

    def answer(self, incoming: Incoming) -> Outgoing:
        request = GmailRequest(**vars(incoming))
        controls = request.path.startswith("/_simulator/")
        return (control.answer(self, request) if controls else self.gate.pass_through(request)).outgoing()
