"""An Airtable account on one port, held to what is known of Airtable's web API; nothing of it is recorded.

Comments give the source: [D] airtable.com/developers/web/api, [P] pyairtable 3.5 (its requests and models), [I] an
issue on GitHub, [R] a public repository that met it; "assumed" is a guess.
"""

from local.simulators.airtable.http.faults import AirtableFault
from local.simulators.airtable.simulator import AirtableSimulator
from local.simulators.airtable.state import SimulatedBase, SimulatedColumn, SimulatedRecord, SimulatedTable

__all__ = [
    "AirtableFault",
    "AirtableSimulator",
    "SimulatedBase",
    "SimulatedColumn",
    "SimulatedRecord",
    "SimulatedTable",
]
