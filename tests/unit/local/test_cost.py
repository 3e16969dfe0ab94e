"""What a deployment costs: from the template, dated prices and measured figures."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from local.cost.model import idle_parts, read_measured, rounds_a_month, stage_parameters, unit_parts
from local.cost.prices import read_prices, times, together
from local.stack_file import ROOT
from local.template.template import SamTemplate, Schedule

MEASURED, PRICES = read_measured(), read_prices()


def parts(**parameters: str) -> dict[str, dict[str, float]]:
    found = idle_parts(SamTemplate.read(ROOT / "template.yaml", parameters), MEASURED, "arm64")
    return {name: dict(part) for name, part in found.items()}


def test_every_schedule_was_measured() -> None:
    functions = SamTemplate.read(ROOT / "template.yaml").functions.values()
    assert MEASURED.idle.keys() == {f"{each.name}.{one.name}" for each in functions for one in each.schedules}


def test_every_unit_has_a_price_and_prices_have_a_day() -> None:
    units = {name for part in parts().values() for name in part}
    units |= {name for part in unit_parts(MEASURED, "x86_64").values() for name in part}
    assert units <= PRICES.prices.keys()
    assert PRICES.as_of.year >= 2026
    assert all(each.source.startswith("https://aws.amazon.com/") for each in PRICES.prices.values())


def test_the_free_tier_is_taken_off_once_for_the_sum_of_all_parts() -> None:
    polled = {"sqs_requests": 600_000.0}
    assert PRICES.cost(together(polled, polled), free_tier=True) == pytest.approx(200_000 * 0.40e-6)
    assert PRICES.cost(polled, free_tier=True) == 0
    assert PRICES.cost(times(polled, 2)) == pytest.approx(1_200_000 * 0.40e-6)


@pytest.mark.parametrize(
    ("expression", "rounds"), [("rate(1 minute)", 43200), ("rate(15 minutes)", 2880), ("cron(0 2 * * ? *)", 30)]
)
def test_a_schedule_fires_so_often_in_30_days(expression: str, rounds: float) -> None:
    assert rounds_a_month(Schedule("One", expression, "UTC", {}, enabled=True)) == rounds
    assert timedelta(days=30) / rounds >= timedelta(minutes=1)


def test_a_key_of_kms_is_paid_for_where_the_stack_makes_one() -> None:
    assert parts()["key of connections"] == {"kms_keys": 1}
    assert parts(ConnectionKeyArn="arn:aws:kms:us-east-1:1:key/1")["key of connections"] == {"kms_keys": 0}
    assert parts(**stage_parameters("prod"))["key of connections"] == {"kms_keys": 0}


def test_parameters_of_parameter_store_cost_nothing() -> None:
    assert parts()["secrets"] == {"secrets": 5}
    kept = parts(SecretName="ssm:/crm-relay/prod")
    assert kept["secrets"] == {"secrets": 0}
    assert kept["schedules"]["secret_reads"] == 0


def test_webhooks_and_the_sync_with_mautic_alone_cost_less_than_a_dollar_at_rest() -> None:
    given = stage_parameters("prod") | {"SecretName": "ssm:/crm-relay/prod", "EdgeReplication": "disabled"}
    found = parts(**given, Workflows="disabled", Notifications="disabled")
    assert PRICES.cost(together(*found.values()), free_tier=True) < 1.0


def test_a_room_that_is_left_out_costs_nothing() -> None:
    names = ("queues, which Lambda polls", "schedules")
    whole, less = parts(), parts(Workflows="disabled", EdgeReplication="disabled")
    assert all(PRICES.cost(less[name]) < PRICES.cost(whole[name]) for name in names)


def test_the_alarms_of_the_default_level_are_free() -> None:
    assert PRICES.cost(parts()["alarms"], free_tier=True) == 0
    assert PRICES.cost(parts(AlarmLevel="full")["alarms"], free_tier=True) > 5


def test_a_thousand_webhooks_cost_at_most_a_cent() -> None:
    assert PRICES.cost(times(unit_parts(MEASURED, "arm64")["webhook"], 1000)) <= 0.01


def test_a_benchmarks_figure_takes_the_place_of_the_kept_one(tmp_path: Path) -> None:
    bench = tmp_path / "bench.json"
    bench.write_text(json.dumps({"campaign_cron.steps_per_s": {"value": 500.0}}))
    found = read_measured(bench)
    assert found.unit_ms["mail"] == 2.0
    assert found.unit_ms["webhook"] == MEASURED.unit_ms["webhook"]
    assert read_measured(tmp_path / "none.json") == MEASURED
