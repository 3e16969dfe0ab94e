"""Months of providers whose replies come by chance at a known rate, and in how many of them something is reported."""

import math
import random
from bisect import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from crm_relay.outreach.reporting.reply_rates import DAYS, DAYS_BEFORE, ReplyRates, judge_rates

LOOKS = 31
Judge = Callable[[ReplyRates], object]


@dataclass(frozen=True)
class RateMonths:
    """`sent` e-mails a day by each provider, of which `rate` are answered; from the first look on `rate_then`."""

    sent: int
    rate: float
    rate_then: float | None = None
    providers: int = 3
    workspaces: int = 1000

    def reported(self, judge: Judge = judge_rates, *, days_before: int = DAYS_BEFORE, looks: int = LOOKS) -> int:
        """How many workspaces are reported on at least one of the days."""
        chance = random.Random(7)
        before = _poisson(self.sent * self.rate)
        then = before if self.rate_then is None else _poisson(self.sent * self.rate_then)
        return sum(
            any(
                self._alerts([before(chance) for _ in range(past)] + [then(chance) for _ in range(looks)], judge, past)
                for past in [days_before + DAYS]
                for _ in range(self.providers)
            )
            for _ in range(self.workspaces)
        )

    def _alerts(self, replies: Sequence[int], judge: Judge, past: int) -> bool:
        sums = [0, *accumulate(replies)]
        return any(
            judge(
                ReplyRates(
                    "Northwind",
                    "Gmail",
                    self.sent * (past - DAYS),
                    sums[day - DAYS] - sums[day - past],
                    self.sent * DAYS,
                    sums[day] - sums[day - DAYS],
                )
            )
            is not None
            for day in range(past + 1, len(sums))
        )


def by_threshold(rates: ReplyRates) -> object:
    """The document's rule alone: more than a fifth less."""
    return True if rates.previous_replies and rates.current_rate < 0.8 * rates.previous_rate else None


def _poisson(mean: float) -> Callable[[random.Random], int]:
    """Draws by the inverse of the distribution."""
    terms = [math.exp(-mean)]
    for number in range(1, int(mean + 20 * math.sqrt(mean)) + 30):
        terms.append(terms[-1] * mean / number)
    below = list(accumulate(terms))
    return lambda chance: bisect(below, chance.random())
