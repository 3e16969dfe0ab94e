"""Things that go wrong on purpose: errors, lost answers, slow and hanging calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from local.simulators.fault_queue import AimedFault, FaultQueue

Kind = Literal["500_before", "500_after_partial", "429", "hang", "drop", "expire_token", "slow"]


@dataclass
class MauticFault(AimedFault):
    """Hits only requests whose body contains `in_body`.

    500_before: nothing is written. 500_after_partial: `after_items` items of a batch are written, then 500 (a single
    call is written whole). 429: with the headers of the rate limiter. hang: no answer for `seconds`, nothing is
    written, the connection closes. drop: everything is written, but the answer never arrives. expire_token: every
    token has expired. slow: the answer takes `seconds` longer.
    """

    kinds = frozenset(get_args(Kind))

    kind: Kind
    after_items: int = 3
    seconds: float = 5.0
    in_body: str = ""

    def hits(self, request_line: str, body: bytes) -> bool:
        return super().hits(request_line, body) and self.in_body.encode() in body


Faults = FaultQueue[MauticFault]
