"""A fall of a reply rate is reported where chance does not explain it, and at most so often where it does."""

import random
import re
from fractions import Fraction
from math import comb

import pytest

from crm_relay.outreach.reporting.reply_rates import (
    FALSE_ALARMS_A_MONTH,
    LEVEL,
    ReplyRates,
    judge_rates,
    probability_up_to,
)
from tests.support.outreach.reply_rate_months import LOOKS, RateMonths, by_threshold
from tests.support.source_tree import ROOT


def rates(before: tuple[int, int], now: tuple[int, int]) -> ReplyRates:
    return ReplyRates("Northwind", "Gmail", *before, *now)


def test_the_probability_is_that_of_the_binomial_distribution() -> None:
    chance = random.Random(5)
    for _ in range(300):
        trials = chance.randint(1, 80)
        successes, share = chance.randint(0, trials), Fraction(chance.randint(1, 19), 20)
        exact = sum(
            comb(trials, number) * share**number * (1 - share) ** (trials - number) for number in range(successes + 1)
        )
        assert probability_up_to(successes, trials, float(share)) == pytest.approx(float(exact), rel=1e-9)


@pytest.mark.parametrize(("successes", "trials"), [(0, 5_000_000), (400_000, 1_000_000), (499_000, 1_000_000)])
def test_a_million_replies_are_judged_as_well_as_ten(successes: int, trials: int) -> None:
    assert 0.0 <= probability_up_to(successes, trials, 0.5) <= 0.05


@pytest.mark.parametrize(
    ("before", "now", "is_reported"),
    [
        ((56000, 1120), (14000, 140), True),
        ((56000, 1120), (14000, 225), False),
        ((840, 17), (210, 1), False),
        ((4200, 84), (1050, 0), True),
        ((4200, 84), (1050, 40), False),
        ((4200, 0), (1050, 0), False),
        ((199, 150), (1050, 0), False),
        ((4200, 84), (199, 0), False),
        ((0, 0), (0, 0), False),
    ],
)
def test_only_a_fall_that_is_large_and_no_chance_is_reported(
    before: tuple[int, int], now: tuple[int, int], is_reported: bool
) -> None:
    assert (judge_rates(rates(before, now)) is not None) is is_reported


def test_a_small_fall_is_none_however_certain() -> None:
    certain = rates((10_000_000, 1_000_000), (10_000_000, 800_000))
    assert probability_up_to(800_000, 1_800_000, 0.5) < LEVEL
    assert judge_rates(certain) is None


def documented() -> dict[int, tuple[int, ...]]:
    """The figures of docs/operations.md: e-mails a week -> threshold alone, the test, halved rates found."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\d,]+) \| ([\d,]+) \| (\d+) \| ([\d,]+) \|$", text, flags=re.MULTILINE)
    return {int(week.replace(",", "")): tuple(int(each.replace(",", "")) for each in found) for week, *found in rows}


@pytest.mark.parametrize("week", [210, 1050, 14000])
def test_the_false_alarms_of_a_month_are_those_that_are_promised(week: int) -> None:
    steady = RateMonths(week // 7, 0.02)
    alarms = steady.reported()
    by_chance = RateMonths(week // 7, 0.02, providers=1).reported(by_threshold, days_before=7)
    found = RateMonths(week // 7, 0.02, 0.01, providers=1).reported(looks=14)

    assert alarms <= FALSE_ALARMS_A_MONTH * steady.workspaces
    assert alarms < by_chance / 20
    assert documented()[week] == (by_chance, alarms, found)
    assert LEVEL * LOOKS * steady.providers == pytest.approx(FALSE_ALARMS_A_MONTH)
