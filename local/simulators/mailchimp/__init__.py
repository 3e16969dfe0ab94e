"""A Mailchimp account on one port, held to the vendor's specification 3.0.55; nothing of it is recorded.

Comments give the source: [O] the specification, [E] pages of the vendor as of August 2026; "assumed" is a guess.
"""

from local.simulators.mailchimp.faults import MailchimpFault
from local.simulators.mailchimp.simulator import MailchimpSimulator
from local.simulators.mailchimp.state import SimulatedAudience, SimulatedMember

__all__ = ["MailchimpFault", "MailchimpSimulator", "SimulatedAudience", "SimulatedMember"]
