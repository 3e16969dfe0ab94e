"""A Resend account on one port, held to what Resend's documentation says of it; nothing of it is recorded.

Comments give the source: [D] resend.com/docs as of November 2026, [D0] its earlier pages, [O] resend-openapi 1.5.0, [S]
resend-python 2.51, [X] docs.svix.com, [I] an issue on GitHub; "assumed" is a guess.
"""

from local.simulators.clock import MovableClock
from local.simulators.resend.http.faults import ResendFault
from local.simulators.resend.simulator import ResendSimulator
from local.simulators.resend.state import Inbound, ResendHook, SimulatedMail
from local.simulators.resend.webhooks.delivery import Attempt, HookMessage

__all__ = [
    "Attempt",
    "HookMessage",
    "Inbound",
    "MovableClock",
    "ResendFault",
    "ResendHook",
    "ResendSimulator",
    "SimulatedMail",
]
