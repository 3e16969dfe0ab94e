"""One thing that the doctor looked at, and what stops a look without stopping the others."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from crm_relay.platform.errors import FatalError, RejectedInput, TransientError


@dataclass(frozen=True)
class Check:
    """One thing looked at; `verdict` is good, worth a look, or wrong."""

    what: str
    verdict: str
    found: str


def safely(what: str, look: Callable[[], Iterator[Check]]) -> list[Check]:
    """What cannot be reached is one check that went wrong."""
    try:
        return list(look())
    except (RejectedInput, TransientError, FatalError) as error:
        return [Check(what, "wrong", str(error))]
