"""crm-relay cost: what a deployment costs at rest, for each thousand of what it does, and in a month of yours."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import typer

from cli.console import GOOD, AsJson, reports_errors, show
from crm_relay.platform.errors import RejectedInput
from local.cost.model import ASSUMED, idle_parts, read_measured, stage_parameters, unit_parts
from local.cost.prices import PriceList, Quantities, read_prices, times, together
from local.stack_file import ROOT
from local.template.template import SamTemplate

_UNITS = {"webhook": "webhooks", "mail": "mails, without the webhooks about them", "run": "workflow runs"}


@reports_errors
def show_cost(
    events: Annotated[int, typer.Option("--events", min=0, help="Webhooks a month.")] = 0,
    mails: Annotated[int, typer.Option("--mails", min=0, help="E-mails of campaigns a month.")] = 0,
    runs: Annotated[int, typer.Option("--runs", min=0, help="Runs of workflows a month.")] = 0,
    stage: Annotated[str | None, typer.Option("--stage", help="Stage of samconfig.toml. Default: every room.")] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", help="Parameter of the template, such as Connections=disabled.")
    ] = None,
    architecture: Annotated[
        Literal["arm64", "x86_64"], typer.Option("--architecture", help="Of the functions.")
    ] = "arm64",
    as_json: AsJson = False,
) -> int:
    """Show what a deployment costs on AWS: at rest by part, for 1,000 of each unit, and in a month.

    Nothing is asked: prices are those of `local/cost/prices.toml`, with their day.
    """
    template = SamTemplate.read(ROOT / "template.yaml", _of_stage(stage) | _given(parameter or []))
    prices, measured = read_prices(), read_measured(ROOT / "build" / "bench.json")
    idle = idle_parts(template, measured, architecture)
    units = unit_parts(measured, architecture)
    volumes = {"webhook": events, "mail": mails, "run": runs}
    month = together(*idle.values(), *(times(units[name], count) for name, count in volumes.items()))
    found = _found(prices, idle, units, month)
    if as_json:
        show(found, as_json, "Cost")
    else:
        _print(found, prices, volumes)
    return GOOD


def _found(
    prices: PriceList, idle: Mapping[str, Quantities], units: Mapping[str, Quantities], month: Quantities
) -> dict[str, Any]:
    at_rest = together(*idle.values())
    return {
        "prices_as_of": prices.as_of.isoformat(),
        "region": prices.region,
        "idle_parts": {name: prices.cost(part) for name, part in idle.items()},
        "idle": {"list_price": prices.cost(at_rest), "with_free_tier": prices.cost(at_rest, free_tier=True)},
        "per_1000": {name: prices.cost(times(part, 1000)) for name, part in units.items()},
        "month": {"list_price": prices.cost(month), "with_free_tier": prices.cost(month, free_tier=True)},
        "assumed": list(ASSUMED),
    }


def _print(found: Mapping[str, Any], prices: PriceList, volumes: Mapping[str, int]) -> None:
    idle, month = found["idle"], found["month"]
    rows = {name: _dollars(cost) for name, cost in found["idle_parts"].items()}
    show(rows | _both(idle), False, f"At rest, USD a month ({prices.region}, prices of {prices.as_of})")
    show({_UNITS[name]: f"{cost:.5f}" for name, cost in found["per_1000"].items()}, False, "For 1,000, USD")
    if any(volumes.values()):
        said = ", ".join(f"{count:,} {_UNITS[name].partition(',')[0]}" for name, count in volumes.items() if count)
        show(_both(month), False, f"A month with {said}, USD")
    typer.echo("Assumed:")
    for each in found["assumed"]:
        typer.echo(f"- {each}")


def _both(costs: Mapping[str, float]) -> dict[str, str]:
    return {"all": _dollars(costs["list_price"]), "with the free tier": _dollars(costs["with_free_tier"])}


def _dollars(cost: float) -> str:
    return f"{cost:.2f}"


def _of_stage(stage: str | None) -> dict[str, str]:
    try:
        return {} if stage is None else stage_parameters(stage)
    except KeyError:
        raise RejectedInput(f"samconfig.toml has no stage {stage}") from None


def _given(parameters: list[str]) -> dict[str, str]:
    pairs = [each.partition("=") for each in parameters]
    if wrong := [name for name, equals, _ in pairs if not equals]:
        raise RejectedInput(f"--parameter {wrong[0]}: Name=value")
    return {name: value for name, _, value in pairs}
