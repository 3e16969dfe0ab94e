"""Workers of workflow_cron die by SIGKILL, two at a time, while clocks jump, connections are cut and the provider
fails: no effect happens twice and none is lost."""

from collections.abc import Iterator
from dataclasses import asdict
from uuid import UUID

import pytest

from crm_relay.platform.database import Database
from local.simulators.resend import MovableClock, ResendSimulator
from tests.support.processes.fork_server import ForkServer
from tests.support.workflows.forked_engine import MODULE
from tests.support.workflows.run_harness import WEDNESDAY, RunHarness
from tests.support.workflows.workflow_trials import RECORDS, WorkflowTrials

TRIALS, PER_TEST = 200, 20
SLOW_TRIALS = 2_000


@pytest.fixture(scope="module")
def forks() -> Iterator[ForkServer]:
    """One process that forks for all of them."""
    with ForkServer(MODULE) as server:
        yield server


@pytest.fixture
def trials(database: Database, database_url: str, forks: ForkServer) -> Iterator[WorkflowTrials]:
    """An empty CRM, and a Resend whose time is ours."""
    time = [WEDNESDAY]
    with ResendSimulator(clock=MovableClock(lambda: time[0]), requests_per_second=None) as simulator:
        yield WorkflowTrials(RunHarness(database, simulator, database_url, time), forks)


@pytest.mark.parametrize("first", range(0, TRIALS, PER_TEST))
def test_killed_workers_do_nothing_twice_and_lose_nothing(trials: WorkflowTrials, first: int) -> None:
    found = {seed: trials.chaos(seed) for seed in range(first, first + PER_TEST)}

    assert {seed: asdict(each) for seed, each in found.items() if not each.is_faultless} == {}
    assert sum(each.killed for each in found.values()) >= PER_TEST // 2


@pytest.mark.slow
@pytest.mark.parametrize("first", range(10_000, 10_000 + SLOW_TRIALS, 100))
def test_two_thousand_more_workflow_trials(trials: WorkflowTrials, first: int) -> None:
    found = {seed: trials.chaos(seed) for seed in range(first, first + 100)}

    assert {seed: asdict(each) for seed, each in found.items() if not each.is_faultless} == {}


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_killed_at_every_step_of_a_run_in_turn(trials: WorkflowTrials, *, before: bool) -> None:
    # The first run of a new database arms it, by statements that no later run has.
    trials.live({})
    peaceful = trials.begin()
    steps = trials.live({})["steps"]
    trials.calm(peaceful)
    assert steps > 15

    left = {}
    for number in range(1, steps + 1):
        workflow = trials.begin()
        assert trials.live({"step": number, "before": before})["signal"] == 9
        trials.calm(workflow)
        if not (found := trials.look(workflow)).is_faultless:
            left[number] = asdict(found)
    assert left == {}


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_killed_at_every_step_of_a_decision_in_turn(trials: WorkflowTrials, *, before: bool) -> None:
    """A worker that asks for approvals and one that decides them, killed at each of their steps."""
    steps = decided_in(trials, trials.begin())
    assert steps > 15

    left = {}
    for number in range(1, steps + 1):
        workflow = waiting_for_approval(trials)
        assert trials.live({"step": number, "before": before})["signal"] == 9
        trials.calm(workflow)
        if not (found := trials.look(workflow)).is_faultless:
            left[number] = asdict(found)
    assert left == {}


def waiting_for_approval(trials: WorkflowTrials) -> UUID:
    """A workflow whose runs wait for people."""
    workflow = trials.begin()
    trials.live({}, decides=False)
    trials.runs.wait(hours=1)
    trials.live({}, decides=False)
    asked = trials.runs.rows("select from workflow_approvals where status = 'pending'")
    assert len(asked) == RECORDS
    return workflow


def decided_in(trials: WorkflowTrials, first: UUID) -> int:
    """How many steps a round has in which all of them are decided."""
    trials.calm(first)
    workflow = waiting_for_approval(trials)
    steps: int = trials.live({})["steps"]
    trials.calm(workflow)
    return steps
