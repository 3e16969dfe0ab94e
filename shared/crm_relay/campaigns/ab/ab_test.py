"""Which variant is better: a test with a fixed horizon, looked at once, that may well say that none is.

Sizes and tests are the textbook's (Fleiss, Levin, Paik: Statistical Methods for Rates and Proportions, chapters 3, 4),
several comparisons are Holm's (1979); why the split is checked says Fabijan et al. (2019), Diagnosing Sample Ratio
Mismatch.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from statistics import NormalDist
from typing import Any

from crm_relay.platform.errors import RejectedInput

ALPHA = 0.025
"""At most so often a winner is found where there is none; half of the usual 5 %, which leaves room to prove 5 %."""

POWER = 0.8
_SPLIT_IS_WRONG = 0.001
_FEWEST_ARMS = 2


class VariantOutcome(Enum):
    """What a look at the test says.

    NOT_YET: too few got it so far. SPLIT_RATIO: the shares are not those that were asked for, so something else than
    chance decided who got what. LOOKED: the one look was taken before, and its verdict stands.
    """

    NOT_YET = "not_yet"
    NO_WINNER = "no_winner"
    SPLIT_RATIO = "split_ratio"
    WINNER = "winner"
    LOOKED = "looked"


@dataclass(frozen=True)
class Plan:
    """Agreed before anything is sent: the rate expected of a variant, and the difference (absolute) worth finding.

    0.10 and 0.05: 10 % against 15 %. RejectedInput where the two do not fit or an error rate is none.
    """

    base_rate: float
    effect: float
    alpha: float = ALPHA
    power: float = POWER

    def __post_init__(self) -> None:
        if not 0 < self.base_rate < 1 or not 0 < self.effect < 1 or self.base_rate + self.effect >= 1:
            raise RejectedInput("A/B test: base_rate and effect are above 0, and together below 1")
        if not 0 < self.alpha < 0.5 or not 0.5 <= self.power < 1:
            raise RejectedInput("A/B test: alpha is above 0 and below 0.5, power at least 0.5 and below 1")

    def sample_size(self, arms: int = _FEWEST_ARMS) -> int:
        """How many have to get each variant before the look; more where the best has to beat more than one."""
        # What may go wrong is shared out among the comparisons, so that all of them succeed with the planned power.
        missed = (1 - self.power) / max(1, arms - 1)
        return sample_size(self.base_rate, self.effect, self.alpha, 1 - missed)


def read_plan(stored: Mapping[str, Any]) -> Plan:
    """Of a step's `ab_test`, `{"base_rate": 0.1, "effect": 0.05, "alpha"?, "power"?}`; other keys are the caller's.

    RejectedInput where a figure is missing or none.
    """
    figures = {name: stored[name] for name in ("base_rate", "effect", "alpha", "power") if stored.get(name) is not None}
    if {"base_rate", "effect"} - figures.keys() or not all(_is_number(figure) for figure in figures.values()):
        raise RejectedInput("A/B test: base_rate and effect are numbers, alpha and power too where they are given")
    return Plan(**figures)


@dataclass(frozen=True)
class Arm:
    """A variant so far: how many got it, and how many of these did what is counted (people, no machines)."""

    id: str
    weight: float
    recipients: int
    conversions: int

    def __post_init__(self) -> None:
        if not 0 <= self.conversions <= self.recipients or not self.weight > 0:
            raise RejectedInput("A/B test: a variant has a weight, and no more conversions than recipients")

    @property
    def rate(self) -> float:
        """Conversions a recipient; 0 of nobody."""
        return self.conversions / self.recipients if self.recipients else 0.0


@dataclass(frozen=True)
class VariantVerdict:
    """What the test says, and why; only NOT_YET is not final. `details` are the figures behind it, fit for JSON."""

    winner: str | None
    reason: VariantOutcome
    p_value: float | None = None
    details: dict[str, object] = field(default_factory=dict)

    @property
    def is_final(self) -> bool:
        """Whether it has to be kept, so that nobody looks again."""
        return self.reason is not VariantOutcome.NOT_YET


def sample_size(base_rate: float, effect: float, alpha: float = ALPHA, power: float = POWER) -> int:
    """Recipients a variant with which a difference of `effect` is found with the probability `power` (two-sided)."""
    other = base_rate + effect
    pooled = (base_rate + other) / 2
    chance = NormalDist().inv_cdf(1 - alpha / 2) * math.sqrt(2 * pooled * (1 - pooled))
    missed = NormalDist().inv_cdf(power) * math.sqrt(base_rate * (1 - base_rate) + other * (1 - other))
    return math.ceil(((chance + missed) / effect) ** 2)


def judge(arms: Sequence[Arm], plan: Plan, *, looked: bool = False) -> VariantVerdict:
    """The one look, as soon as every variant reached its size: a second one would find winners by chance.

    `looked`: a final verdict was given before; the caller keeps it. With two variants it is the pooled z test. With
    more, all are compared at once, and then the best has to beat each of the others (Holm). RejectedInput for fewer.
    """
    if len(arms) < _FEWEST_ARMS:
        raise RejectedInput("A/B test: at least two variants")
    if looked:
        return VariantVerdict(None, VariantOutcome.LOOKED)
    needed = plan.sample_size(len(arms))
    details: dict[str, object] = {
        "needed": needed,
        "arms": {arm.id: {"recipients": arm.recipients, "conversions": arm.conversions} for arm in arms},
    }
    if any(arm.recipients < needed for arm in arms):
        return VariantVerdict(None, VariantOutcome.NOT_YET, details=details)
    details["split_p_value"] = split = split_p_value(arms)
    if split < _SPLIT_IS_WRONG:
        return VariantVerdict(None, VariantOutcome.SPLIT_RATIO, details=details)
    best = max(arms, key=lambda arm: (arm.rate, arm.id))
    p_value = max(rates_p_value(arms), _hardest(best, [arm for arm in arms if arm is not best]))
    if p_value > plan.alpha:
        return VariantVerdict(None, VariantOutcome.NO_WINNER, p_value, details)
    return VariantVerdict(best.id, VariantOutcome.WINNER, p_value, details)


def split_p_value(arms: Sequence[Arm]) -> float:
    """How likely recipients are spread at least so unlike the weights by chance."""
    total, weights = sum(arm.recipients for arm in arms), math.fsum(arm.weight for arm in arms)
    expected = [(arm, total * arm.weight / weights) for arm in arms]
    return chi_square_survival(sum((arm.recipients - size) ** 2 / size for arm, size in expected), len(arms) - 1)


def rates_p_value(arms: Sequence[Arm]) -> float:
    """How likely rates differ at least so much by chance; of two arms, that is the pooled two-sided z test."""
    pooled = sum(arm.conversions for arm in arms) / sum(arm.recipients for arm in arms)
    if pooled in {0.0, 1.0}:
        return 1.0
    distance = sum(arm.recipients * (arm.rate - pooled) ** 2 for arm in arms) / (pooled * (1 - pooled))
    return chi_square_survival(distance, len(arms) - 1)


def chi_square_survival(statistic: float, degrees: int) -> float:
    """P(X >= statistic) of a chi-square distribution: the incomplete gamma function Q(degrees / 2, statistic / 2).

    For whole degrees it is a finite sum: Q(a + 1, x) = Q(a, x) + x^a e^-x / Gamma(a + 1), from Q(1/2, x) = erfc(sqrt x)
    or Q(1, x) = e^-x on. https://dlmf.nist.gov/8.8#E6
    """
    x = statistic / 2
    if x <= 0:
        return 1.0
    shape, survival = (0.5, math.erfc(math.sqrt(x))) if degrees % 2 else (1.0, math.exp(-x))
    while shape < degrees / 2:
        survival += math.exp(shape * math.log(x) - x - math.lgamma(shape + 1))
        shape += 1
    return min(1.0, survival)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _hardest(best: Arm, others: Sequence[Arm]) -> float:
    """The largest of Holm's adjusted p-values: the best beats each of the others at this level."""
    ordered = sorted(rates_p_value((best, other)) for other in others)
    return min(1.0, max(p_value * (len(ordered) - place) for place, p_value in enumerate(ordered)))
