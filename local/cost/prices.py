"""Prices of AWS, as prices.toml has them, and quantities in their units."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

Quantities = Mapping[str, float]
"""Name of a price -> how many of its units."""


@dataclass(frozen=True)
class Price:
    """`each` in US dollars; `free`: units that every account has free each month."""

    each: float
    free: float
    source: str


@dataclass(frozen=True)
class PriceList:
    """On-demand prices of one region at one day."""

    as_of: date
    region: str
    prices: Mapping[str, Price]

    def cost(self, quantities: Quantities, *, free_tier: bool = False) -> float:
        """US dollars. Raises KeyError for a unit without a price."""
        return sum(self.cost_of(name, amount, free_tier=free_tier) for name, amount in quantities.items())

    def cost_of(self, name: str, amount: float, *, free_tier: bool = False) -> float:
        """Of one kind of unit."""
        price = self.prices[name]
        return max(0.0, amount - (price.free if free_tier else 0.0)) * price.each


def read_prices() -> PriceList:
    """The list beside this file."""
    content = tomllib.loads(Path(__file__).with_name("prices.toml").read_text(encoding="utf-8"))
    as_of, region = content.pop("as_of"), content.pop("region")
    return PriceList(as_of, region, {name: Price(**entry) for name, entry in content.items()})


def together(*parts: Quantities) -> dict[str, float]:
    """The sum, unit by unit."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: sum(part.get(name, 0.0) for part in parts) for name in names}


def times(quantities: Quantities, count: float) -> dict[str, float]:
    """So many of the same."""
    return {name: amount * count for name, amount in quantities.items()}
