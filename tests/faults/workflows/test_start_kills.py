"""Starters die by SIGKILL, two at a time, while records change and clocks jump: no event starts a workflow twice, and
none is lost. Without the locks of the claim the same trials find some that are decided twice."""

from collections.abc import Iterator
from dataclasses import asdict

import pytest

from crm_relay.platform.database import Database
from tests.support.processes.fork_server import ForkServer
from tests.support.workflows.forked_starter import MODULE
from tests.support.workflows.start_stage import StartStage
from tests.support.workflows.start_trials import FoundStarts, StartTrials

TRIALS, PER_TEST = 40, 10
SLOW_TRIALS = 400


@pytest.fixture(scope="module")
def forks() -> Iterator[ForkServer]:
    """One process that forks for all of them."""
    with ForkServer(MODULE) as server:
        yield server


@pytest.fixture
def trials(database: Database, database_url: str, forks: ForkServer) -> StartTrials:
    return StartTrials(StartStage(database, database_url), forks)


def faults(found: FoundStarts) -> dict[str, int]:
    return {name: number for name, number in asdict(found).items() if number and name != "killed"}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("first", range(0, TRIALS, PER_TEST))
def test_killed_starters_start_nothing_twice_and_lose_nothing(trials: StartTrials, first: int) -> None:
    found = {seed: trials.chaos(seed) for seed in range(first, first + PER_TEST)}
    assert {seed: faults(each) for seed, each in found.items() if faults(each)} == {}
    assert sum(each.killed for each in found.values()) >= PER_TEST // 2


@pytest.mark.slow
@pytest.mark.parametrize("first", range(10_000, 10_000 + SLOW_TRIALS, 50))
def test_four_hundred_more_of_them(trials: StartTrials, first: int) -> None:
    found = {seed: trials.chaos(seed) for seed in range(first, first + 50)}
    assert {seed: faults(each) for seed, each in found.items() if faults(each)} == {}


@pytest.mark.timeout(400)
def test_the_same_trials_without_the_locks_of_the_claim_find_a_fault(trials: StartTrials) -> None:
    assert any(faults(trials.chaos(seed, locks=False)) for seed in range(40))


@pytest.mark.timeout(400)
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_killed_at_every_step_in_turn(trials: StartTrials, *, before: bool) -> None:
    stage = trials.stage
    workflow = stage.publish()
    stage.won_deal()
    steps = trials.live(trials.order({}))["steps"]
    assert steps > 4
    for step in range(1, steps + 1):
        stage.won_deal()
        ended = trials.live(trials.order({"step": step, "before": before}))
        assert ended["signal"] == 9
        trials.live(trials.order({}))
    assert len(stage.runs(workflow)) == steps + 1
    assert (stage.waiting_events(), len(stage.decisions(workflow))) == (0, steps + 1)
