"""An EmailBison instance on one port, held to what vendor and public clients say of it; nothing of it is recorded.

Comments give the source: [V] the vendor's documents, [C] two or more public clients, [1] one; "assumed" is a guess.
"""

from local.simulators.bison.delivery import Delivery
from local.simulators.bison.events import EVENTS, Options
from local.simulators.bison.faults import Fault
from local.simulators.bison.simulator import BisonSimulator
from local.simulators.bison.state import Account, Campaign, Hook, Lead, Reply, Sending, Workspace

__all__ = [
    "EVENTS",
    "Account",
    "BisonSimulator",
    "Campaign",
    "Delivery",
    "Fault",
    "Hook",
    "Lead",
    "Options",
    "Reply",
    "Sending",
    "Workspace",
]
