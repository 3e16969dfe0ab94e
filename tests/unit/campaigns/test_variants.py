"""Who gets which variant of a step."""

import math
from collections import Counter
from uuid import UUID, uuid5

import pytest

from crm_relay.campaigns.ab.ab_test import chi_square_survival
from crm_relay.campaigns.variants import Variant, choose, read_variants
from crm_relay.platform.errors import RejectedInput

NAMESPACE = UUID("11111111-2222-4333-8444-555555555555")
STEP, OTHER_STEP = uuid5(NAMESPACE, "step"), uuid5(NAMESPACE, "other step")
PEOPLE = [uuid5(NAMESPACE, str(number)) for number in range(20_000)]
THREE = (Variant("A", 1), Variant("B", 1), Variant("C", 2))


def test_the_choice_is_pinned_so_that_no_later_version_gives_somebody_another_variant() -> None:
    assert [choose(THREE, person, STEP).id for person in PEOPLE[:16]] == list("CCCCCCCACCBCCBCC")
    assert [choose(THREE[:2], person, STEP).id for person in PEOPLE[:16]] == list("BBBBBBBABBABBABB")


def test_neither_the_order_of_the_list_nor_the_way_an_id_is_written_matters() -> None:
    for person in PEOPLE[:200]:
        chosen = choose(THREE, person, STEP)
        assert choose(THREE[::-1], person, STEP) == chosen
        assert choose(THREE, str(person).upper(), str(STEP)) == chosen


@pytest.mark.parametrize("weights", [(1, 1), (9, 1), (0.5, 0.25, 0.25), (33.3, 33.3, 33.4), (1, 2, 3, 4), (98, 1, 1)])
def test_the_split_of_20000_people_is_what_the_weights_say(weights: tuple[float, ...]) -> None:
    variants = [Variant(f"v{place}", weight) for place, weight in enumerate(weights)]
    seen = Counter(choose(variants, person, STEP).id for person in PEOPLE)
    expected = {variant.id: len(PEOPLE) * variant.weight / math.fsum(weights) for variant in variants}
    distance = sum((seen[name] - size) ** 2 / size for name, size in expected.items())
    assert chi_square_survival(distance, len(weights) - 1) > 0.001


def test_two_steps_split_the_same_people_independently() -> None:
    pairs = Counter((choose(THREE[:2], person, STEP).id, choose(THREE[:2], person, OTHER_STEP).id) for person in PEOPLE)
    distance = sum((pairs[first, second] - 5000) ** 2 / 5000 for first in "AB" for second in "AB")
    assert chi_square_survival(distance, 3) > 0.001


def test_one_variant_is_everybodys_and_none_is_an_error_of_the_caller() -> None:
    assert {choose(THREE[:1], person, STEP).id for person in PEOPLE[:50]} == {"A"}
    with pytest.raises(ValueError, match="no variants"):
        choose((), PEOPLE[0], STEP)


def test_weights_of_any_size_choose_one_of_the_variants() -> None:
    extreme = (Variant("A", 5e-324), Variant("B", 1e-9), Variant("C", 1e9))
    assert {choose(extreme, person, STEP).id for person in PEOPLE[:50]} == {"C"}


def test_variants_are_read_from_json() -> None:
    stored = [{"id": "A", "weight": 50, "subject": "Hi"}, {"id": "B", "body_html": "<p>x</p>", "body_text": None}]
    assert read_variants(stored) == (Variant("A", 50, "Hi"), Variant("B", 1, body_html="<p>x</p>"))
    assert read_variants(None) == ()


@pytest.mark.parametrize(
    "stored",
    [
        *([], {}, "A", ["A"], [{}], [{"id": ""}], [{"id": 1}], [{"id": "A"}, {"id": "A"}], [{"id": "A", "subject": 5}]),
        *([{"id": "A", "weight": weight}] for weight in (0, -1, "1", True, float("nan"), float("inf"), 1e308)),
    ],
)
def test_what_are_no_variants_is_refused(stored: object) -> None:
    with pytest.raises(RejectedInput, match=r"^variants: "):
        read_variants(stored)
