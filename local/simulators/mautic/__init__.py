"""A Mautic 5.1.1 on one port, as unforgiving as the recordings of the real one in `tests/samples/mautic`."""

from local.simulators.mautic.http.faults import MauticFault
from local.simulators.mautic.http.gate import MauticExchange
from local.simulators.mautic.simulator import MauticSimulator
from local.simulators.mautic.state import SimulatedContact

__all__ = ["MauticExchange", "MauticFault", "MauticSimulator", "SimulatedContact"]
