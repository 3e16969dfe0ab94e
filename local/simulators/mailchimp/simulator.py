"""The simulated Mailchimp account on a port, as tests and the local stack use it."""

from __future__ import annotations

from local.simulators.clock import MovableClock
from local.simulators.http_server import Incoming, Outgoing, ServedSimulator
from local.simulators.mailchimp import control
from local.simulators.mailchimp.simulated_mailchimp import SimulatedMailchimp
from local.simulators.mailchimp.wire import MailchimpRequest


class MailchimpSimulator(SimulatedMailchimp, ServedSimulator):
    """The API is under `/3.0`, consent and tokens under `/oauth2`, files of results beside them, on one address."""

    def __init__(self, port: int = 0, *, clock: MovableClock | None = None) -> None:
        super().__init__(clock)
        ServedSimulator.__init__(self, port)

    def answer(self, incoming: Incoming) -> Outgoing:
        request = MailchimpRequest(**vars(incoming))
        controls = request.path.startswith("/_simulator/")
        return (control.answer(self, request) if controls else self.gate.pass_through(request)).outgoing()
