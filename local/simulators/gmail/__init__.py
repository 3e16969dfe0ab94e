"""Gmail accounts and Google's consent on one port, held to the API's discovery document; nothing of it is recorded.

Comments give the source: [G] the discovery document, revision 20261005; [W] Google's page on OAuth for web servers; [Q]
its page of quotas; "assumed" is a guess.
"""

from local.simulators.gmail.http.faults import GmailFault
from local.simulators.gmail.simulator import GmailSimulator
from local.simulators.gmail.state import GmailAccountState, SimulatedMessage

__all__ = ["GmailAccountState", "GmailFault", "GmailSimulator", "SimulatedMessage"]
