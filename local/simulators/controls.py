"""What all simulators have under `/_simulator/`: a table of controls, and faults among them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from local.simulators.http_server import Incoming

Json = dict[str, Any]
S = TypeVar("S")


class _Queue(Protocol):
    @property
    def pending(self) -> int:
        """How many wait."""

    def clear(self) -> None:
        """None waits any more."""


class Faulty(Protocol):
    """A simulator that can be told to fail."""

    @property
    def faults(self) -> _Queue:
        """Those that wait."""

    @property
    def fault(self) -> Callable[..., None]:
        """One more, by `match`, `kind` and its details. Raises TypeError or ValueError where there is no such thing."""


def carry_out(
    controls: Mapping[tuple[str, str], Callable[[S, Json], Json]], simulator: S, request: Incoming, payload: Json
) -> tuple[int, Json]:
    """Status and answer of the control with the request's method and name; 400 says what the payload lacks."""
    name = request.path.removeprefix("/_simulator/")
    found = controls.get((request.method, name))
    if found is None:
        return 404, {"error": f"no such control: {request.method} {name}"}
    try:
        return 200, found(simulator, payload)
    except (KeyError, TypeError, ValueError) as error:
        return 400, {"error": f"{type(error).__name__}: {error}"}


def add_fault(simulator: Faulty, payload: Json) -> Json:
    simulator.fault(**payload)
    return {"faults_pending": simulator.faults.pending}


def clear_faults(simulator: Faulty, payload: Json) -> Json:
    del payload
    simulator.faults.clear()
    return {"faults_pending": 0}
