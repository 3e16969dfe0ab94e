"""Whether a provider's reply rate fell, or only came out low this week; pure.

Replies are counts: where the rate is the same, each of them falls into the last days with the share of the e-mails that
were sent in them (Przyborowski, Wilenski, 1940: Homogeneity of Results in Testing Samples from Poisson Series). The
test is exact, so its false-alarm rate holds for small counts too.
"""

import math
from dataclasses import dataclass
from typing import Any

DAYS = 7
DAYS_BEFORE = 28
"""The last days against so many before them: four times the e-mails make the rate before nearly certain."""

SMALLEST_FALL_PERCENTAGE = 20.0
"""The document's limit: a smaller fall is no alert, however certain."""

SMALLEST_SAMPLE = 200
"""E-mails a provider has to have sent on either side of the comparison."""

FALSE_ALARMS_A_MONTH = 0.01
"""So often at most a workspace whose rates never change is reported within a month."""

_LOOKS_A_MONTH = 31
_PROVIDERS = 3
"""Gmail, Outlook and Other; see PROVIDER_OF_WORD in providers/bison/mapping.py."""

LEVEL = FALSE_ALARMS_A_MONTH / (_LOOKS_A_MONTH * _PROVIDERS)
"""What one look at one provider may go wrong. The month's looks share it out (Bonferroni): they overlap, and may only
alert less often than that."""


@dataclass(frozen=True)
class ReplyRates:
    """What a provider's accounts sent and got back in a workspace: in the last days, and in those before them."""

    workspace_name: str
    email_provider: str
    previous_sent: int
    previous_replies: int
    current_sent: int
    current_replies: int

    @property
    def previous_rate(self) -> float:
        """In percent."""
        return 100 * self.previous_replies / self.previous_sent

    @property
    def current_rate(self) -> float:
        """In percent."""
        return 100 * self.current_replies / self.current_sent


@dataclass(frozen=True)
class RateFall:
    """A fall that is no chance. `p_value`: how likely chance alone leaves so few replies."""

    rates: ReplyRates
    fall_percentage: float
    p_value: float


def judge_rates(rates: ReplyRates, *, level: float = LEVEL) -> RateFall | None:
    """None where the rate did not fall, fell too little, or may have fallen by chance."""
    if min(rates.previous_sent, rates.current_sent) < SMALLEST_SAMPLE or rates.previous_replies <= 0:
        return None
    fall = 100 * (1 - rates.current_rate / rates.previous_rate)
    if fall <= SMALLEST_FALL_PERCENTAGE:
        return None
    share = rates.current_sent / (rates.current_sent + rates.previous_sent)
    p_value = probability_up_to(rates.current_replies, rates.current_replies + rates.previous_replies, share)
    return RateFall(rates, fall, p_value) if p_value <= level else None


def probability_up_to(successes: int, trials: int, share: float) -> float:
    """P(X <= successes) of a binomial distribution: the largest term first, then down until they add nothing.

    Exact below the mean, where each term is a fraction of the one before; 0 < share < 1.
    """
    if successes >= trials:
        return 1.0
    odds = (1 - share) / share
    term = math.exp(
        math.lgamma(trials + 1)
        - math.lgamma(successes + 1)
        - math.lgamma(trials - successes + 1)
        + successes * math.log(share)
        + (trials - successes) * math.log1p(-share)
    )
    if term == 0.0:
        return 0.0
    total = term
    for left in range(successes, 0, -1):
        term *= left / (trials - left + 1) * odds
        total += term
        if term < total * 1e-17:
            break
    return min(1.0, total)


def shown(fall: RateFall) -> dict[str, Any]:
    """As the report gives it: rates in percent, rounded as the document's function does."""
    rates = fall.rates
    return {
        "workspace_name": rates.workspace_name,
        "email_provider": rates.email_provider,
        "previous_rate": round(rates.previous_rate, 2),
        "current_rate": round(rates.current_rate, 2),
        "drop_percentage": round(fall.fall_percentage, 2),
        "previous_sent": rates.previous_sent,
        "current_sent": rates.current_sent,
        "p_value": fall.p_value,
    }
