"""The simulated Airtable account on a port, as tests and the local stack use it."""

from __future__ import annotations

from local.simulators.airtable import control
from local.simulators.airtable.simulated_airtable import SimulatedAirtable
from local.simulators.airtable.wire import AirtableRequest
from local.simulators.clock import MovableClock
from local.simulators.http_server import Incoming, Outgoing, ServedSimulator


class AirtableSimulator(SimulatedAirtable, ServedSimulator):
    """The API is under `/v0`, consent and tokens are under `/oauth2/v1`, on the same address."""

    def __init__(
        self, port: int = 0, *, clock: MovableClock | None = None, requests_per_second: int | None = 5
    ) -> None:
        super().__init__(clock, requests_per_second)
        ServedSimulator.__init__(self, port)

    def stop(self) -> None:
        self.faults.release()
        super().stop()

    def answer(self, incoming: Incoming) -> Outgoing:
        request = AirtableRequest(**vars(incoming))
        controls = request.path.startswith("/_simulator/")
        return (control.answer(self, request) if controls else self.gate.pass_through(request)).outgoing()
