"""An EmailBison instance on one port, held to what vendor and public clients say of it; nothing of it is recorded.

Comments give the source: [V] the vendor's documents, [C] two or more public clients, [1] one; "assumed" is a guess.
"""

from local.simulators.bison.http.faults import BisonFault
from local.simulators.bison.simulator import BisonSimulator
from local.simulators.bison.state import (
    BisonHook,
    BisonSending,
    SimulatedAccount,
    SimulatedCampaign,
    SimulatedLead,
    SimulatedReply,
    SimulatedWorkspace,
)
from local.simulators.bison.webhooks.delivery import HookDelivery
from local.simulators.bison.webhooks.events import EVENTS, EventOptions

__all__ = [
    "EVENTS",
    "BisonFault",
    "BisonHook",
    "BisonSending",
    "BisonSimulator",
    "EventOptions",
    "HookDelivery",
    "SimulatedAccount",
    "SimulatedCampaign",
    "SimulatedLead",
    "SimulatedReply",
    "SimulatedWorkspace",
]
