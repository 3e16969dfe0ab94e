"""Things that go wrong on purpose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from local.simulators.fault_queue import AimedFault

Kind = Literal[
    "401",
    "403",
    "403_bare",
    "404",
    "429",
    "500",
    "500_after",
    "503",
    "hang",
    "lost",
    "truncated",
    "html",
    "duplicate_page",
]


@dataclass
class MailchimpFault(AimedFault):
    """401, 403, 404, 429, 500, 503: problems, nothing is done. 403_bare: a page of the server before the API [E].

    500_after, lost, truncated: everything is done, and the answer is an error, does not come, or comes by half. hang:
    `seconds` pass, nothing is done or answered. html: a page of a proxy with status 200. duplicate_page: the first
    page comes again. `skip` requests pass first.
    """

    kinds = frozenset(get_args(Kind))

    kind: Kind
    seconds: float = 1.0
