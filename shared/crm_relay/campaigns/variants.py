"""Who gets which variant of a step: the same person always the same one, without anything having to be remembered."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm_relay.platform.errors import RejectedInput

_BITS = 53
"""As many as a float holds exactly."""
_HEAVIEST = 1e9


@dataclass(frozen=True)
class Variant:
    """One of several versions of a step; its share is its weight in the sum of all. An empty text: the step's own."""

    id: str
    weight: float
    subject: str = ""
    body_html: str = ""
    body_text: str = ""


def read_variants(stored: object) -> tuple[Variant, ...]:
    """Of `[{"id": "A", "weight": 50, "subject": ..., "body_html": ..., "body_text": ...}]`; null: the step has none.

    RejectedInput for an empty list, an id that is blank or there twice, and a weight that is not above zero.
    """
    if stored is None:
        return ()
    if not isinstance(stored, list) or not stored:
        raise RejectedInput("variants: a list of at least one")
    variants = tuple(_variant(entry) for entry in stored)
    if len({variant.id for variant in variants}) < len(variants):
        raise RejectedInput("variants: two have the same id")
    return variants


def choose(variants: Sequence[Variant], enrollment_id: UUID | str, step_id: UUID | str) -> Variant:
    """The variant of this enrollment at this step, by a hash of both: the same whenever and wherever it is asked.

    The order of the list does not matter. Changing a weight, or adding and removing variants, moves as few as it can
    only at the borders; anyone who got one already keeps the one in the log. ValueError where there is none.
    """
    if not variants:
        raise ValueError("no variants")
    in_order = sorted(variants, key=lambda variant: variant.id)
    point = _share(f"{enrollment_id}:{step_id}") * math.fsum(variant.weight for variant in in_order)
    for variant in in_order[:-1]:
        point -= variant.weight
        if point < 0:
            return variant
    return in_order[-1]


def _share(key: str) -> float:
    """In [0, 1), evenly spread."""
    digest = hashlib.sha256(key.lower().encode()).digest()
    return float((int.from_bytes(digest[:8], "big") >> (64 - _BITS)) / (1 << _BITS))


def _variant(entry: Any) -> Variant:
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), str) or not entry["id"].strip():
        raise RejectedInput("variants: every one has an id")
    weight = entry.get("weight", 1)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight <= _HEAVIEST:
        raise RejectedInput("variants: a weight is a number above zero, and at most a billion")
    texts = {name: entry.get(name) or "" for name in ("subject", "body_html", "body_text")}
    if not all(isinstance(text, str) for text in texts.values()):
        raise RejectedInput("variants: subject and bodies are text")
    return Variant(entry["id"], float(weight), **texts)
