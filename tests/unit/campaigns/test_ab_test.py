"""A winner is found where there is one, rarely where there is none, and never by looking again and again."""

import math
from bisect import bisect_left
from collections import Counter
from functools import cache
from itertools import accumulate
from random import Random

import pytest

from crm_relay.campaigns.ab.ab_test import (
    Arm,
    Plan,
    VariantOutcome,
    VariantVerdict,
    chi_square_survival,
    judge,
    rates_p_value,
    read_plan,
    sample_size,
    split_p_value,
)
from crm_relay.platform.errors import RejectedInput

CAMPAIGNS = 2_000
PLAN = Plan(base_rate=0.10, effect=0.05)


def log_probability(successes: int, trials: int, rate: float) -> float:
    ways = math.lgamma(trials + 1) - math.lgamma(successes + 1) - math.lgamma(trials - successes + 1)
    return ways + successes * math.log(rate) + (trials - successes) * math.log1p(-rate)


@cache
def distribution(trials: int, rate: float) -> tuple[int, list[float]]:
    """The binomial distribution's cumulative probabilities from so many successes on; the rest is below 1e-20."""
    reach = math.ceil(10 * math.sqrt(trials * rate * (1 - rate))) + 5
    least, most = max(0, int(trials * rate) - reach), min(trials, int(trials * rate) + reach)
    return least, list(accumulate(math.exp(log_probability(each, trials, rate)) for each in range(least, most + 1)))


def drawn(random: Random, trials: int, rate: float) -> int:
    least, cumulative = distribution(trials, rate)
    return least + min(bisect_left(cumulative, random.random()), len(cumulative) - 1)


def upper_bound(found: int, of: int, confidence: float = 0.99) -> float:
    """Clopper-Pearson, one-sided: with a larger rate so few would be seen less often than 1 - `confidence`."""
    low, high = found / of, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        seen = math.fsum(math.exp(log_probability(each, of, middle)) for each in range(found + 1))
        low, high = (middle, high) if seen > 1 - confidence else (low, middle)
    return high


def campaigns(rates: tuple[float, ...], recipients: int, plan: Plan, seed: int) -> list[VariantVerdict]:
    random = Random(seed)
    return [
        judge(
            [Arm(f"v{place}", 1, recipients, drawn(random, recipients, rate)) for place, rate in enumerate(rates)], plan
        )
        for _ in range(CAMPAIGNS)
    ]


def test_the_bound_of_this_test_is_the_textbooks() -> None:
    assert upper_bound(0, 100) == pytest.approx(1 - 0.01 ** (1 / 100), rel=1e-6)
    assert upper_bound(10, 100, 0.975) == pytest.approx(0.1762226, abs=1e-6)


@pytest.mark.parametrize(
    ("rate", "recipients", "plan"),
    [
        (0.10, 2_000, PLAN),
        (0.10, PLAN.sample_size(), PLAN),
        (0.02, Plan(0.02, 0.01).sample_size(), Plan(0.02, 0.01)),
        (0.40, Plan(0.40, 0.05).sample_size(), Plan(0.40, 0.05)),
    ],
)
def test_where_variants_are_equal_a_winner_is_found_in_surely_less_than_5_percent(
    rate: float, recipients: int, plan: Plan
) -> None:
    found = sum(verdict.winner is not None for verdict in campaigns((rate, rate), recipients, plan, seed=2026))
    assert found > 0
    assert upper_bound(found, CAMPAIGNS) <= 0.05


@pytest.mark.parametrize("arms", [3, 5])
def test_more_variants_do_not_make_false_winners_more_frequent(arms: int) -> None:
    verdicts = campaigns((0.1,) * arms, 2_000, PLAN, seed=7)
    assert upper_bound(sum(verdict.winner is not None for verdict in verdicts), CAMPAIGNS) <= 0.05


def test_10_against_15_percent_with_2000_each_is_found_in_at_least_80_percent() -> None:
    verdicts = campaigns((0.10, 0.15), 2_000, PLAN, seed=2026)
    assert sum(verdict.winner == "v1" for verdict in verdicts) >= 0.8 * CAMPAIGNS
    assert not any(verdict.winner == "v0" for verdict in verdicts)


@pytest.mark.parametrize("plan", [PLAN, Plan(0.02, 0.01), Plan(0.3, 0.04, alpha=0.01, power=0.9)])
def test_the_planned_sample_finds_the_planned_effect_with_the_planned_power(plan: Plan) -> None:
    verdicts = campaigns((plan.base_rate, plan.base_rate + plan.effect), plan.sample_size(), plan, seed=11)
    assert sum(verdict.winner == "v1" for verdict in verdicts) / CAMPAIGNS == pytest.approx(plan.power, abs=0.03)


@pytest.mark.parametrize("arms", [3, 6])
def test_the_planned_sample_lets_the_best_of_several_beat_each_of_the_others(arms: int) -> None:
    verdicts = campaigns((0.10,) * (arms - 1) + (0.15,), PLAN.sample_size(arms), PLAN, seed=5)
    assert sum(verdict.winner == f"v{arms - 1}" for verdict in verdicts) >= PLAN.power * CAMPAIGNS


def test_of_three_the_one_that_beats_both_others_is_found_and_of_two_good_ones_neither() -> None:
    one = Counter(verdict.winner for verdict in campaigns((0.10, 0.10, 0.15), 2_000, PLAN, seed=3))
    assert one["v2"] >= 0.8 * CAMPAIGNS
    two = Counter(verdict.winner for verdict in campaigns((0.10, 0.15, 0.15), 2_000, PLAN, seed=3))
    assert two[None] >= 0.9 * CAMPAIGNS


def test_people_who_are_split_by_chance_keep_the_error_rate_and_pass_the_check_of_the_split() -> None:
    random, outcomes = Random(5), Counter[VariantOutcome]()
    for _ in range(CAMPAIGNS):
        first = drawn(random, 4_000, 0.5)
        sizes = (first, 4_000 - first)
        outcomes[
            judge([Arm(f"v{i}", 1, size, drawn(random, size, 0.1)) for i, size in enumerate(sizes)], PLAN).reason
        ] += 1
    assert upper_bound(outcomes[VariantOutcome.WINNER], CAMPAIGNS) <= 0.05
    assert outcomes[VariantOutcome.SPLIT_RATIO] <= 10


def test_before_every_variant_has_its_sample_there_is_no_verdict_however_large_the_difference() -> None:
    needed = PLAN.sample_size()
    for sizes in ((needed - 1, needed), (needed, needed - 1), (0, needed), (0, 0)):
        verdict = judge([Arm("A", 1, sizes[0], 0), Arm("B", 1, sizes[1], sizes[1])], PLAN)
        assert (verdict.winner, verdict.reason, verdict.is_final) == (None, VariantOutcome.NOT_YET, False)
        assert verdict.details["needed"] == needed
    verdict = judge([Arm("A", 1, needed, 0), Arm("B", 1, needed, needed)], PLAN)
    assert (verdict.winner, verdict.reason, verdict.is_final) == ("B", VariantOutcome.WINNER, True)


def test_after_the_one_look_there_is_no_other() -> None:
    verdict = judge([Arm("A", 1, 2_000, 100), Arm("B", 1, 2_000, 500)], PLAN, looked=True)
    assert (verdict.winner, verdict.reason) == (None, VariantOutcome.LOOKED)


@pytest.mark.parametrize(
    ("weights", "recipients", "reason"),
    [
        ((1, 1), (2_000, 2_300), VariantOutcome.SPLIT_RATIO),
        ((1, 1), (2_000, 2_100), VariantOutcome.WINNER),
        ((1, 9), (1_000, 9_000), VariantOutcome.WINNER),
        ((1, 9), (1_000, 8_000), VariantOutcome.SPLIT_RATIO),
        ((1, 1, 1), (2_000, 2_000, 2_400), VariantOutcome.SPLIT_RATIO),
    ],
)
def test_shares_that_are_not_the_weights_make_every_winner_doubtful(
    weights: tuple[int, ...], recipients: tuple[int, ...], reason: VariantOutcome
) -> None:
    conversions = [size // 20 for size in recipients[:-1]] + [recipients[-1] // 5]
    arms = [Arm(f"v{i}", *figures) for i, figures in enumerate(zip(weights, recipients, conversions, strict=True))]
    verdict = judge(arms, PLAN)
    assert verdict.reason is reason
    assert (verdict.winner is None) is (reason is VariantOutcome.SPLIT_RATIO)


@pytest.mark.parametrize("conversions", [(0, 0), (2_000, 2_000), (200, 200), (200, 210)])
def test_without_a_difference_there_is_no_winner_and_that_is_final(conversions: tuple[int, int]) -> None:
    verdict = judge([Arm("A", 1, 2_000, conversions[0]), Arm("B", 1, 2_000, conversions[1])], PLAN)
    assert (verdict.winner, verdict.reason, verdict.is_final) == (None, VariantOutcome.NO_WINNER, True)
    assert verdict.p_value is not None
    assert 0 < verdict.p_value <= 1


def test_two_rates_are_compared_by_the_pooled_z_test() -> None:
    z = 0.025 / math.sqrt(0.1125 * 0.8875 * 2 / 2_000)
    arms = [Arm("A", 1, 2_000, 200), Arm("B", 1, 2_000, 250)]
    assert rates_p_value(arms) == pytest.approx(math.erfc(z / math.sqrt(2)), rel=1e-9)
    assert split_p_value([Arm("A", 1, 2_000, 0), Arm("B", 1, 2_300, 0)]) == pytest.approx(4.77e-6, rel=0.01)


@pytest.mark.parametrize(
    ("statistic", "degrees", "probability"),
    [
        (3.841458820694124, 1, 0.05),
        (6.634896601021213, 1, 0.01),
        (10.827566170662733, 1, 0.001),
        (5.991464547107979, 2, 0.05),
        (7.814727903251179, 3, 0.05),
        (9.487729036781154, 4, 0.05),
        (11.070497693516351, 5, 0.05),
        (18.307038053275146, 10, 0.05),
        (43.77297182574219, 30, 0.05),
        (0.0, 3, 1.0),
    ],
)
def test_chi_square_probabilities_are_those_of_the_tables(statistic: float, degrees: int, probability: float) -> None:
    assert chi_square_survival(statistic, degrees) == pytest.approx(probability, rel=1e-9)


def test_far_out_a_chi_square_probability_is_tiny_but_no_error() -> None:
    assert [chi_square_survival(5_000, degrees) for degrees in (1, 2, 19)] == [0.0, 0.0, 0.0]
    assert 0 < chi_square_survival(600, 7) < 1e-100
    assert chi_square_survival(1e-12, 19) == pytest.approx(1)


def test_sample_sizes_are_those_of_the_tables() -> None:
    assert sample_size(0.10, 0.05, alpha=0.05, power=0.8) == 686
    assert sample_size(0.50, 0.10, alpha=0.05, power=0.9) == 519
    assert PLAN.sample_size() < PLAN.sample_size(3) < PLAN.sample_size(4) < 2_000


@pytest.mark.parametrize(
    "figures",
    [
        (0, 0.1),
        (1, 0.1),
        (0.9, 0.1),
        (0.1, 0),
        (0.1, -0.1),
        (0.1, 0.1, 0),
        (0.1, 0.1, 0.5),
        (0.1, 0.1, 0.05, 1),
        (0.1, 0.1, 0.05, 0.4),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(figures: tuple[float, ...]) -> None:
    with pytest.raises(RejectedInput, match=r"^A/B test: "):
        Plan(*figures)


def test_a_plan_is_read_from_json_and_ignores_what_is_the_callers() -> None:
    assert read_plan({"metric": "opened", "base_rate": 0.1, "effect": 0.05, "wait_hours": 72, "alpha": None}) == PLAN
    assert read_plan({"base_rate": 0.1, "effect": 0.05, "alpha": 0.01, "power": 0.9}) == Plan(0.1, 0.05, 0.01, 0.9)
    for stored in ({}, {"base_rate": 0.1}, {"base_rate": "0.1", "effect": 0.05}, {"base_rate": 0.1, "effect": True}):
        with pytest.raises(RejectedInput, match="numbers"):
            read_plan(stored)


@pytest.mark.parametrize("figures", [(1, 10, 11), (1, 10, -1), (0, 10, 1), (float("nan"), 10, 1)])
def test_figures_that_cannot_be_are_refused(figures: tuple[float, int, int]) -> None:
    with pytest.raises(RejectedInput, match="variant"):
        Arm("A", *figures)


def test_one_variant_alone_cannot_win() -> None:
    with pytest.raises(RejectedInput, match="two"):
        judge([Arm("A", 1, 9_000, 10)], PLAN)
