"""The simulated EmailBison instance on a port, as tests and the local stack use it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Self

from local.simulators.bison import control
from local.simulators.bison.simulated_bison import SimulatedBison
from local.simulators.bison.state import utc_now
from local.simulators.bison.wire import BisonRequest
from local.simulators.http_server import Incoming, Outgoing, ServedSimulator


class BisonSimulator(SimulatedBison, ServedSimulator):
    def __init__(self, port: int = 0, *, now: Callable[[], datetime] = utc_now) -> None:
        super().__init__(now)
        ServedSimulator.__init__(self, port)

    def start(self) -> Self:
        super().start()
        self.webhooks.instance_url = self.webhooks.instance_url or self.url
        return self

    def answer(self, incoming: Incoming) -> Outgoing:
        request = BisonRequest(**vars(incoming))
        controls = request.path.startswith("/_simulator/")
        response = control.answer(self, request) if controls else self.gate.pass_through(request)
        headers = {"Cache-Control": "no-cache, private", **response.headers, "Content-Type": response.content_type}
        return Outgoing(response.status, headers, response.encoded())
